/* eslint-disable @typescript-eslint/no-namespace -- `require('annals')` is a function
   with properties, and types beside them */
import base = require('./base');
import callback = require('./callback');
import dispatcher = require('./eventDispatcher');
import emitter = require('./storeEventEmitter');
import errors = require('./errors');
import event = require('./event');
import factory = require('./factory');
import paging = require('./paging');
import type azuretable = require('./native/azuretable');
import bson = require('./native/bson');
import type dynamodb = require('./native/dynamodb');
import type elasticsearch = require('./native/elasticsearch');
import type inmemory = require('./native/inmemory');
import type mongodb = require('./native/mongodb');
import type native = require('./native');
import type options = require('./options');
import type redis = require('./native/redis');
import type sqlite = require('./native/sqlite');
import type tingodb = require('./native/tingodb');
import snapshot = require('./snapshot');
import store = require('./eventstore');
import stream = require('./eventStream');
import streams = require('./streams');

/**
 * Makes an event store: `eventstore({ type: 'sqlite', filename: 'orders.db' })`. Call `init` on it, then use it.
 *
 * @throws Error where there is no store of the type, or an option has the wrong type.
 */
function eventstore(options?: eventstore.NativeOptions): eventstore.Eventstore;
function eventstore<O extends eventstore.Options>(options: O & factory.OtherOptions<O>): eventstore.Eventstore;
function eventstore(options?: eventstore.NativeOptions | eventstore.Options): eventstore.Eventstore {
  return factory.createEventstore(options);
}

namespace eventstore {
  export import Store = base;
  export import createStore = factory.createStore;
  export import Eventstore = store.Eventstore;
  export import EventStream = stream.EventStream;
  export import Event = event.Event;
  export import Snapshot = snapshot.Snapshot;
  export import EventDispatcher = dispatcher.EventDispatcher;
  export import StoreEventEmitter = emitter.StoreEventEmitter;
  export import ConcurrencyError = errors.ConcurrencyError;
  export import ObjectId = bson.ObjectId;
  export import BsonValue = bson.BsonValue;

  export type AzureTableOptions = azuretable.AzureTableOptions;
  export type Callback<T = void> = callback.Callback<T>;
  export type CallOptions = callback.CallOptions;
  export type Conflict = errors.Conflict;
  export type DynamoOptions = dynamodb.DynamoOptions;
  export type ElasticOptions = elasticsearch.ElasticOptions;
  export type EventMappings = event.EventMappings;
  export type EventReadable<P = unknown> = streams.EventReadable<P>;
  export type NewSnapshot<D = unknown> = snapshot.NewSnapshot<D>;
  export type InMemoryOptions = inmemory.InMemoryOptions;
  export type MongoOptions = mongodb.MongoOptions;
  export type NativeOptions = native.NativeOptions;
  export type Options = options.Options;
  export type Page<P = unknown> = paging.Page<P>;
  export type PublisherFunction<P = unknown> = store.PublisherFunction<P>;
  export type RedisOptions = redis.RedisOptions;
  export type SqliteOptions = sqlite.SqliteOptions;
  export type TingoOptions = tingodb.TingoOptions;
  export type Query = stream.Query;
  export type RecordedEvent<P = unknown> = stream.RecordedEvent<P>;
}

Object.defineProperty(eventstore, 'default', { value: eventstore });

export = eventstore;
