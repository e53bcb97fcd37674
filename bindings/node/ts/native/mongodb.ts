import type { DurableOptions } from '../options';
import { mongoJson } from './bson';
import type { Callback } from './crossing';
import type { Kind } from './given';
import { TransactionalStore } from './transactionalStore';

/** What of the driver's options is understood; they become parameters of the URL. */
const DRIVER = {
  ssl: 'boolean',
  tls: 'boolean',
  tlsCAFile: 'string',
  tlsCertificateKeyFile: 'string',
  tlsCertificateKeyFilePassword: 'string',
  tlsInsecure: 'boolean',
  tlsAllowInvalidCertificates: 'boolean',
  tlsAllowInvalidHostnames: 'boolean',
  replicaSet: 'string',
  directConnection: 'boolean',
  authSource: 'string',
  authMechanism: 'string',
  appname: 'string',
  appName: 'string',
  readPreference: 'string',
  readConcernLevel: 'string',
  w: 'text',
  j: 'boolean',
  journal: 'boolean',
  wtimeout: 'number',
  wtimeoutMS: 'number',
  retryWrites: 'boolean',
  retryReads: 'boolean',
  compressors: 'string',
  poolSize: 'number',
  maxPoolSize: 'number',
  minPoolSize: 'number',
  maxIdleTimeMS: 'number',
  connectTimeoutMS: 'number',
  serverSelectionTimeoutMS: 'number',
  heartbeatFrequencyMS: 'number',
  localThresholdMS: 'number',
} as const satisfies Record<string, Kind>;

/** What told the driver for Node.js how to work, and has no meaning here. */
const IGNORED = [
  'autoReconnect',
  'auto_reconnect',
  'bufferMaxEntries',
  'family',
  'forceServerObjectId',
  'ignoreUndefined',
  'keepAlive',
  'keepAliveInitialDelay',
  'monitorCommands',
  'native_parser',
  'noDelay',
  'numberOfRetries',
  'promoteBuffers',
  'promoteLongs',
  'promoteValues',
  'reconnectInterval',
  'reconnectTries',
  'socketTimeoutMS',
  'useNewUrlParser',
  'useUnifiedTopology',
];

type DriverOptions = {
  -readonly [Name in keyof typeof DRIVER]?: (typeof DRIVER)[Name] extends 'boolean'
    ? boolean
    : (typeof DRIVER)[Name] extends 'number'
      ? number | string
      : (typeof DRIVER)[Name] extends 'text'
        ? number | string
        : string;
};

/** The options of `type: 'mongodb'`. The names and defaults are node-eventstore's; what it lacks is off by default. */
export interface MongoOptions extends DurableOptions {
  type: 'mongodb';
  /** Default: `'localhost'`. */
  host?: string;
  /** Default: 27017. */
  port?: number | string;
  /** Several servers, of a replica set or routers: come before host and port. */
  servers?: { host: string; port?: number | string }[];
  /** Default: `'eventstore'`. */
  dbName?: string;
  /** `mongodb://…` or `mongodb+srv://…`: comes before servers, host, port, dbName, username, password and authSource. */
  url?: string;
  /** Counts with a password only. Both as in a URL: what is special there is written with `%`. */
  username?: string;
  password?: string;
  /** The database that knows the user. */
  authSource?: string;
  /** Default: `'events'`. */
  eventsCollectionName?: string;
  /** Default: `'snapshots'`. */
  snapshotsCollectionName?: string;
  /** Default: `'transactions'`. */
  transactionsCollectionName?: string;
  /** Gives every event a position, from the counter in this collection. */
  positionsCollectionName?: string;
  /** Give every event a global position, counted in the collection `positions`. Default: false. */
  trackPosition?: boolean;
  /** How long an answer may take, in ms. Default: 30,000. */
  responseTimeout?: number;
  /** Uses TLS, as `options.ssl` does. */
  ssl?: boolean;
  /** Options of the driver, by the names that they have for it, as far as they are its connection’s. */
  options?: DriverOptions & Record<string, unknown>;
}

/**
 * Events in MongoDB, in node-eventstore’s collections. See {@link MongoOptions}.
 *
 * A connection that is lost is made again by itself, with `disconnect` and `connect` emitted.
 */
export class MongoStore extends TransactionalStore {
  /** Connecting fails by itself when the option timeout is over. */
  readonly keepsTime = true;
  protected override readonly codec = mongoJson;

  constructor(options: Record<string, unknown> = {}) {
    super('mongodb', options, {
      url: 'string',
      servers: [{ host: 'string', port: 'port' }],
      host: 'string',
      port: 'port',
      dbName: 'string',
      username: 'string',
      password: 'string',
      authSource: 'string',
      eventsCollectionName: 'string',
      snapshotsCollectionName: 'string',
      transactionsCollectionName: 'string',
      positionsCollectionName: 'string',
      trackPosition: 'boolean',
      timeout: 'number',
      responseTimeout: 'number',
      heartbeat: 'number',
      ssl: 'boolean',
      options: { ...DRIVER, ...Object.fromEntries(IGNORED.map((name) => [name, 'ignored' as const])) },
    });
  }

  /** An object id, as text: that of node-eventstore’s commits to MongoDB. */
  override getNewId(callback: Callback<string>): void {
    this.run(
      'newId',
      () => null,
      (error, text) => {
        if (error) callback(error);
        else callback(null, JSON.parse(text as string) as string);
      },
    );
  }
}
