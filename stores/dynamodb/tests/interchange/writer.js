// npm eventstore on DynamoDB: see tests/interchange/driver.js.
const { call, drive, load, options } = require('../../../../tests/interchange/driver');

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
process.env.AWS_DYNAMODB_ENDPOINT = options.endpoint;
process.env.AWS_REGION = 'us-west-2';
process.env.AWS_ACCESS_KEY_ID = 'id';
process.env.AWS_SECRET_ACCESS_KEY = 'secret';

const es = load('eventstore')({ type: 'dynamodb', ...options });

const calls = {
  /** Loads the stream and commits, but dies after so many writes. */
  async die({ query, payloads, after }) {
    const stream = await call(es, 'getEventStream', query);
    stream.addEvents(payloads);
    const { documentClient } = es.store;
    const put = documentClient.put.bind(documentClient);
    let left = after;
    documentClient.put = (item, done) => (left-- > 0 ? put(item, done) : process.kill(process.pid, 'SIGKILL'));
    return call(stream, 'commit');
  },
};

drive(es, { calls });
