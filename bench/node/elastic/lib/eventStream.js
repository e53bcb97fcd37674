'use strict';
module.exports = require('eventstore/lib/eventStream');
