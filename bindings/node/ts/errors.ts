/** Where a refused commit expected its stream, and where it was. −1 stands for a stream without events. */
export interface Conflict {
  expectedRevision: number;
  actualRevision: number;
}

/** A commit was refused because somebody else committed to the stream first: load it again and decide anew. */
export class ConcurrencyError extends Error {
  override readonly name = 'ConcurrencyError';
  readonly code = 'CONCURRENCY';
  /** The last revision that the writer expected. */
  readonly expectedRevision: number;
  /** The stream’s last revision. */
  readonly actualRevision: number;

  constructor(message: string, { expectedRevision, actualRevision }: Conflict) {
    super(message);
    this.expectedRevision = expectedRevision;
    this.actualRevision = actualRevision;
  }
}
