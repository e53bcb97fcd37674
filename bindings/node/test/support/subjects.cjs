'use strict';
// The stores that every behaviour is shown on.
const { local } = require('./local.cjs');
const { placesOn } = require('./stage.cjs');

/** Options for a new, empty store of each kind. */
const subjects = {
  ...local,
  redis: placesOn('redis'),
  mongodb: placesOn('mongodb'),
  'elasticsearch 5': placesOn('es5'),
  'elasticsearch 7': placesOn('es7'),
  opensearch: placesOn('os3'),
  dynamodb: placesOn('dynamodb'),
  azuretable: placesOn('azuretable'),
};
/** Those of this package. */
const natives = Object.fromEntries(Object.entries(subjects).filter(([name]) => !name.startsWith('a ')));

/** Those that give no positions. */
const unpositioned = ['elasticsearch 5', 'elasticsearch 7', 'opensearch', 'azuretable'];
/** Those that keep payloads as JSON to the letter. */
const literal = [...unpositioned, 'dynamodb'];
/** How many bytes of JSON a payload may have, where that is less than 32 MB. */
const largest = {
  mongodb: 15_000_000,
  'elasticsearch 5': 8_000_000,
  'elasticsearch 7': 8_000_000,
  opensearch: 8_000_000,
  dynamodb: 390_000,
  azuretable: 480_000,
};

module.exports = { largest, literal, natives, subjects, unpositioned };
