import type Store from './base';
import { type Callback, callOrPromise } from './callback';
import type { RecordedEvent } from './eventStream';
import { nextPage } from './pages';

/** A page of events: {@link Page.next} fetches the page behind it, an empty one at the end. */
export interface Page<P = unknown> extends Array<RecordedEvent<P>> {
  next(callback: Callback<Page<P>>): void;
  next(): Promise<Page<P>>;
}

/** Fetches `limit` events (−1: all) from `skip` on. */
export type Fetch = (skip: number, limit: number, done: Store.Done) => void;

type Found = Page & { [nextPage]?: (limit: number, done: Store.Done) => void };

const nothing: Fetch = (_skip, _limit, done) => {
  done(null, []);
};

/** Fetches a page, and gives it its `next`: by cursor where the store has one, else by skipping further. */
export function pageOf(fetch: Fetch, skip: number, limit: number, done: Callback<Page>): void {
  fetch(skip, limit, (error, events?: Found) => {
    if (error) {
      done(error);
      return;
    }
    const page = events ?? ([] as unknown as Found);
    const behind = page[nextPage];
    let following = fetch;
    if (limit < 0 || page.length === 0) following = nothing;
    else if (behind) following = byCursor(behind);
    else if (cursors.has(fetch)) following = nothing;
    page.next = ((callback?: Callback<Page>) =>
      callOrPromise<Page>(callback, (then) => {
        pageOf(following, skip + limit, limit, then);
      })) as Page['next'];
    done(null, page);
  });
}

/** The fetches that go on from a cursor: where the page of one has no cursor, it is the last. */
const cursors = new WeakSet<Fetch>();

function byCursor(behind: (limit: number, done: Store.Done) => void): Fetch {
  const fetch: Fetch = (_skip, limit, done) => {
    behind(limit, done);
  };
  cursors.add(fetch);
  return fetch;
}
