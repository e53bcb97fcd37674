import { callOrPromise } from '../callback';
import type { DurableOptions } from '../options';
import { jsonText } from './codec';
import { DurableStore } from './durableStore';
import { givenOptions, type Kind } from './given';

/** The options of `type: 'dynamodb'`. The names and defaults are node-eventstore’s; what it lacks is off by default. */
export interface DynamoOptions extends DurableOptions {
  type: 'dynamodb';
  /** Default: what `AWS_REGION` or the profile says, else `'us-west-2'`. */
  region?: string;
  /** Where DynamoDB is, if not at AWS. Default: `AWS_DYNAMODB_ENDPOINT`. */
  endpoint?: string;
  /** Together with `secretAccessKey`. Default: AWS’s chain finds both (environment, profile, SSO, container, instance). */
  accessKeyId?: string;
  secretAccessKey?: string;
  /** Where the credentials are temporary. */
  sessionToken?: string;
  /** The profile of AWS’s configuration files. */
  profile?: string;
  /**
   * What node-eventstore hands to its driver: where DynamoDB is and who asks there. What is given beside it comes first; what
   * it says of the driver’s own work has no effect.
   */
  endpointConf?: EndpointConf;
  /** `dynamodb://us-west-2/events`, instead of region and table; what is given beside it comes first. */
  url?: string;
  /** Default: `'events'`. */
  eventsTableName?: string;
  /** Default: `'snapshots'`. */
  snapshotsTableName?: string;
  /** Default: `'undispatchedevents'`. */
  undispatchedEventsTableName?: string;
  /** The table of what annals needs beside node-eventstore’s. Default: the events’ with `-annals` behind. */
  annalsTableName?: string;
  /** What a table that is made is provisioned with. Defaults: 1 and 3, 1 and 1, 1 and 3. */
  EventsReadCapacityUnits?: number;
  EventsWriteCapacityUnits?: number;
  SnapshotReadCapacityUnits?: number;
  SnapshotWriteCapacityUnits?: number;
  UndispatchedEventsReadCapacityUnits?: number;
  UndispatchedEventsWriteCapacityUnits?: number;
  /** Whether tables that are made are paid for by the request instead. */
  onDemand?: boolean;
  /**
   * Whether there is an index by time, so that `getEvents` and `getEventsSince` cost what they show. Every process that
   * writes is to have the same. Default: false.
   */
  index?: boolean;
  /**
   * Whether events may be written without the index, by a node-eventstore: opening with the index then looks for them,
   * which reads the whole table. Default: true.
   */
  nodeEventstoreWrites?: boolean;
  /** Give every event a global position. Default: false. */
  trackPosition?: boolean;
  /** Whether undispatched events are kept. Without, none is ever undispatched. Default: true. */
  useUndispatchedEventsTable?: boolean;
  /** Whether an events’ table that is made has a stream. */
  eventsTableStreamEnabled?: boolean;
  /** Default: `'NEW_IMAGE'`. */
  eventsTableStreamViewType?: 'NEW_IMAGE' | 'NEW_AND_OLD_IMAGES' | 'OLD_IMAGE' | 'KEYS_ONLY';
  /** How long an answer may take, in ms. Default: 10,000. */
  responseTimeout?: number;
  /** How often a request that is throttled or unanswered is tried. Default: 10. */
  attempts?: number;
}

/** Where DynamoDB is and who asks there, by the names that the driver `aws-sdk` has for it. */
export interface EndpointConf {
  endpoint?: string;
  region?: string;
  accessKeyId?: string;
  secretAccessKey?: string;
  sessionToken?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  [other: string]: unknown;
}

const KEYS = { accessKeyId: 'string', secretAccessKey: 'string', sessionToken: 'string' } as const;

/** What `endpointConf` says. @throws TypeError where it can’t be that. */
function placeOf(conf: unknown): { place: object; keys: object } {
  const given = (part: unknown, path: string, known: Record<string, Kind>): object => {
    if (typeof part !== 'object' || part === null)
      throw new TypeError(`the option ${path} of type 'dynamodb' must be an object`);
    return givenOptions('dynamodb', part as Record<string, unknown>, known, `${path}.`);
  };
  const place = given(conf, 'endpointConf', { endpoint: 'string', region: 'string' });
  const { credentials } = conf as EndpointConf;
  const keys = credentials ? given(credentials, 'endpointConf.credentials', KEYS) : given(conf, 'endpointConf', KEYS);
  return { place, keys };
}

/** Events in DynamoDB, in node-eventstore’s tables. See {@link DynamoOptions}. */
export class DynamoStore extends DurableStore {
  protected override readonly codec = jsonText;

  constructor(options: Record<string, unknown> = {}) {
    super('dynamodb', options, {
      // Looked at below.
      endpointConf: 'ignored',
      url: 'string',
      region: 'string',
      endpoint: 'string',
      accessKeyId: 'string',
      secretAccessKey: 'string',
      sessionToken: 'string',
      profile: 'string',
      eventsTableName: 'string',
      snapshotsTableName: 'string',
      undispatchedEventsTableName: 'string',
      annalsTableName: 'string',
      EventsReadCapacityUnits: 'number',
      EventsWriteCapacityUnits: 'number',
      SnapshotReadCapacityUnits: 'number',
      SnapshotWriteCapacityUnits: 'number',
      UndispatchedEventsReadCapacityUnits: 'number',
      UndispatchedEventsWriteCapacityUnits: 'number',
      useUndispatchedEventsTable: 'boolean',
      eventsTableStreamEnabled: 'boolean',
      eventsTableStreamViewType: 'string',
      onDemand: 'boolean',
      trackPosition: 'boolean',
      index: 'boolean',
      nodeEventstoreWrites: 'boolean',
      timeout: 'number',
      responseTimeout: 'number',
      attempts: 'number',
    });
    const { endpointConf } = options;
    if (endpointConf === undefined || endpointConf === null) return;
    const { place, keys } = placeOf(endpointConf);
    const hasKeys = 'accessKeyId' in this.given || 'secretAccessKey' in this.given;
    Object.assign(this.given, { ...place, ...(hasKeys ? {} : keys), ...this.given });
  }

  /** Deletes the tables, with everything in them. */
  removeTables(): Promise<void>;
  removeTables(callback: (err: Error | null) => void): void;
  removeTables(callback?: (err: Error | null) => void): unknown {
    return callOrPromise(callback, (done) => {
      this.run(
        'removeTables',
        () => null,
        (error) => {
          done(error);
        },
      );
    });
  }
}
