import createDebug from 'debug';

import Store = require('./base');
import { Eventstore } from './eventstore';
import { type NativeOptions, nativeStores, type NativeType } from './native';
import type { Options } from './options';
import { StoreEventEmitter } from './storeEventEmitter';

const debug = createDebug('eventstore');

/**
 * The options with the name of the type as stores are listed: in lower case, `'inmemory'` where none is given.
 *
 * @throws TypeError where they can't be options.
 */
function typed(given: Options | null | undefined): Options & { type: NonNullable<Options['type']> } {
  const options = given ?? {};
  if (typeof options !== 'object')
    throw new TypeError(`options must be an object, as { type: 'sqlite' }, not a ${typeof options}`);
  // eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing -- nor an empty name
  const type: unknown = options.type || 'inmemory';
  if (typeof type === 'string') return { ...options, type: type.toLowerCase() };
  if (typeof type === 'function' && 'prototype' in type) return { ...options, type: type as never };
  throw new TypeError('the option type must be the name of a store, or a class that extends Store');
}

function storeOf(options: ReturnType<typeof typed>, given: Options | null | undefined): Store {
  const { type } = options;
  // A custom store gets the very object that was given.
  if (typeof type === 'function') return new type(given as never);
  const native = Object.entries(nativeStores).find(([known]) => known === type)?.[1];
  if (!native) {
    const message = `Implementation for db "${type}" does not exist!`;
    debug(message);
    throw new Error(message, { cause: `there are the types ${Object.keys(nativeStores).join(', ')}` });
  }
  return new native(options);
}

/** Options of another type than those of this package, or of one that is only known at run time. */
export type OtherOptions<O extends Options> = O extends { type: NativeType }
  ? never
  : O extends { type: unknown }
    ? O
    : never;

/**
 * Makes the store that options name, without an event store over it.
 *
 * @throws Error where there is no store of the type, or an option has the wrong type.
 */
export function createStore(options?: NativeOptions): Store;
export function createStore<O extends Options>(options: O & OtherOptions<O>): Store;
export function createStore(given?: NativeOptions | Options): Store {
  const options = given as Options | undefined;
  return storeOf(typed(options), options);
}

/**
 * Makes an event store: `eventstore({ type: 'sqlite', filename: 'orders.db' })`. Call `init` on it, then use it.
 *
 * @throws Error where there is no store of the type, or an option has the wrong type.
 */
export function createEventstore(given?: NativeOptions | Options): Eventstore {
  const options = typed(given as Options | undefined);
  const eventstore = new Eventstore(options, storeOf(options, given as Options | undefined));
  if (options.emitStoreEvents) new StoreEventEmitter(eventstore).addEventEmitter();
  return eventstore;
}
