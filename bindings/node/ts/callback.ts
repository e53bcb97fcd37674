/** A node-style callback. */
export type Callback<T = void> = (err: Error | null, value?: T) => void;

/** What can be given to a call that returns a promise. */
export interface CallOptions {
  /** Rejects the promise with the signal’s reason once it is aborted. What was begun may still happen. */
  signal?: AbortSignal;
}

/**
 * Runs a callback-style function: with a callback as before, without one as a promise.
 *
 * The callback is called outside of promises, so that what it throws surfaces as an uncaught exception.
 */
export function callOrPromise<T>(
  callback: Callback<T> | undefined,
  run: (done: Callback<T>) => void,
  options: CallOptions = {},
): Promise<T> | undefined {
  if (callback) {
    // As many arguments as there are: with async.waterfall one more would shift the next function's.
    let isCalled = false;
    run((...results) => {
      if (isCalled) return;
      isCalled = true;
      process.nextTick(callback, ...results);
    });
    return undefined;
  }
  const { signal } = options;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => {
      reject(signal?.reason as Error);
    };
    if (signal?.aborted) {
      abort();
      return;
    }
    signal?.addEventListener('abort', abort, { once: true });
    run((error, value) => {
      signal?.removeEventListener('abort', abort);
      if (error) reject(error);
      else resolve(value as T);
    });
  });
}

/** Fails the way node-eventstore does where an argument is wrong: through the callback, at once; else as a rejection. */
export function fail<T>(error: Error, callback: Callback<T> | undefined): Promise<T> | undefined {
  if (!callback) return Promise.reject(error);
  callback(error);
  return undefined;
}

function isSignal(value: unknown): boolean {
  return value === undefined || value instanceof AbortSignal;
}

/** Splits trailing `{ signal }` options and a trailing callback off the arguments of a call. */
export function split<T>(args: unknown[]): {
  args: unknown[];
  callback: Callback<T> | undefined;
  options: CallOptions;
} {
  const rest = [...args];
  while (rest.length > 0 && rest.at(-1) === undefined) rest.pop();
  const callback = typeof rest.at(-1) === 'function' ? (rest.pop() as Callback<T>) : undefined;
  const last = rest.at(-1);
  const isOptions = typeof last === 'object' && last !== null && 'signal' in last && isSignal(last.signal);
  const options = isOptions ? (rest.pop() as CallOptions) : {};
  return { args: rest, callback, options };
}
