import type { DurableOptions } from '../options';
import { jsonText } from './codec';
import { DurableStore } from './durableStore';

/**
 * The options of `type: 'azuretable'`. The names and defaults are node-eventstore’s, except that no account and no key are
 * built in.
 */
export interface AzureTableOptions extends DurableOptions {
  type: 'azuretable';
  /** The account’s name. */
  storageAccount?: string;
  /** Its key, in base64 as the portal shows it. */
  storageAccessKey?: string;
  /** A shared access signature, instead of the key. */
  sasToken?: string;
  /** Where the tables are. Default: `https://<account>.table.core.windows.net`. */
  storageTableHost?: string;
  /** As the portal shows it, or `UseDevelopmentStorage=true`; what is given beside it comes first. */
  connectionString?: string;
  /** Default: `'events'`. */
  eventsTableName?: string;
  /** Default: `'undispatchedevents'`. */
  undispatchedEventsTableName?: string;
  /** Default: `'snapshots'`. */
  snapshotsTableName?: string;
  /** The table of the index, which is ours alone. Default: the events’ with `annals` behind. */
  indexTableName?: string;
  /** Whether a node-eventstore may still write to these tables. Default: true; false saves requests. */
  nodeEventstoreWrites?: boolean;
}

/** Events in Azure Table Storage or Cosmos DB, in node-eventstore’s tables. See {@link AzureTableOptions}. */
export class AzureTableStore extends DurableStore {
  protected override readonly codec = jsonText;

  constructor(options: Record<string, unknown> = {}) {
    super('azuretable', options, {
      connectionString: 'string',
      storageAccount: 'string',
      storageAccessKey: 'string',
      sasToken: 'string',
      storageTableHost: 'string',
      eventsTableName: 'string',
      undispatchedEventsTableName: 'string',
      snapshotsTableName: 'string',
      indexTableName: 'string',
      nodeEventstoreWrites: 'boolean',
      timeout: 'number',
    });
  }
}
