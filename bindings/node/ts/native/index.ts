import { AzureTableStore } from './azuretable';
import { DynamoStore } from './dynamodb';
import { ElasticStore } from './elasticsearch';
import { InMemoryStore } from './inmemory';
import { MongoStore } from './mongodb';
import { RedisStore } from './redis';
import { SqliteStore } from './sqlite';
import { TingoStore } from './tingodb';

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
