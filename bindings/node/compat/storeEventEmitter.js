'use strict';
module.exports = require('../lib/storeEventEmitter.js').StoreEventEmitter;
