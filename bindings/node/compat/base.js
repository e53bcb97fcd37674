'use strict';
module.exports = require('../lib/base.js');
