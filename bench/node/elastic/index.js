'use strict';
// npm eventstore on Elasticsearch 5, where by itself it can do nothing with an index that is new or empty: it sorts by fields
// that the first event brings. Asked for every event it fails as well; asked for those since the beginning it doesn't.
const eventstore = require('eventstore');

module.exports = (options) => {
  const es = eventstore(options);
  const { store } = es;
  const begun = async (done) => {
    const { client } = store;
    const { indexName: index, eventsTypeName: type } = store.options;
    const one = { index, type, id: 'first', refresh: true };
    try {
      await client.indices.delete({ index, ignore: 404 });
      await client.create({ ...one, body: { commitStamp: new Date(0), streamRevision: 0, commitSequence: 0 } });
      await client.delete(one);
    } catch (err) {
      return done(err);
    }
    done(null);
  };
  const { init } = es;
  es.init = (done) => init.call(es, (err) => (err ? done(err) : begun(done)));
  store.clear = begun;
  es.getEvents = (query, skip, limit, done) => es.getEventsSince(new Date(0), skip, limit, done);
  return es;
};
