import createDebug from 'debug';

import { addon, type NativeHandle } from './addon';
import { type Callback, cross, openingErrorOf } from './crossing';
import { givenOptions, type Kind } from './given';
import { Heartbeat } from './heartbeat';
import { NativeStore } from './nativeStore';
import { Turns } from './turns';

const debug = createDebug('eventstore:store');

/** The options of every durable store, that stay on this side. */
const OWN: Record<string, Kind> = { maxSnapshotsCount: 'number', heartbeat: 'number' };

type Ended = (error: Error | null) => void;

/**
 * A store that connecting opens and disconnecting closes. Each kind of store says its type and its options; `src/open.rs`
 * opens it by them.
 */
export abstract class DurableStore extends NativeStore {
  private readonly given: string;
  private readonly turns = new Turns();
  private readonly interval: number;
  private heartbeat: Heartbeat | undefined;

  /** @throws TypeError where an option is not of its kind. */
  constructor(
    private readonly type: string,
    options: Record<string, unknown>,
    known: Record<string, Kind>,
  ) {
    super(options);
    const { heartbeat = 0 } = givenOptions(type, options, OWN);
    this.interval = heartbeat as number;
    this.given = JSON.stringify(givenOptions(type, options, known));
  }

  override connect(callback?: Callback<this>): void {
    this.inTurn(
      (ended) => {
        if (this.handle) ended(null);
        else this.open(ended);
      },
      (error) => {
        if (!error) this.emit('connect');
        if (error) callback?.(error);
        else callback?.(null, this);
      },
    );
  }

  override disconnect(callback?: (err: Error | null) => void): void {
    this.inTurn(
      (ended) => {
        if (this.handle) this.close(ended);
        else ended(null);
      },
      (error) => {
        if (!error) this.emit('disconnect');
        callback?.(error);
      },
    );
  }

  /** Connects and disconnects happen one after another; what their callbacks throw holds up none of them. */
  private inTurn(act: (ended: Ended) => void, tell: Ended): void {
    this.turns.take((over) => {
      act((error) => {
        try {
          tell(error);
        } finally {
          over();
        }
      });
    });
  }

  private open(ended: Ended): void {
    let opening: Promise<NativeHandle>;
    try {
      opening = addon().open(this.type, this.given);
    } catch (error) {
      ended(error as Error);
      return;
    }
    opening.then(
      (handle) => {
        debug('%s is open', this.type);
        this.handle = handle;
        if (this.interval > 0) this.watch(handle);
        process.nextTick(ended, null);
      },
      (reason: unknown) => {
        process.nextTick(ended, openingErrorOf(reason));
      },
    );
  }

  private close(ended: Ended): void {
    this.run(
      'close',
      () => null,
      (error) => {
        if (!error) this.leave();
        ended(error);
      },
    );
  }

  private leave(): void {
    debug('%s is closed', this.type);
    this.heartbeat?.stop();
    this.handle = undefined;
  }

  /** Disconnects a store that no longer answers, without waiting for it. */
  private watch(handle: NativeHandle): void {
    const lost = (error: Error): void => {
      debug('%s: %s', this.type, error.message);
      if (this.handle !== handle) return;
      this.leave();
      cross(handle, 'close', 'null', () => undefined);
      this.emit('disconnect');
    };
    this.heartbeat = new Heartbeat(
      this.interval,
      (answered) => {
        cross(handle, 'health', 'null', answered);
      },
      lost,
    );
  }
}
