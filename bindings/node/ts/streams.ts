import { Readable } from 'node:stream';

import type Store from './base';
import type { CallOptions } from './callback';
import type { RecordedEvent } from './eventStream';
import { nextPage } from './pages';

/** How many events a stream reads at once. */
const BATCH = 100;

type Batch = RecordedEvent[] & { [nextPage]?: (limit: number, callback: Store.Done<Batch>) => void };

/** Fetches a batch: `skip` events in, at most `limit`. */
export type Fetch = (skip: number, limit: number, done: Store.Done<Batch>) => void;

/** Streams events a batch at a time, from `skip` on, at most `limit` (−1: all). */
export function streamOf<P>(fetch: Fetch, skip: number, limit: number, options: CallOptions): EventReadable<P> {
  async function* events(): AsyncGenerator<RecordedEvent, void, undefined> {
    let taken = 0;
    let page: Batch[typeof nextPage];
    while (limit < 0 || taken < limit) {
      const wanted = limit < 0 ? BATCH : Math.min(BATCH, limit - taken);
      const batch = await new Promise<Batch>((resolve, reject) => {
        const done: Store.Done<Batch> = (error, found) => {
          if (error) reject(error);
          else resolve(found ?? []);
        };
        if (page) page(wanted, done);
        else fetch(skip + taken, wanted, done);
      });
      yield* batch;
      taken += batch.length;
      if (batch.length < wanted || (page !== undefined && !batch[nextPage])) return;
      page = batch[nextPage];
    }
  }
  const { signal } = options;
  return Readable.from(events(), {
    objectMode: true,
    highWaterMark: BATCH,
    ...(signal && { signal }),
  });
}

/** A stream of events: a Readable in object mode, also to be read with `for await`. */
export interface EventReadable<P> extends Readable {
  [Symbol.asyncIterator](): NodeJS.AsyncIterator<RecordedEvent<P>>;
}
