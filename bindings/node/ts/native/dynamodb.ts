import { callOrPromise } from '../callback';
import type { Options } from '../options';
import { jsonText } from './codec';
import { DurableStore } from './durableStore';

/** The options of `type: 'dynamodb'`. The names and defaults are node-eventstore’s; what it lacks is off by default. */
export interface DynamoOptions extends Options {
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

/** Events in DynamoDB, in node-eventstore’s tables. See {@link DynamoOptions}. */
export class DynamoStore extends DurableStore {
  protected override readonly codec = jsonText;

  constructor(options: Record<string, unknown> = {}) {
    super('dynamodb', options, {
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
