import { Event } from '../lib/event.js';
export = Event;
