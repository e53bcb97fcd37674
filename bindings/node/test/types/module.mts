// The same through an ES module.
import eventstore, {
  ConcurrencyError,
  createStore,
  Event,
  EventDispatcher,
  type Eventstore,
  EventStream,
  type Page,
  type RecordedEvent,
  Snapshot,
  Store,
  StoreEventEmitter,
} from 'annals';
import DeepEvent from 'annals/lib/event.js';

const es: Eventstore = eventstore({ type: 'inmemory' });
const store: Store = createStore({ type: 'inmemory' });
class MyStore extends Store {}

export async function read(): Promise<RecordedEvent<{ n: number }>[]> {
  const page: Page<{ n: number }> = await es.getEvents<{ n: number }>();
  // @ts-expect-error -- a number
  const text: string = page[0]?.payload.n;
  return text ? page : [];
}

const event: typeof Event = DeepEvent;
export const classes = [
  ConcurrencyError,
  event,
  EventDispatcher,
  EventStream,
  MyStore,
  Snapshot,
  StoreEventEmitter,
  store,
];
