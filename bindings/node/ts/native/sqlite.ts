import { addon } from './addon';
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

  override connect(callback?: Callback<this>): void {
    const opened = (): void => {
      this.emit('connect');
      callback?.(null, this);
    };
    if (this.handle) {
      opened();
      return;
    }
    addon()
      .openSqlite(this.arguments)
      .then(
        (handle) => {
          process.nextTick(() => {
            this.handle = handle;
            opened();
          });
        },
        (reason: unknown) => {
          process.nextTick(() => callback?.(openingErrorOf(reason)));
        },
      );
  }

  override disconnect(callback?: (err: Error | null) => void): void {
    const closed = (error: Error | null): void => {
      if (!error) this.emit('disconnect');
      callback?.(error);
    };
    if (!this.handle) {
      closed(null);
      return;
    }
    this.run('close', null, (error) => {
      if (!error) this.handle = undefined;
      closed(error);
    });
  }
}
