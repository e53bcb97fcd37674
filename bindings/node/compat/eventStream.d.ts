import { EventStream } from '../lib/eventStream.js';
export = EventStream;
