// The two contestants of a race, each in a process of its own.
import { fork } from 'node:child_process';

/** A process that holds one event store. */
export class Contestant {
  #child;
  #failed;

  constructor({ name, module, options }) {
    this.name = name;
    this.#child = fork(new URL('contestant.mjs', import.meta.url), {
      execArgv: ['--expose-gc', '--max-old-space-size=6144'],
    });
    this.#failed = new Promise((_, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code, signal) => reject(new Error(`${name}: its process ended (${signal ?? code})`)));
    });
    this.#failed.catch(() => {});
    this.opened = this.ask('open', { module, options });
  }

  /** Asks for one thing and waits for the answer. */
  async ask(call, args = {}) {
    const answer = new Promise((resolve, reject) => {
      this.#child.once('message', ({ result, error }) => (error ? reject(new Error(`${this.name}: ${error}`)) : resolve(result)));
      this.#child.send({ call, args });
    });
    return Promise.race([answer, this.#failed]);
  }

  stop() {
    this.#child.kill();
  }

  /** Opens two, has them raced, and ends them. */
  static async pair(first, second, race) {
    const both = [new Contestant(first), new Contestant(second)];
    try {
      await Promise.all(both.map((one) => one.opened));
      await race(...both);
    } finally {
      both.forEach((one) => one.stop());
    }
  }
}
