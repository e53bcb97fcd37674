'use strict';
module.exports = require('../lib/event.js').Event;
