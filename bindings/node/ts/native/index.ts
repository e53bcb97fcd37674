import { type AzureTableOptions, AzureTableStore } from './azuretable';
import { type DynamoOptions, DynamoStore } from './dynamodb';
import { type ElasticOptions, ElasticStore } from './elasticsearch';
import { type InMemoryOptions, InMemoryStore } from './inmemory';
import { type MongoOptions, MongoStore } from './mongodb';
import { type RedisOptions, RedisStore } from './redis';
import { type SqliteOptions, SqliteStore } from './sqlite';
import { type TingoOptions, TingoStore } from './tingodb';

/**
 * The stores of this package, by the `type` that names them. One more is a class that extends `DurableStore`, an entry
 * here, and an arm in `src/open.rs`.
 */
export const nativeStores = {
  azuretable: AzureTableStore,
  dynamodb: DynamoStore,
  elasticsearch: ElasticStore,
  inmemory: InMemoryStore,
  mongodb: MongoStore,
  opensearch: ElasticStore,
  redis: RedisStore,
  sqlite: SqliteStore,
  tingodb: TingoStore,
} as const;

/** The `type` of a store of this package. */
export type NativeType = keyof typeof nativeStores;

/** The options of a store of this package. */
export type NativeOptions =
  | AzureTableOptions
  | DynamoOptions
  | ElasticOptions
  | InMemoryOptions
  | MongoOptions
  | RedisOptions
  | SqliteOptions
  | TingoOptions;
