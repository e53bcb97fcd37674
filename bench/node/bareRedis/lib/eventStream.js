'use strict';

module.exports = class EventStream {
  constructor(es, { aggregateId }) {
    Object.assign(this, { es, key: aggregateId, length: 0, added: [] });
  }

  addEvent(event) {
    this.added.push(JSON.stringify({ id: this.key, payload: event }));
  }

  commit(done) {
    const [event] = this.added.splice(0);
    this.es.client.evalsha(this.es.hash, 1, this.key, this.length, event, (err, length) => {
      if (!err && length < 0) err = new Error('a conflict');
      this.length = length;
      done(err);
    });
  }
};
