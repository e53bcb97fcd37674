/** Asks a store again and again whether it is well, until one answer is bad, or not there within half the interval. */
export class Heartbeat {
  private readonly timer: NodeJS.Timeout;
  private grace: NodeJS.Timeout | undefined;
  private isOver = false;

  constructor(
    every: number,
    ask: (answered: (error: Error | null) => void) => void,
    private readonly failed: (error: Error) => void,
  ) {
    const patience = Math.round(every / 2);
    this.timer = setInterval(() => {
      this.grace = setTimeout(() => {
        this.end(new Error(`the store has not answered within ${String(patience)} ms`));
      }, patience).unref();
      ask((error) => {
        clearTimeout(this.grace);
        if (error) this.end(error);
      });
    }, every).unref();
  }

  /** Asks no more. */
  stop(): void {
    this.isOver = true;
    clearInterval(this.timer);
    clearTimeout(this.grace);
  }

  private end(error: Error): void {
    if (this.isOver) return;
    this.stop();
    this.failed(error);
  }
}
