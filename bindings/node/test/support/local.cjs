'use strict';
// The stores that need no server: ours, and users' own.
const { join } = require('node:path');
const { eventstore, folder, onTingo } = require('./stage.cjs');
const { Inheriting, Extending } = require('./stores.cjs')(eventstore.Store);

let files = 0;

/** Options for a new, empty store of each kind. */
const local = {
  inmemory: () => ({ type: 'inmemory' }),
  sqlite: () => ({ type: 'sqlite', filename: join(folder, `${++files}.db`) }),
  // Without waiting for the disk, as npm eventstore.
  tingodb: () => ({ ...onTingo(), synchronous: 'normal' }),
  'a store that inherits': () => ({ type: Inheriting }),
  'a store that extends': () => ({ type: Extending }),
};

module.exports = { local };
