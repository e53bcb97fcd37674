import { EventDispatcher } from '../lib/eventDispatcher.js';
export = EventDispatcher;
