'use strict';
let commits = 0;

module.exports = class EventStream {
  constructor(es, query) {
    Object.assign(this, { es, query, streamRevision: 0, added: [] });
  }

  addEvent(event) {
    this.added.push(event);
  }

  commit(done) {
    const [payload] = this.added.splice(0);
    const commitId = `${process.pid}-${++commits}`;
    const event = {
      ...{ _id: `${commitId}0`, id: `${commitId}0`, streamId: this.query.aggregateId, ...this.query },
      ...{ streamRevision: this.streamRevision++, commitId, commitSequence: 0, commitStamp: new Date() },
      ...{ payload, position: null, restInCommitStream: 0, dispatched: false },
    };
    this.es.events.insertOne(event, (err) => done(err));
  }
};
