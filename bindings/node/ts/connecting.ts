import type Store from './base';
import type { Callback } from './callback';

/** Connects a store: once, or with a timeout (ms) again and again until it is connected or the time is over. */
export function connect(store: Store, timeout: number, done: Callback): void {
  const until = Date.now() + timeout;
  let isSettled = false;
  const settle = (error: Error | null): void => {
    if (isSettled) return;
    isSettled = true;
    clearTimeout(timer);
    done(error);
  };
  const timer =
    timeout > 0
      ? setTimeout(() => {
          settle(new Error(`the store has not connected within ${String(timeout)} ms`));
        }, timeout)
      : undefined;
  const attempt = (): void => {
    const ended = (error: Error | null): void => {
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
