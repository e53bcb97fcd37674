import { Eventstore } from '../lib/eventstore.js';
export = Eventstore;
