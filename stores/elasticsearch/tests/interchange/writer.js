// npm eventstore on Elasticsearch: see tests/interchange/driver.js.
const { call, drive, load, options } = require('../../../../tests/interchange/driver');

const es = load('eventstore')({ type: 'elasticsearch', log: [], ...options });

const calls = {
  /** All of them. What it asks for where a query is empty, Elasticsearch 5 refuses. */
  events: () => call(es, 'getEventsSince', new Date(0), 0, -1).then((events) => [...events]),
};

drive(es, { calls });
