// Starts gates, sends them commands, and hears what they tell.
const { fork } = require('node:child_process');
const { once } = require('node:events');

const running = new Set();

class Gate {
  constructor(name, file, hears) {
    this.name = name;
    this.hears = hears;
    this.process = fork(`${__dirname}/gate.js`, [file]);
    running.add(this.process);
    this.process.on('exit', () => running.delete(this.process));
    this.process.on('message', (message) => {
      if (message.kind === 'published' && hears.published(this, message.event) !== false) this.acknowledge(message.event);
      if (message.kind === 'conflict') hears.conflict(this, message.message);
    });
  }

  // The first message of this kind; an error where the gate ends before it.
  told(kind, which = () => true) {
    return new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        this.process.off('message', hear).off('exit', end);
        settle(value);
      };
      const hear = (message) => message.kind === kind && which(message) && finish(resolve, message);
      const end = (code) => finish(reject, new Error(`${this.name} ended with ${code}`));
      this.process.on('message', hear).on('exit', end);
    });
  }

  acknowledge(event) {
    this.process.send({ kind: 'ack', id: event.id });
  }

  ask(message, kind, which) {
    const answer = this.told(kind, which);
    this.process.send(message);
    return answer;
  }

  handle(command) {
    return this.ask({ kind: 'command', command }, 'handled', (told) => told.command === command.id);
  }

  async ends(how) {
    const ended = once(this.process, 'exit');
    how();
    await ended;
  }

  stop = () => this.ends(() => this.process.send({ kind: 'stop' }));
  kill = () => this.ends(() => this.process.kill('SIGKILL'));
}

async function start(names, file, hears) {
  const gates = [];
  for (const name of names) {
    const gate = new Gate(name, file, hears);
    await gate.told('ready');
    gates.push(gate);
  }
  return gates;
}

/** Ends what still runs, when a story broke off. */
function endAll() {
  for (const gate of running) gate.kill('SIGKILL');
}

module.exports = { start, endAll };
