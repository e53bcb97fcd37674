// @ts-check
'use strict';
// Every option of every type, as the types have them: checked by the compiler, and by options.test.cjs.

const common = { timeout: 1000, maxSnapshotsCount: 3, emitStoreEvents: true };
const durable = { ...common, heartbeat: 60_000 };
const client = { transport: { connectionPool: { getConnection: () => undefined }, request: () => undefined } };
const units = {
  EventsReadCapacityUnits: 1,
  EventsWriteCapacityUnits: 1,
  SnapshotReadCapacityUnits: 1,
  SnapshotWriteCapacityUnits: 1,
  UndispatchedEventsReadCapacityUnits: 1,
  UndispatchedEventsWriteCapacityUnits: 1,
};

/** @type {Required<import('annals').InMemoryOptions>} */
const inmemory = { type: 'inmemory', ...common, trackPosition: true };

/** @type {Required<import('annals').SqliteOptions>} */
const sqlite = {
  type: 'sqlite',
  ...durable,
  filename: 'a.db',
  path: 'a.db',
  url: 'sqlite:a.db',
  trackPosition: true,
  synchronous: 'normal',
  busyTimeout: 5,
};

/** @type {Required<import('annals').RedisOptions>} */
const redis = {
  type: 'redis',
  ...durable,
  host: 'a',
  port: 1,
  db: 1,
  url: 'redis://a',
  socket: '/a',
  path: '/a',
  username: 'u',
  user: 'u',
  password: 'p',
  tls: { ca: 'c', cert: 'c', key: 'k' },
  prefix: 'p',
  eventsCollectionName: 'e',
  snapshotsCollectionName: 's',
  trackPosition: true,
  cluster: false,
  responseTimeout: 1,
  waitReplicas: 1,
  waitTimeout: 1,
};

/** @type {Required<import('annals').MongoOptions>} */
const mongodb = {
  type: 'mongodb',
  ...durable,
  host: 'a',
  port: 1,
  servers: [{ host: 'a', port: 1 }],
  dbName: 'd',
  url: 'mongodb://a',
  username: 'u',
  password: 'p',
  authSource: 'a',
  eventsCollectionName: 'e',
  snapshotsCollectionName: 's',
  transactionsCollectionName: 't',
  positionsCollectionName: 'p',
  trackPosition: true,
  responseTimeout: 1,
  ssl: true,
  options: { w: 'majority' },
};

/** @type {Required<import('annals').TingoOptions>} */
const tingodb = {
  type: 'tingodb',
  ...durable,
  dbPath: 'a',
  url: 'tingodb:a',
  eventsCollectionName: 'e',
  snapshotsCollectionName: 's',
  transactionsCollectionName: 't',
  positionsCollectionName: 'p',
  trackPosition: true,
  synchronous: 'full',
  damage: 'refuse',
  strictKeys: true,
};

/** @type {Required<import('annals').ElasticOptions>} */
const elasticsearch = {
  type: 'elasticsearch',
  ...durable,
  client,
  host: 'a:1',
  hosts: ['a:1', { host: 'a', port: 1 }],
  url: 'elasticsearch://a',
  auth: { username: 'u', password: 'p' },
  apiKey: 'k',
  aws: { service: 'es', region: 'r', accessKeyId: 'i', secretAccessKey: 's', sessionToken: 't' },
  tls: { ca: 'c', cert: 'c', key: 'k' },
  indexName: 'i',
  eventsTypeName: 'e',
  snapshotsTypeName: 's',
  maxSearchResults: 10,
  refresh: true,
  indexPayload: true,
  nodeEventstoreWrites: false,
  shards: 1,
  replicas: 0,
  log: 'warning',
  responseTimeout: 1,
  attempts: 1,
};

/** @type {Required<import('annals').ElasticOptions>} */
const opensearch = { ...elasticsearch, type: 'opensearch' };

/** @type {Required<import('annals').DynamoOptions>} */
const dynamodb = {
  type: 'dynamodb',
  ...durable,
  ...units,
  region: 'r',
  endpoint: 'http://a:1',
  accessKeyId: 'i',
  secretAccessKey: 's',
  sessionToken: 't',
  profile: 'p',
  endpointConf: { endpoint: 'http://a:1', credentials: { accessKeyId: 'i', secretAccessKey: 's' }, maxRetries: 3 },
  url: 'dynamodb://r/e',
  eventsTableName: 'eee',
  snapshotsTableName: 'sss',
  undispatchedEventsTableName: 'uuu',
  annalsTableName: 'aaa',
  onDemand: true,
  trackPosition: true,
  index: true,
  nodeEventstoreWrites: false,
  useUndispatchedEventsTable: true,
  eventsTableStreamEnabled: true,
  eventsTableStreamViewType: 'KEYS_ONLY',
  responseTimeout: 1,
  attempts: 1,
};

/** @type {Required<import('annals').AzureTableOptions>} */
const azuretable = {
  type: 'azuretable',
  ...durable,
  storageAccount: 'a',
  storageAccessKey: 'a2V5',
  sasToken: 's',
  storageTableHost: 'http://a',
  connectionString: 'UseDevelopmentStorage=true',
  eventsTableName: 'eee',
  undispatchedEventsTableName: 'uuu',
  snapshotsTableName: 'sss',
  indexTableName: 'iii',
  nodeEventstoreWrites: false,
};

module.exports = { azuretable, dynamodb, elasticsearch, inmemory, mongodb, opensearch, redis, sqlite, tingodb };
