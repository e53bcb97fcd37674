'use strict';
// Two stores as a user of node-eventstore would write them: one with util.inherits, one with class.
const util = require('node:util');

const matches = (query, event) =>
  ['aggregateId', 'aggregate', 'context'].every((key) => !query || query[key] == null || query[key] === event[key]);
const byTime = (a, b) =>
  a.commitStamp - b.commitStamp || a.streamRevision - b.streamRevision || a.commitSequence - b.commitSequence;
const cut = (events, skip, limit) => events.slice(skip, limit < 0 ? undefined : skip + limit);

const methods = {
  connect(callback) {
    this.emit('connect');
    callback?.(null, this);
  },
  disconnect(callback) {
    this.emit('disconnect');
    callback?.(null);
  },
  clear(callback) {
    this.events = [];
    this.snapshots = [];
    callback?.(null);
  },
  addEvents(events, callback) {
    this.events.push(
      ...events.map((event) => ({ ...structuredClone({ ...event, applyMappings: null }), dispatched: false })),
    );
    callback(null);
  },
  select(test) {
    return this.events
      .filter(test)
      .sort(byTime)
      .map((event) => structuredClone(event));
  },
  getEvents(query, skip, limit, callback) {
    this.reads = Math.max(this.reads ?? 0, limit < 0 ? Infinity : limit);
    callback(
      null,
      cut(
        this.select((event) => matches(query, event)),
        skip,
        limit,
      ),
    );
  },
  getEventsSince(date, skip, limit, callback) {
    callback(
      null,
      cut(
        this.select((event) => event.commitStamp >= date),
        skip,
        limit,
      ),
    );
  },
  getEventsByRevision(query, revMin, revMax, callback) {
    const inside = ({ streamRevision }) => streamRevision >= revMin && (revMax < 0 || streamRevision < revMax);
    callback(
      null,
      this.select((event) => matches(query, event) && inside(event)),
    );
  },
  getLastEvent(query, callback) {
    callback(null, this.select((event) => matches(query, event)).at(-1));
  },
  getUndispatchedEvents(query, callback) {
    callback(
      null,
      this.select((event) => matches(query, event) && !event.dispatched),
    );
  },
  setEventToDispatched(id, callback) {
    this.events.filter((event) => event.id === id).forEach((event) => (event.dispatched = true));
    callback(null);
  },
  addSnapshot(snapshot, callback) {
    this.snapshots.push(structuredClone({ ...snapshot }));
    callback(null);
  },
  getSnapshot(query, revMax, callback) {
    const fits = (snapshot) => matches(query, snapshot) && (revMax < 0 || snapshot.revision <= revMax);
    callback(null, this.snapshots.filter(fits).sort((a, b) => b.revision - a.revision)[0] ?? null);
  },
};

exports.inherited = (Store) => {
  function Inherited(options) {
    Store.call(this, options);
    this.events = [];
    this.snapshots = [];
  }
  util.inherits(Inherited, Store);
  Object.assign(Inherited.prototype, methods);
  return Inherited;
};

exports.extended = (Store) => {
  class Extended extends Store {
    constructor(options) {
      super(options);
      this.events = [];
      this.snapshots = [];
    }
  }
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(Extended.prototype, name, { value, writable: true, configurable: true });
  }
  return Extended;
};
