/** Lets what was asked for happen one after another, in the order it was asked for. */
export class Turns {
  /** The first is under way. */
  private readonly waiting: ((over: () => void) => void)[] = [];

  /** Runs a turn once those before it have called `over`. */
  take(turn: (over: () => void) => void): void {
    this.waiting.push(turn);
    if (this.waiting.length === 1) this.next();
  }

  private next(): void {
    this.waiting[0]?.(() => {
      this.waiting.shift();
      this.next();
    });
  }
}
