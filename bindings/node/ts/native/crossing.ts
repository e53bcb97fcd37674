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

/** The crossings on which answers are awaited. */
const awaited = new Set<Crossing>();

/** The longest time that a timer takes. */
const NEVER = 2 ** 31 - 1;

/** Keeps the process alive while answers are awaited. */
const awake = setInterval(() => undefined, NEVER).unref();

/** The way to an open store and back. */
export class Crossing {
  private readonly waiting = new Map<number, Callback<string>>();

  constructor(private readonly handle: NativeHandle) {
    // What the handle holds mustn't hold the handle: a store that nobody has any more goes.
    const self = new WeakRef(this);
    handle.ring(() => self.deref()?.fetch());
  }

  /**
   * Calls an operation and hands its answer to `done`: at once where the store answers at once. What `done` throws
   * surfaces, and holds up no other call.
   */
  call(operation: string, args: string, done: Callback<string>): void {
    let answer: string | number;
    try {
      answer = this.handle.call(operation, args);
    } catch (error) {
      done(error as Error);
      return;
    }
    if (typeof answer === 'string') settle(answer, done);
    else {
      this.waiting.set(answer, done);
      awaited.add(this);
      awake.ref();
    }
  }

  private fetch(): void {
    for (const [number, answer] of this.handle.answers()) {
      const done = this.waiting.get(number);
      this.waiting.delete(number);
      if (done) process.nextTick(settle, answer, done);
    }
    if (this.waiting.size === 0) awaited.delete(this);
    if (awaited.size === 0) awake.unref();
  }
}

function settle(answer: string, done: Callback<string>): void {
  if (answer.charCodeAt(0) === 33) done(errorOf(answer));
  else done(null, answer);
}
