// Compiled, never run: what must type-check does, and every @ts-expect-error must be one.
import { Client as Elastic7 } from '@elastic/elasticsearch';
import { Client as OpenSearch } from '@opensearch-project/opensearch';
import eventstore = require('annals');
import { Client as Elastic8 } from 'elastic8';
import { Client as Elastic9 } from 'elastic9';
import Event = require('annals/lib/event');
import EventStream = require('annals/lib/eventStream.js');
import Store = require('annals/lib/base');

interface Order {
  type: 'placed' | 'shipped';
}

const es = eventstore({ type: 'sqlite', filename: 'orders.db', maxSnapshotsCount: 3 });

class MyStore extends eventstore.Store {
  override getEvents(query: object, skip: number, limit: number, callback: Store.Done): void {
    callback(null, [query, skip, limit]);
  }
}
eventstore({ type: MyStore }).on('connect', () => undefined);
// @ts-expect-error -- a type is a name or a class
eventstore({ type: 1 });

const redis: eventstore.RedisOptions = {
  type: 'redis',
  port: '6379',
  tls: { ca: Buffer.from('') },
  maxSnapshotsCount: 3,
};
eventstore(redis).on('disconnect', () => undefined);
eventstore.createStore(redis).connect();
// @ts-expect-error -- a host is a string
eventstore({ type: 'redis', host: 5 } satisfies eventstore.RedisOptions);

const mongo: eventstore.MongoOptions = {
  type: 'mongodb',
  servers: [{ host: 'a' }, { host: 'b', port: 27018 }],
  positionsCollectionName: 'positions',
  options: { replicaSet: 'rs', poolSize: 5, w: 'majority', useUnifiedTopology: true },
};
eventstore(mongo).on('connect', () => undefined);
// @ts-expect-error -- a pool's size is a number
eventstore({ type: 'mongodb', options: { poolSize: true } } satisfies eventstore.MongoOptions);
const tingo: eventstore.TingoOptions = { type: 'tingodb', dbPath: 'orders', synchronous: 'normal' };
eventstore(tingo).init(() => new eventstore.ObjectId(5).toHexString());
// @ts-expect-error -- there are two ways
eventstore({ type: 'tingodb', damage: 'ignore' } satisfies eventstore.TingoOptions);
const dynamo: eventstore.DynamoOptions = {
  type: 'dynamodb',
  region: 'eu-central-1',
  EventsWriteCapacityUnits: 10,
  trackPosition: true,
};
eventstore(dynamo).on('connect', () => undefined);
// @ts-expect-error -- there are four views
eventstore({ type: 'dynamodb', eventsTableStreamViewType: 'ALL' } satisfies eventstore.DynamoOptions);
const azure: eventstore.AzureTableOptions = { type: 'azuretable', storageAccount: 'shop', storageAccessKey: 'a2V5' };
eventstore(azure).on('disconnect', () => undefined);
// @ts-expect-error -- yes or no
eventstore({ type: 'azuretable', nodeEventstoreWrites: 1 } satisfies eventstore.AzureTableOptions);
const elastic: eventstore.ElasticOptions = {
  type: 'elasticsearch',
  hosts: ['localhost:9200', { host: 'there', port: 9200, auth: 'me:secret' }],
  log: [{ type: 'file', path: 'requests.log', levels: ['debug', 'trace'] }],
  maxSearchResults: 1000,
};
eventstore(elastic).on('disconnect', () => undefined);
const over = (client: Elastic7 | Elastic8 | Elastic9 | OpenSearch): eventstore.ElasticOptions => ({
  type: 'opensearch',
  client,
});
eventstore(over(new OpenSearch({ node: 'http://localhost:9200' }))).on('connect', () => undefined);
// @ts-expect-error -- a client has a transport
eventstore({ type: 'elasticsearch', client: { request: () => undefined } } satisfies eventstore.ElasticOptions);
// @ts-expect-error -- there are five levels
eventstore({ type: 'elasticsearch', log: 'loud' } satisfies eventstore.ElasticOptions);

eventstore();
eventstore({ trackPosition: true, maxSnapshotsCount: 3 });
// The name of the type is only known at run time, and so are its options.
eventstore({ type: process.env.STORE, anything: 1 });
eventstore({ type: MyStore, mine: { anything: 1 } });
// @ts-expect-error -- hosts are no option of Redis
eventstore({ type: 'redis', hosts: ['there'] });
// @ts-expect-error -- a host is a string
eventstore({ type: 'mongodb', host: 5 });
// @ts-expect-error -- a file is named without a type
eventstore({ filename: 'orders.db' });
// @ts-expect-error -- there are two ways
eventstore({ type: 'sqlite', synchronous: 'sometimes' });
// @ts-expect-error -- Azure has no positions
eventstore({ type: 'azuretable', trackPosition: true });
// @ts-expect-error -- an index is named by indexName
eventstore({ type: 'opensearch', index: 'orders' });
// @ts-expect-error -- units are a number
eventstore({ type: 'dynamodb', EventsReadCapacityUnits: 'many' });
// @ts-expect-error -- a folder is named by dbPath
eventstore({ type: 'tingodb', path: 'orders' });
eventstore.createStore({ type: MyStore, mine: 1 }).connect();
// @ts-expect-error -- a prefix is a string
eventstore.createStore({ type: 'redis', prefix: 5 });

es.useEventPublisher((event: Order) => event.type)
  .useEventPublisher((event: Order, done) => {
    done(new Error(event.type));
  })
  .useEventPublisher<Order>(async (event) => Promise.resolve(event.type))
  .defineEventMappings({ commitStamp: 'meta.at' });

es.init((error) => {
  const message: string | undefined = error?.message;
  es.getEventStream<Order>('order-1', (failed, stream) => {
    stream?.addEvent({ type: 'shipped' });
    // @ts-expect-error -- not an order
    stream?.addEvent({ type: 'lost' });
    stream?.commit((refused, committed) => {
      const dispatch: Order[] | undefined = committed?.eventsToDispatch?.map((event) => event.payload);
      return [message, failed, refused, dispatch];
    });
  });
});

export async function calls(signal: AbortSignal): Promise<unknown> {
  await es.init();
  const stream: EventStream<Order> = await es.getEventStream<Order>({ aggregateId: 'a', context: 'c' }, 0, -1, {
    signal,
  });
  const same: EventStream<Order> = await stream.commit();
  const type: Order['type'] | undefined = (await es.getEvents<Order>(0, 10)).at(0)?.payload.type;
  const page = await (await es.getEventsSince<Order>(new Date(), 0, 10)).next();
  const stamps: Date[] = page.map((event) => event.commitStamp);
  for await (const event of es.streamEvents<Order>({ context: 'c' })) {
    const payload: Order = event.payload;
    // @ts-expect-error -- a revision is a number
    const revision: string = event.streamRevision;
    if (payload.type === revision) break;
  }
  const [snapshot, after] = await es.getFromSnapshot<{ total: number }, Order>('a');
  const total: number | undefined = snapshot?.data.total;
  await es.createSnapshot({ aggregateId: 'a', data: { total }, revision: after.lastRevision });
  // @ts-expect-error -- an id is text
  await es.setEventToDispatched(1);
  const event: Event<Order> = new Event<Order>(same, { type: 'placed' });
  try {
    await es.commit(stream);
  } catch (error) {
    if (error instanceof eventstore.ConcurrencyError) return [error.expectedRevision, error.actualRevision, error.code];
  }
  return [type, stamps, event];
}
