import createDebug from 'debug';

const debug = createDebug('eventstore:snapshot');

/** What a snapshot is made of. */
export interface NewSnapshot<D = unknown> {
  aggregateId?: string;
  /** The same as aggregateId. */
  streamId?: string;
  aggregate?: string | null | undefined;
  context?: string | null | undefined;
  /** The last revision that the data includes. */
  revision?: number | string | null;
  version?: number | string | null;
  data: D;
}

function refuse(message: string): never {
  debug(message);
  throw new Error(message);
}

/** The state of an aggregate after a revision of its stream. */
export class Snapshot<D = unknown> {
  id: string;
  streamId: string;
  aggregateId: string;
  aggregate: string | null;
  context: string | null;
  commitStamp: Date | null = null;
  revision: number | null | undefined;
  version: number | string | null | undefined;
  data: D;

  /** @throws Error where the id, the aggregateId or the data is missing. */
  constructor(id: string, snapshot: NewSnapshot<D>) {
    /* eslint-disable @typescript-eslint/no-unnecessary-condition -- called from JavaScript */
    if (!id) refuse('id not injected!');
    if (!snapshot) refuse('object not injected!');
    if (!snapshot.aggregateId) refuse('object.aggregateId not injected!');
    if (!snapshot.data) refuse('object.data not injected!');
    /* eslint-enable @typescript-eslint/no-unnecessary-condition */
    this.id = id;
    this.streamId = snapshot.aggregateId;
    this.aggregateId = snapshot.aggregateId;
    /* eslint-disable @typescript-eslint/prefer-nullish-coalescing -- an empty name is none */
    this.aggregate = snapshot.aggregate || null;
    this.context = snapshot.context || null;
    /* eslint-enable @typescript-eslint/prefer-nullish-coalescing */
    this.revision = snapshot.revision as number | null | undefined;
    this.version = snapshot.version;
    this.data = snapshot.data;
  }
}
