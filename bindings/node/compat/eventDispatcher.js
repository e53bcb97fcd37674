'use strict';
module.exports = require('../lib/eventDispatcher.js').EventDispatcher;
