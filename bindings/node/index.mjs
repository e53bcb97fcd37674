import eventstore from './lib/index.js';

export const {
  Store,
  createStore,
  Eventstore,
  EventStream,
  Event,
  Snapshot,
  EventDispatcher,
  StoreEventEmitter,
  ConcurrencyError,
  ObjectId,
  BsonValue,
} = eventstore;
export default eventstore;
