// One gate of the garage, a process of its own: node gate.js FILE. It takes commands from its parent, and tells it
// every event once it is committed.
const cqrs = require('cqrs-domain');

const domain = cqrs({
  domainPath: `${__dirname}/domain`,
  eventStore: { type: 'sqlite', filename: process.argv[2], trackPosition: true },
});
domain.defineCommand({ context: 'context', aggregate: 'aggregate.name', payload: 'payload' });
domain.defineEvent({ context: 'context', aggregate: 'aggregate.name', commitStamp: 'commitStamp', position: 'position' });

const tell = (kind, about) => process.send({ kind, ...about });

// The parent is the message bus: an event counts as published when it has answered.
const waiting = new Map();
function publish(event, done) {
  if (event.name === 'commandRejected') return done();
  waiting.set(event.id, done);
  tell('published', { event });
}
domain.onEvent((event, done) => publish(event, done));

// The other gate may commit between our load and our commit. Then the store refuses, and the command is decided anew.
function handle(command) {
  domain.handle(command, (error) => {
    if (error?.name === 'ConcurrencyError') {
      tell('conflict', { message: error.message });
      return handle(command);
    }
    tell('handled', { command: command.id, refused: error ? { by: error.name, why: error.message } : null });
  });
}

// What a gate before us committed, and did not live to publish.
function publishLeftOvers(es, then) {
  es.getUndispatchedEvents((error, events) => {
    if (error) throw error;
    const next = () => {
      const event = events.shift();
      if (!event) return then();
      publish(event.payload, () => es.setEventToDispatched(event, next));
    };
    next();
  });
}

function look(es, id) {
  es.getEvents((error, events) => {
    if (error) throw error;
    es.getFromSnapshot(id, (error, snapshot, stream) => {
      if (error) throw error;
      tell('looked', {
        events: events.length,
        snapshot: snapshot && { revision: snapshot.revision, data: snapshot.data },
        after: stream.events.length,
        lastRevision: stream.lastRevision,
      });
    });
  });
}

domain.init((error, warnings) => {
  if (error || warnings) throw error ?? warnings[0];
  const es = domain.eventStore;
  process.on('message', (message) => {
    if (message.kind === 'command') handle(message.command);
    if (message.kind === 'leftOvers') publishLeftOvers(es, () => tell('nothingLeft'));
    if (message.kind === 'look') look(es, message.id);
    if (message.kind === 'stop') es.store.disconnect(() => process.exit(0));
    if (message.kind === 'ack') {
      waiting.get(message.id)();
      waiting.delete(message.id);
    }
  });
  tell('ready');
});
