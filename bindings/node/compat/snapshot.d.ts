import { Snapshot } from '../lib/snapshot.js';
export = Snapshot;
