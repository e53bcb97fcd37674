import type { DurableOptions } from '../options';
import { plainJson } from './codec';
import type { Callback } from './crossing';
import { DurableStore } from './durableStore';

/** The options of `type: 'redis'`. The names and defaults are node-eventstore's; what it lacks is off by default. */
export interface RedisOptions extends DurableOptions {
  type: 'redis';
  /** Default: `'localhost'`. */
  host?: string;
  /** Default: 6379. */
  port?: number | string;
  /** The number of the database. Default: 0. */
  db?: number | string;
  /**
   * `redis://user:password@host:6379/0`, or `rediss://…` for TLS: comes before host, port, db, user and password, as far
   * as it names them.
   */
  url?: string;
  /** A Unix socket, instead of host and port. */
  socket?: string;
  /** The same as `socket`. */
  path?: string;
  /** The ACL user. */
  username?: string;
  /** The same as `username`. */
  user?: string;
  password?: string;
  /** Uses TLS: trusts `ca` instead of the system's authorities, and shows the server `cert`, whose key is `key` (PEM). */
  tls?: { ca?: string | Uint8Array; cert?: string | Uint8Array; key?: string | Uint8Array };
  /** What every key begins with. Default: `'eventstore'`. */
  prefix?: string;
  /** Default: `'events'`. */
  eventsCollectionName?: string;
  /** Default: `'snapshots'`. */
  snapshotsCollectionName?: string;
  /** Give every event a global position. Default: false. */
  trackPosition?: boolean;
  /** Whether the server is a node of a Redis Cluster. The prefix then has a hash tag, as `{shop}` is one. */
  cluster?: boolean;
  /** How long an answer may take, in ms. Default: 30,000. */
  responseTimeout?: number;
  /** How many replicas must have a commit before it is acknowledged. */
  waitReplicas?: number;
  /** How long they may take, in ms. Default: 1,000. */
  waitTimeout?: number;
}

/**
 * Events in Redis, under node-eventstore's keys. See {@link RedisOptions}.
 *
 * A connection that is lost is made again by itself, with `disconnect` and `connect` emitted; calls wait for it for a
 * second or two.
 */
export class RedisStore extends DurableStore {
  /** Connecting fails by itself when the option timeout is over. */
  readonly keepsTime = true;
  protected override readonly codec = plainJson;

  constructor(options: Record<string, unknown> = {}) {
    super('redis', options, {
      url: 'string',
      socket: 'string',
      path: 'string',
      host: 'string',
      port: 'port',
      db: 'number',
      username: 'string',
      user: 'string',
      password: 'string',
      tls: { ca: 'pem', cert: 'pem', key: 'pem' },
      prefix: 'string',
      eventsCollectionName: 'string',
      snapshotsCollectionName: 'string',
      trackPosition: 'boolean',
      cluster: 'boolean',
      timeout: 'number',
      responseTimeout: 'number',
      heartbeat: 'number',
      waitReplicas: 'number',
      waitTimeout: 'number',
    });
  }

  /** A number that nobody else gets, as text: node-eventstore counts with the same counter. */
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
