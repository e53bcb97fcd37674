// The first commit, with promises: node first-commit.mjs
import eventstore from 'annals';

const es = eventstore({ type: 'sqlite', filename: process.argv[2] ?? 'orders.db' });
await es.init();

const stream = await es.getEventStream({ aggregateId: 'order-1', aggregate: 'order', context: 'sales' });
stream.addEvent({ type: 'placed', sku: 'A1' });
stream.addEvent({ type: 'shipped' });
try {
  await stream.commit();
} catch (error) {
  if (error.name !== 'ConcurrencyError') throw error;
  console.log('somebody was faster: load the stream again, decide anew');
}

for await (const event of es.streamEvents({ context: 'sales' })) {
  console.log(event.streamRevision, event.payload);
}
