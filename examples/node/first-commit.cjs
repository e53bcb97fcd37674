// The first commit as a node-eventstore application makes it: node first-commit.cjs
const es = require('annals')({ type: 'sqlite', filename: process.argv[2] ?? 'orders.db' });

es.init((error) => {
  if (error) throw error;
  es.getEventStream({ aggregateId: 'order-1', aggregate: 'order', context: 'sales' }, (error, stream) => {
    if (error) throw error;
    stream.addEvent({ type: 'placed', sku: 'A1' });
    stream.addEvent({ type: 'shipped' });
    stream.commit((error, stream) => {
      if (error) throw error;
      for (const event of stream.events) console.log(event.streamRevision, event.payload);
    });
  });
});
