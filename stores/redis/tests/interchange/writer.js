// npm eventstore on Redis: see tests/interchange/driver.js.
const { call, drive, load, options } = require('../../../../tests/interchange/driver');

const es = load('eventstore')({ type: 'redis', ...options });

const calls = {
  /** Takes an id and counts the revision up, and dies before it writes its events. */
  async die({ query, events }) {
    await call(es, 'getNewId');
    const { prefix = 'eventstore' } = options;
    const { context = '_general', aggregate = '_general', aggregateId } = query;
    for (let n = 0; n < events; n++) {
      await call(es.store.client, 'incr', `${prefix}:events:${context}:${aggregate}:${aggregateId}:revision`);
    }
    process.kill(process.pid, 'SIGKILL');
  },
};

drive(es, { calls });
