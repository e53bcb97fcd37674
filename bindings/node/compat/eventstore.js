'use strict';
module.exports = require('../lib/eventstore.js').Eventstore;
