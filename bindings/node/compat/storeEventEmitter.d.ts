import { StoreEventEmitter } from '../lib/storeEventEmitter.js';
export = StoreEventEmitter;
