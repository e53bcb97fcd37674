import type { DurableOptions } from '../options';
import { addon, type NativeHandle } from './addon';
import { jsonText } from './codec';
import { DurableStore } from './durableStore';
import { type ElasticClient, type Send, sendBy } from './elasticClient';
import { type ElasticHost, hostsOf } from './elasticHosts';
import { type Log, logOf, type LogOption, tell } from './elasticLog';

/**
 * The options of `type: 'elasticsearch'` and `type: 'opensearch'`, which are one. The names and defaults are
 * node-eventstore’s; what it lacks is off by default.
 */
export interface ElasticOptions extends DurableOptions {
  type: 'elasticsearch' | 'opensearch';
  /**
   * A client of the packages `elasticsearch`, `@elastic/elasticsearch` or `@opensearch-project/opensearch`. Every request
   * goes through it: where the server is and who asks there is the client’s matter then, and its log and its timeouts
   * count. It is not closed.
   */
  client?: ElasticClient;
  /** One host, or several. Default: `'localhost:9200'`. */
  host?: string | ElasticHost | (string | ElasticHost)[];
  /** The same as `host`. */
  hosts?: string | ElasticHost | (string | ElasticHost)[];
  /** `elasticsearch://user:password@localhost:9200/eventstore`; what is given beside it comes first. */
  url?: string;
  /** A user with a password, or an API key. */
  auth?: { username?: string; password?: string; apiKey?: string };
  /** An API key, as `id:key` in base64. */
  apiKey?: string;
  /** Signs requests for AWS: for OpenSearch Service (`'es'`, the default) or OpenSearch Serverless (`'aoss'`). */
  aws?: {
    service?: 'es' | 'aoss';
    /** Default: what AWS’s environment or profile says. */
    region?: string;
    /** Together with `secretAccessKey`. Default: AWS’s chain finds both. */
    accessKeyId?: string;
    secretAccessKey?: string;
    sessionToken?: string;
  };
  /** Trusts `ca` instead of the system’s authorities, and shows the server `cert`, whose key is `key` (PEM). */
  tls?: { ca?: string | Uint8Array; cert?: string | Uint8Array; key?: string | Uint8Array };
  /** The index on servers before 6; later what the indexes’ names begin with. Default: `'eventstore'`. */
  indexName?: string;
  /** Default: `'events'`. */
  eventsTypeName?: string;
  /** Default: `'snapshots'`. */
  snapshotsTypeName?: string;
  /** How much one search asks for: the size of a page, no limit. Default, and at most: 10,000. */
  maxSearchResults?: number;
  /** Whether a commit is visible in the indexes, to others than annals, once it is acknowledged. Default: false. */
  refresh?: boolean;
  /** Whether payloads can be searched, by others than annals, in indexes that are made. Default: false. */
  indexPayload?: boolean;
  /** Whether a node-eventstore may still write to the index. Default: true on servers before 6, where it can. */
  nodeEventstoreWrites?: boolean;
  /** How many shards the indexes have that are made. Default: 1. */
  shards?: number;
  /** How many replicas the indexes have that are made. Default: the server’s own choice. */
  replicas?: number;
  /** What is told of requests, as with the legacy client. Default: `'warning'`. */
  log?: LogOption;
  /** How long an answer may take, in ms. Default: 30,000. */
  responseTimeout?: number;
  /** How often a request that the server was too busy for, or that got no answer, is sent. Default: 10. */
  attempts?: number;
}

/** Events in Elasticsearch or OpenSearch, in node-eventstore’s index where there is one. See {@link ElasticOptions}. */
export class ElasticStore extends DurableStore {
  protected override readonly codec = jsonText;
  private readonly send: Send | undefined;
  private readonly log: Log | undefined;

  constructor(options: Record<string, unknown> = {}) {
    const type = options.type === 'opensearch' ? 'opensearch' : 'elasticsearch';
    super(type, options, {
      // Looked at below.
      client: 'ignored',
      host: 'ignored',
      hosts: 'ignored',
      log: 'ignored',
      url: 'string',
      auth: { username: 'string', password: 'string', apiKey: 'string' },
      apiKey: 'string',
      aws: {
        service: 'string',
        region: 'string',
        accessKeyId: 'string',
        secretAccessKey: 'string',
        sessionToken: 'string',
      },
      tls: { ca: 'pem', cert: 'pem', key: 'pem' },
      indexName: 'string',
      eventsTypeName: 'string',
      snapshotsTypeName: 'string',
      maxSearchResults: 'number',
      refresh: 'boolean',
      indexPayload: 'boolean',
      nodeEventstoreWrites: 'boolean',
      shards: 'number',
      replicas: 'number',
      timeout: 'number',
      responseTimeout: 'number',
      attempts: 'number',
    });
    const { client } = options;
    if (client !== undefined && client !== null) {
      this.send = sendBy(type, client);
      return;
    }
    const hosts = hostsOf(type, options);
    if (hosts) this.given.hosts = hosts.urls;
    if (hosts?.credentials) this.given.auth ??= hosts.credentials;
    this.log = logOf(type, options);
    this.given.logBodies = this.log.whole;
  }

  protected override opening(): Promise<NativeHandle> {
    const { log, send } = this;
    const told = log && log.loggers.length > 0 ? tell.bind(null, log) : undefined;
    return addon().open(this.type, JSON.stringify(this.given), send, told);
  }
}
