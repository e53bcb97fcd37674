import createDebug from 'debug';

import Store = require('./base');
import { Eventstore } from './eventstore';
import { nativeStores } from './native';
import type { Options } from './options';
import { StoreEventEmitter } from './storeEventEmitter';

const debug = createDebug('eventstore');

/** The options with the name of the type as stores are listed: in lower case, `'inmemory'` where none is given. */
function typed(options: Options): Options & { type: NonNullable<Options['type']> } {
  // eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing -- nor an empty name
  const type = options.type || 'inmemory';
  return { ...options, type: typeof type === 'function' ? type : type.toLowerCase() };
}

/**
 * Makes the store that options name, without an event store over it.
 *
 * @throws Error where there is no store of the type.
 */
export function createStore(options: Options = {}): Store {
  const { type } = typed(options);
  if (typeof type === 'function') return new type(options as never);
  const name = type;
  const native = Object.entries(nativeStores).find(([known]) => known === name)?.[1];
  if (!native) {
    const message = `Implementation for db "${name}" does not exist!`;
    debug(message);
    throw new Error(message);
  }
  return new native({ ...options, type: name });
}

/**
 * Makes an event store: `eventstore({ type: 'sqlite', filename: 'orders.db' })`. Call `init` on it, then use it.
 *
 * @throws Error where there is no store of the type, or an option has the wrong type.
 */
export function createEventstore(options: Options = {}): Eventstore {
  const eventstore = new Eventstore(typed(options), createStore(options));
  if (options.emitStoreEvents) new StoreEventEmitter(eventstore).addEventEmitter();
  return eventstore;
}
