'use strict';
module.exports = require('../lib/snapshot.js').Snapshot;
