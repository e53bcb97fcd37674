'use strict';
module.exports = require('../lib/eventStream.js').EventStream;
