'use strict';
let commits = 0;

module.exports = class EventStream {
  constructor(es, query) {
    Object.assign(this, { es, query, streamRevision: 0, added: [] });
  }

  addEvent(event) {
    this.addEvents([event]);
  }

  addEvents(events) {
    this.added.push(...events);
  }

  commit(done) {
    const commitId = `${process.pid}-${++commits}-`;
    const commitStamp = new Date().toISOString();
    const events = this.added.splice(0).map((payload, commitSequence) => {
      const id = `${commitId}${commitSequence}`;
      return {
        ...{ PartitionKey: this.query.aggregateId, RowKey: id, id, ...this.query, commitId, commitSequence },
        ...{ streamRevision: this.streamRevision++, 'commitStamp@odata.type': 'Edm.DateTime', commitStamp },
        ...{ dispatched: false, payload: JSON.stringify(payload) },
      };
    });
    this.es.write(events, done);
  }
};
