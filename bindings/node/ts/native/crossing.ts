import { ConcurrencyError } from '../errors';
import type { NativeHandle } from './addon';

/** A node-style callback. */
export type Callback<T> = (err: Error | null, value?: T) => void;

interface Failure {
  code: string;
  message: string;
  cause: string | null;
  retryable: boolean;
  expected: number | null;
  actual: number | null;
}

/** The error that a text beginning with `!` describes. */
export function errorOf(text: string): Error {
  const failure = JSON.parse(text.slice(1)) as Failure;
  if (failure.code === 'CONCURRENCY') {
    return new ConcurrencyError(failure.message, {
      expectedRevision: failure.expected ?? -1,
      actualRevision: failure.actual ?? -1,
    });
  }
  const error = new Error(failure.message, failure.cause === null ? undefined : { cause: new Error(failure.cause) });
  return Object.assign(error, { code: failure.code, retryable: failure.retryable });
}

/** Why opening a store failed. */
export function openingErrorOf(reason: unknown): Error {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  return error.message.startsWith('!') ? errorOf(error.message) : error;
}

/**
 * Calls an operation and hands its answer to `done`: at once where the store answers at once. `done` is never called
 * inside a promise, so that what it throws surfaces.
 */
export function cross(handle: NativeHandle, operation: string, args: string, done: Callback<string>): void {
  const settle = (text: string): void => {
    if (text.charCodeAt(0) === 33) done(errorOf(text));
    else done(null, text);
  };
  let answer: string | Promise<string>;
  try {
    answer = handle.call(operation, args);
  } catch (error) {
    done(error as Error);
    return;
  }
  if (typeof answer === 'string') settle(answer);
  else {
    answer.then(
      (text) => {
        process.nextTick(settle, text);
      },
      (error: unknown) => {
        process.nextTick(done, error);
      },
    );
  }
}
