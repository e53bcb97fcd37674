import type { CommonOptions } from '../options';
import { addon } from './addon';
import { reviveDates } from './codec';
import { type Callback, Crossing } from './crossing';
import type { StoredSnapshot } from './envelope';
import { warnOfUnknown } from './given';
import { COMMON, NativeStore } from './nativeStore';

/** The options of `type: 'inmemory'`, the default. */
export interface InMemoryOptions extends CommonOptions {
  type?: 'inmemory';
  /** Give every event a global position. Default: false. */
  trackPosition?: boolean;
}

/** Everything in memory, as long as the object lives: also across disconnect and connect. */
export class InMemoryStore extends NativeStore {
  protected override readonly anyField = true;

  constructor(options: Record<string, unknown> = {}) {
    super(options);
    warnOfUnknown('inmemory', options, ['trackPosition', ...COMMON]);
    this.crossing = new Crossing(addon().openMemory(Boolean(options.trackPosition)));
  }

  override connect(callback?: Callback<this>): void {
    this.emit('connect');
    callback?.(null, this);
  }

  override disconnect(callback?: (err: Error | null) => void): void {
    this.emit('disconnect');
    callback?.(null);
  }

  /** node-eventstore's in-memory store turned ISO texts in snapshots into dates: so does this one. */
  protected override snapshotOf(text: string): StoredSnapshot | null {
    const snapshot = super.snapshotOf(text);
    return snapshot && { ...snapshot, data: reviveDates(snapshot.data) };
  }
}
