'use strict';
// The least that a commit can be in node-eventstore's tables on Azure Table Storage from Node: its events in one transaction,
// and each one's undispatched copy, whose partition is its own, in a request; all of them at once. Nothing is compared, and
// no answer is read beyond its status.
const { createHmac, randomUUID } = require('node:crypto');
const { Agent, request } = require('node:http');
const EventStream = require('./lib/eventStream');

module.exports = (options) => {
  const { storageAccount, storageAccessKey, storageTableHost, eventsTableName, undispatchedEventsTableName } = options;
  const key = Buffer.from(storageAccessKey, 'base64');
  const agent = new Agent({ keepAlive: true, noDelay: true });

  const post = (path, type, body, headers = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(`${storageTableHost}${path}`);
      const date = new Date().toUTCString();
      const text = `POST\n\n${type}\n${date}\n/${storageAccount}${url.pathname}`;
      const signature = createHmac('sha256', key).update(text).digest('base64');
      const sent = {
        ...{ Authorization: `SharedKey ${storageAccount}:${signature}`, 'x-ms-date': date, 'x-ms-version': '2019-02-02' },
        ...{ DataServiceVersion: '3.0;NetFx', Accept: 'application/json;odata=nometadata', Prefer: 'return-no-content' },
        ...{ 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), ...headers },
      };
      const asked = request(url, { method: 'POST', agent, headers: sent }, (answer) => {
        answer.resume();
        answer.on('end', () => (answer.statusCode < 300 ? resolve() : reject(new Error(`status ${answer.statusCode}`))));
      });
      asked.on('error', reject).end(body);
    });

  const insert = (table, row) => post(`/${table}`, 'application/json', JSON.stringify(row));
  const transact = (table, rows) => {
    const boundary = randomUUID();
    const parts = rows.map((row) => {
      const json = JSON.stringify(row);
      return (
        `--changeset_${boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n` +
        `POST ${storageTableHost}/${table} HTTP/1.1\r\nAccept: application/json;odata=nometadata\r\n` +
        `Prefer: return-no-content\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}\r\n`
      );
    });
    const head = `--batch_${boundary}\r\nContent-Type: multipart/mixed; boundary=changeset_${boundary}\r\n\r\n`;
    const body = `${head}${parts.join('')}--changeset_${boundary}--\r\n--batch_${boundary}--\r\n`;
    return post('/$batch', `multipart/mixed; boundary=batch_${boundary}`, body, { Accept: 'multipart/mixed' });
  };

  const es = {
    init: (done) => {
      const made = [eventsTableName, undispatchedEventsTableName].map((TableName) => insert('Tables', { TableName }));
      Promise.all(made).then(() => done(), done);
    },
    getEventStream: (query, done) => done(null, new EventStream(es, query)),
    write: (events, done) => {
      const copies = events.map((event) => insert(undispatchedEventsTableName, { ...event, PartitionKey: event.id }));
      const whole = events.length > 1 ? transact(eventsTableName, events) : insert(eventsTableName, events[0]);
      Promise.all([whole, ...copies]).then(() => done(), done);
    },
    store: { clear: (done) => done() },
  };
  return es;
};
