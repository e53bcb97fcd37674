import { InMemoryStore } from './inmemory';
import { SqliteStore } from './sqlite';

/** The stores of this package, by the `type` that names them. */
export const nativeStores = { inmemory: InMemoryStore, sqlite: SqliteStore } as const;
