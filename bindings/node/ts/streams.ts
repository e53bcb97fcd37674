import { addAbortSignal, Readable } from 'node:stream';

import type Store from './base';
import type { CallOptions } from './callback';
import { countOf } from './count';
import type { RecordedEvent } from './eventStream';
import { nextPage } from './pages';

/** How many events a stream reads at once. */
const BATCH = 100;

type Batch = RecordedEvent[] & { [nextPage]?: (limit: number, callback: Store.Done<Batch>) => void };

/** Fetches a batch: `skip` events in, at most `limit`. */
export type Fetch = (skip: number, limit: number, done: Store.Done<Batch>) => void;

/** Fetches the events of revisions from the first to before the second. */
export type FetchRevisions = (from: number, before: number, done: Store.Done<Batch>) => void;

function fetched(fetch: (done: Store.Done<Batch>) => void): Promise<Batch> {
  return new Promise((resolve, reject) => {
    fetch((error, found) => {
      if (error) reject(error);
      else resolve(found ?? []);
    });
  });
}

function readable<P>(events: AsyncIterable<RecordedEvent>, { signal }: CallOptions): EventReadable<P> {
  return Readable.from(events, { objectMode: true, highWaterMark: BATCH, ...(signal && { signal }) });
}

/** A stream that a custom store made, ended by the signal. */
export function abortable<S extends Readable>(stream: S, { signal }: CallOptions): S {
  return signal ? addAbortSignal(signal, stream) : stream;
}

/** What a caller gives for a number; absent: the default. */
type Given = number | null | undefined;

/** Streams events a batch at a time, from `skip` on, at most `limit` (−1, the default: all). */
export function streamOf<P>(fetch: Fetch, skip: Given, limit: Given, options: CallOptions): EventReadable<P> {
  const first = countOf(skip, 0);
  const most = countOf(limit, Infinity);
  async function* events(): AsyncGenerator<RecordedEvent, void, undefined> {
    let taken = 0;
    let page: Batch[typeof nextPage];
    while (taken < most) {
      const wanted = Math.min(BATCH, most - taken);
      const batch = await fetched((done) => {
        if (page) page(wanted, done);
        else fetch(first + taken, wanted, done);
      });
      yield* batch;
      taken += batch.length;
      if (batch.length < wanted || (page !== undefined && !batch[nextPage])) return;
      page = batch[nextPage];
    }
  }
  return readable(events(), options);
}

/**
 * Streams events by revision, a window of revisions at a time. A query without context or aggregate may match several
 * streams, so a window can hold more events than revisions; one that holds fewer is behind the end of all of them.
 */
export function streamOfRevisions<P>(
  fetch: FetchRevisions,
  revMin: Given,
  revMax: Given,
  options: CallOptions,
): EventReadable<P> {
  async function* events(): AsyncGenerator<RecordedEvent, void, undefined> {
    const end = countOf(revMax, Infinity);
    for (let from = countOf(revMin, 0); from < end; from += BATCH) {
      const before = Math.min(end, from + BATCH);
      const batch = await fetched((done) => {
        fetch(from, before, done);
      });
      yield* batch;
      if (batch.length < before - from) return;
    }
  }
  return readable(events(), options);
}

/** A stream of events: a Readable in object mode, also to be read with `for await`. */
export interface EventReadable<P> extends Readable {
  [Symbol.asyncIterator](): NodeJS.AsyncIterator<RecordedEvent<P>>;
}
