import type Store from './base';
import type { Callback } from './callback';

/** How long, in ms, a store that keeps the time by itself may take beyond it to tell why it has not connected. */
const GRACE = 1000;

/** Connects a store: once, or with a timeout (ms) again and again until it is connected or the time is over. */
export function connect(store: Store & { keepsTime?: boolean }, timeout: number, done: Callback): void {
  const until = Date.now() + timeout;
  let isSettled = false;
  const settle = (error: Error | null): void => {
    if (isSettled) return;
    isSettled = true;
    clearTimeout(timer);
    done(error);
  };
  let last: Error | undefined;
  const timer =
    timeout > 0
      ? setTimeout(
          () => {
            const why = last?.message ?? 'is the database there, where the options say?';
            settle(new Error(`the store has not connected within ${String(timeout)} ms: ${why}`, { cause: last }));
          },
          timeout + (store.keepsTime ? GRACE : 0),
        )
      : undefined;
  const attempt = (): void => {
    const ended = (error: Error | null): void => {
      if (error) last = error;
      const pause = Math.max(10, timeout / 10);
      if (error && !isSettled && Date.now() + pause < until) setTimeout(attempt, pause);
      else settle(error);
    };
    try {
      store.connect(ended);
    } catch (thrown) {
      settle(thrown as Error);
    }
  };
  attempt();
}
