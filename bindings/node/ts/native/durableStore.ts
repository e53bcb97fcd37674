import createDebug from 'debug';

import { addon, type NativeHandle } from './addon';
import { type Callback, Crossing, openingErrorOf } from './crossing';
import { givenOptions, type Kind, warnOfUnknown } from './given';
import { Heartbeat } from './heartbeat';
import { COMMON, NativeStore } from './nativeStore';
import { Turns } from './turns';

const debug = createDebug('eventstore:store');

/** The options of every durable store, that stay on this side. */
const OWN: Record<string, Kind> = { maxSnapshotsCount: 'number', timeout: 'number', heartbeat: 'number' };

type Ended = (error: Error | null) => void;

/**
 * A store that connecting opens and disconnecting closes. Each kind of store says its type and its options; `src/open.rs`
 * opens it by them.
 */
export abstract class DurableStore extends NativeStore {
  /** What opens it. */
  protected readonly given: Record<string, unknown>;
  private readonly turns = new Turns();
  private readonly interval: number;
  private heartbeat: Heartbeat | undefined;
  private isLost = false;
  private isClosing = false;

  /** @throws TypeError where an option is not of its kind. */
  constructor(
    protected readonly type: string,
    options: Record<string, unknown>,
    known: Record<string, Kind>,
  ) {
    super(options);
    const { heartbeat = 0 } = givenOptions(type, options, OWN);
    // A store that knows the option asks by itself.
    this.interval = 'heartbeat' in known ? 0 : (heartbeat as number);
    this.given = givenOptions(type, options, known);
    warnOfUnknown(type, options, [...new Set([...Object.keys(known), 'heartbeat', ...COMMON])]);
  }

  /** Connects, also a store whose connection is lost: that one is given up once there is a new one. */
  override connect(callback?: Callback<this>): void {
    this.inTurn(
      (ended) => {
        if (this.crossing && !this.isLost) ended(null);
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
        if (this.crossing) this.close(ended);
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

  protected opening(): Promise<NativeHandle> {
    return addon().open(this.type, JSON.stringify(this.given));
  }

  private open(ended: Ended): void {
    let opening: Promise<NativeHandle>;
    try {
      opening = this.opening();
    } catch (error) {
      ended(error as Error);
      return;
    }
    opening.then(
      (handle) => {
        if (this.crossing) this.abandon(this.crossing);
        debug('%s is open', this.type);
        const crossing = new Crossing(handle);
        this.crossing = crossing;
        for (const warning of handle.warnings()) {
          debug('%s: %s', this.type, warning);
          process.emitWarning(warning, 'AnnalsWarning');
        }
        handle.watch((isConnected) => {
          this.told(crossing, isConnected);
        });
        if (this.interval > 0) this.ask(crossing);
        process.nextTick(ended, null);
      },
      (reason: unknown) => {
        process.nextTick(ended, openingErrorOf(reason));
      },
    );
  }

  private close(ended: Ended): void {
    this.isClosing = true;
    this.run(
      'close',
      () => null,
      (error) => {
        this.isClosing = false;
        if (!error) this.leave();
        ended(error);
      },
    );
  }

  private leave(): void {
    debug('%s is closed', this.type);
    this.heartbeat?.stop();
    this.crossing = undefined;
    this.isLost = false;
  }

  /** Leaves a store without waiting for it. */
  private abandon(crossing: Crossing): void {
    this.leave();
    crossing.call('close', 'null', () => undefined);
  }

  /** A store that watches its connection, and makes it again by itself, has told of it. */
  private told(crossing: Crossing, isConnected: boolean): void {
    // That it is closed is told once that is done.
    if (this.crossing !== crossing || this.isClosing) return;
    debug(isConnected ? '%s is connected again' : '%s has lost its connection', this.type);
    this.isLost = !isConnected;
    this.emit(isConnected ? 'connect' : 'disconnect');
  }

  /** Asks again and again, and disconnects a store that no longer answers. */
  private ask(crossing: Crossing): void {
    const lost = (error: Error): void => {
      debug('%s: %s', this.type, error.message);
      if (this.crossing !== crossing) return;
      this.abandon(crossing);
      this.emit('disconnect');
    };
    this.heartbeat = new Heartbeat(
      this.interval,
      (answered) => {
        crossing.call('health', 'null', answered);
      },
      lost,
    );
  }
}
