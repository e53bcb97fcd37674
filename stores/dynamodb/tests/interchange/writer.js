// npm eventstore, told what to do by lines of JSON on its input: [call, argument]. Each is answered by one line:
// {"ok": …} or {"error": …}. The first argument of the process is the options of the store; the environment says where
// DynamoDB is.
const readline = require('node:readline');
const { promisify } = require('node:util');

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
const es = require('eventstore')({ type: 'dynamodb', ...JSON.parse(process.argv[2]) });

/** Calls a method that takes a callback. */
const call = (object, method, ...args) => promisify(object[method].bind(object))(...args);

const calls = {
  init: () => call(es, 'init').then(() => null),

  /** Loads the stream, adds events and commits; the last revision that it has then. */
  async commit({ query, payloads }) {
    const stream = await call(es, 'getEventStream', query);
    stream.addEvents(payloads);
    await call(stream, 'commit');
    return stream.events.at(-1).streamRevision;
  },

  /** Loads the stream and adds events, but dies after so many of them are written. */
  async die({ query, payloads, after }) {
    const { documentClient } = es.store;
    const put = documentClient.put.bind(documentClient);
    let left = after;
    documentClient.put = (item, done) => (left-- > 0 ? put(item, done) : process.kill(process.pid, 'SIGKILL'));
    return calls.commit({ query, payloads });
  },

  async stream({ query, min = 0, max = -1 }) {
    const stream = await call(es, 'getEventStream', query, min, max);
    return { events: stream.events, lastRevision: stream.lastRevision };
  },

  async fromSnapshot({ query, max = -1 }) {
    const [snapshot, stream] = await new Promise((resolve, reject) =>
      es.getFromSnapshot(query, max, (err, ...found) => (err ? reject(err) : resolve(found))),
    );
    return { snapshot, events: stream.events, lastRevision: stream.lastRevision };
  },

  events: ({ query = {}, skip = 0, limit = -1 }) => call(es, 'getEvents', query, skip, limit).then((events) => [...events]),
  since: ({ date }) => call(es, 'getEventsSince', new Date(date), 0, -1).then((events) => [...events]),
  undispatched: ({ query = null }) => call(es, 'getUndispatchedEvents', query),
  dispatched: ({ id }) => call(es, 'setEventToDispatched', id).then(() => null),
  snapshot: (snapshot) => call(es, 'createSnapshot', snapshot).then(() => null),
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, argument] = JSON.parse(line);
    const answer = await calls[name](argument).then(
      (ok) => ({ ok }),
      (error) => ({ error: String(error) }),
    );
    // What a stream links to is left out.
    console.log(JSON.stringify(answer, (key, value) => (key === 'eventstore' ? undefined : value)));
  }
  process.exit();
})();
