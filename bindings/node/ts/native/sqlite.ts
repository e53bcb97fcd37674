import { type Addon, addon } from './addon';
import { type Callback, openingErrorOf } from './crossing';
import { NativeStore } from './nativeStore';

function option(options: Record<string, unknown>, name: string, type: 'string' | 'number' | 'boolean'): unknown {
  const value = options[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== type)
    throw new TypeError(`the option ${name} of type 'sqlite' must be a ${type}, not ${typeof value}`);
  return value;
}

/** What the addon opens. @throws TypeError where an option has the wrong type. */
function argumentsOf(options: Record<string, unknown>): object {
  const url = option(options, 'url', 'string');
  const keep = option(options, 'maxSnapshotsCount', 'number') as number | undefined;
  if (keep !== undefined && !(Number.isInteger(keep) && keep >= 0)) {
    throw new TypeError(`the option maxSnapshotsCount of type 'sqlite' must be a whole number, not ${String(keep)}`);
  }
  const filename = option(options, 'filename', 'string') ?? option(options, 'path', 'string') ?? 'eventstore.db';
  return {
    url,
    filename: url === undefined ? filename : undefined,
    trackPosition: option(options, 'trackPosition', 'boolean'),
    synchronous: option(options, 'synchronous', 'string'),
    busyTimeout: option(options, 'busyTimeout', 'number'),
  };
}

/**
 * Events in a SQLite file. Options: `filename` (also `path`; default `eventstore.db`; `:memory:`) or `url`
 * (`sqlite:orders.db?synchronous=normal`), `trackPosition`, `synchronous` (`'full'`, the default, or `'normal'`),
 * `busyTimeout` (ms), `maxSnapshotsCount`.
 */
export class SqliteStore extends NativeStore {
  private readonly arguments: string;

  constructor(options: Record<string, unknown> = {}) {
    super(options);
    this.arguments = JSON.stringify(argumentsOf(options));
  }

  /** Connects and disconnects that wait for the one before them, which is the first. */
  private readonly turns: ((over: () => void) => void)[] = [];

  private inTurn(turn: (over: () => void) => void): void {
    this.turns.push(turn);
    if (this.turns.length === 1) this.next();
  }

  private next(): void {
    this.turns[0]?.(() => {
      this.turns.shift();
      this.next();
    });
  }

  override connect(callback?: Callback<this>): void {
    this.inTurn((over) => {
      const ended = (error: Error | null): void => {
        try {
          if (!error) this.emit('connect');
          if (error) callback?.(error);
          else callback?.(null, this);
        } finally {
          over();
        }
      };
      if (this.handle) {
        ended(null);
        return;
      }
      this.open(ended);
    });
  }

  private open(done: (error: Error | null) => void): void {
    let opening: ReturnType<Addon['openSqlite']>;
    try {
      opening = addon().openSqlite(this.arguments);
    } catch (error) {
      done(error as Error);
      return;
    }
    opening.then(
      (handle) => {
        this.handle = handle;
        process.nextTick(done, null);
      },
      (reason: unknown) => {
        process.nextTick(done, openingErrorOf(reason));
      },
    );
  }

  override disconnect(callback?: (err: Error | null) => void): void {
    this.inTurn((over) => {
      const ended = (error: Error | null): void => {
        try {
          if (!error) this.emit('disconnect');
          callback?.(error);
        } finally {
          over();
        }
      };
      if (!this.handle) {
        ended(null);
        return;
      }
      this.run(
        'close',
        () => null,
        (error) => {
          if (!error) this.handle = undefined;
          ended(error);
        },
      );
    });
  }
}
