'use strict';
// Two custom stores as users of node-eventstore wrote them, each small and in memory.
const { inherits } = require('node:util');

function build(Store) {
  const methods = {
    setUp() {
      this.all = [];
      this.snaps = [];
      this.position = 0;
      this.pending = new Set();
    },
    connect(callback) {
      this.emit('connect');
      if (callback) callback(null, this);
    },
    disconnect(callback) {
      this.emit('disconnect');
      if (callback) callback(null);
    },
    clear(callback) {
      this.setUp();
      callback(null);
    },
    pick(query) {
      const wanted = Object.entries(query || {}).filter(([, value]) => value);
      return this.all
        .filter((event) => wanted.every(([key, value]) => event[key] === value))
        .sort((a, b) => a.commitStamp - b.commitStamp || a.streamRevision - b.streamRevision);
    },
    cut(events, skip, limit) {
      return structuredClone(limit === -1 ? events.slice(skip) : events.slice(skip, skip + limit));
    },
    addEvents(events, callback) {
      for (const { applyMappings, ...event } of events) {
        this.all.push(structuredClone(event));
        this.pending.add(event.id);
      }
      callback(null);
    },
    getEvents(query, skip, limit, callback) {
      callback(null, this.cut(this.pick(query), skip, limit));
    },
    getEventsSince(date, skip, limit, callback) {
      const since = this.pick().filter((event) => event.commitStamp >= date);
      callback(null, this.cut(since, skip, limit));
    },
    getEventsByRevision(query, revMin, revMax, callback) {
      const inside = (r) => r >= revMin && (revMax === -1 || r < revMax);
      callback(
        null,
        this.cut(
          this.pick(query).filter((event) => inside(event.streamRevision)),
          0,
          -1,
        ),
      );
    },
    getLastEvent(query, callback) {
      callback(null, structuredClone(this.pick(query).at(-1)));
    },
    getUndispatchedEvents(query, callback) {
      callback(
        null,
        this.cut(
          this.pick(query).filter((event) => this.pending.has(event.id)),
          0,
          -1,
        ),
      );
    },
    setEventToDispatched(id, callback) {
      this.pending.delete(id);
      callback(null);
    },
    addSnapshot(snapshot, callback) {
      this.snaps.push(structuredClone({ ...snapshot }));
      callback(null);
    },
    getSnapshot(query, revMax, callback) {
      const isOf = (snap) => Object.entries(query).every(([key, value]) => !value || snap[key] === value);
      const fits = (snap) => isOf(snap) && (revMax === -1 || snap.revision <= revMax);
      callback(null, structuredClone(this.snaps.findLast(fits)) || null);
    },
    cleanSnapshots(query, callback) {
      const old = this.snaps
        .filter((snap) => snap.aggregateId === query.aggregateId)
        .slice(0, -this.options.maxSnapshotsCount);
      this.snaps = this.snaps.filter((snap) => !old.includes(snap));
      callback(null, old.length);
    },
    getNextPositions(count, callback) {
      if (!this.options.trackPosition) return callback(null);
      callback(
        null,
        Array.from({ length: count }, () => ++this.position),
      );
    },
  };

  function Inheriting(options) {
    Store.call(this, options);
    this.options = options;
    this.setUp();
  }
  inherits(Inheriting, Store);
  Object.assign(Inheriting.prototype, methods);

  class Extending extends Store {
    constructor(options) {
      super(options);
      this.options = options;
      this.setUp();
    }
  }
  Object.assign(Extending.prototype, methods);

  return { Inheriting, Extending };
}

module.exports = build;
