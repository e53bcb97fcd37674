import { addon, type NativeHandle } from './addon';
import { type Callback, openingErrorOf } from './crossing';
import { givenOptions, type Kind } from './given';
import { NativeStore } from './nativeStore';
import { Turns } from './turns';

/**
 * A store that connecting opens and disconnecting closes. Each kind of store says its type and its options; `src/open.rs`
 * opens it by them.
 */
export abstract class DurableStore extends NativeStore {
  private readonly given: string;
  private readonly turns = new Turns();

  /** @throws TypeError where an option is not of its kind. */
  constructor(
    private readonly type: string,
    options: Record<string, unknown>,
    known: Record<string, Kind>,
  ) {
    super(options);
    this.given = JSON.stringify(givenOptions(type, options, known));
    // It crosses with each cleaning.
    givenOptions(type, options, { maxSnapshotsCount: 'number' });
  }

  override connect(callback?: Callback<this>): void {
    this.turns.take((over) => {
      const ended = (error: Error | null): void => {
        try {
          if (!error) this.emit('connect');
          if (error) callback?.(error);
          else callback?.(null, this);
        } finally {
          over();
        }
      };
      if (this.handle) ended(null);
      else this.open(ended);
    });
  }

  private open(done: (error: Error | null) => void): void {
    let opening: Promise<NativeHandle>;
    try {
      opening = addon().open(this.type, this.given);
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
    this.turns.take((over) => {
      const ended = (error: Error | null): void => {
        try {
          if (!error) this.emit('disconnect');
          callback?.(error);
        } finally {
          over();
        }
      };
      if (this.handle) this.close(ended);
      else ended(null);
    });
  }

  private close(done: (error: Error | null) => void): void {
    this.run(
      'close',
      () => null,
      (error) => {
        if (!error) this.handle = undefined;
        done(error);
      },
    );
  }
}
