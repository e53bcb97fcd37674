// npm eventstore on Azure Table Storage: see tests/interchange/driver.js.
const { call, drive, load, options } = require('../../../../tests/interchange/driver');

const es = load('eventstore')({ type: 'azuretable', ...options });

const calls = {
  /** Removes an event, as if its writer had died before it wrote it; from the undispatched ones too where asked for. */
  async lose({ aggregateId, id, everywhere }) {
    const key = (partition) => ({ PartitionKey: { _: partition }, RowKey: { _: id } });
    await call(es.store.client, 'deleteEntity', es.store.options.eventsTableName, key(aggregateId));
    if (everywhere) await call(es.store.client, 'deleteEntity', es.store.options.undispatchedEventsTableName, key(id));
    return null;
  },

  /** Puts commits into the events' table alone, a hundred events at a time, as if annals had taken them in. */
  async import({ query, commits, size }) {
    const { TableBatch, TableUtilities } = load('azure-storage');
    const { EntityProperty } = TableUtilities.entityGenerator;
    const { aggregateId } = query;
    const rows = Array.from({ length: commits * size }, (_, streamRevision) => {
      const [commit, commitSequence] = [Math.floor(streamRevision / size), streamRevision % size];
      const id = `old-${commit}-${commitSequence}`;
      const commitStamp = new Date(Date.UTC(2019, 0) + commit * 1000);
      const row = { PartitionKey: aggregateId, RowKey: id, ...query, id, streamRevision, commitId: `old-${commit}-`, commitSequence };
      Object.assign(row, { commitStamp, restInCommitStream: size - 1 - commitSequence, dispatched: false, payload: JSON.stringify({ n: streamRevision }) });
      return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, EntityProperty(value)]));
    });
    for (let n = 0; n < rows.length; n += 100) {
      const batch = new TableBatch();
      rows.slice(n, n + 100).forEach((row) => batch.insertEntity(row, { echoContent: false }));
      await call(es.store.client, 'executeBatch', es.store.options.eventsTableName, batch);
    }
    return null;
  },

  /** Stores events under an envelope of the caller's own. */
  store: (events) =>
    call(es.store, 'addEvents', events.map((event) => ({ ...event, commitStamp: new Date(event.commitStamp) }))).then(() => null),
};

drive(es, { calls });
