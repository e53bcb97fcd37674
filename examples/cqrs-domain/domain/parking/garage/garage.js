const cqrs = require('cqrs-domain');

const CAMERA_MS = 250;
const has = (garage, plate) => (garage.get('inside') ?? []).includes(plate);

module.exports = [
  cqrs
    .defineAggregate(
      { name: 'garage', defaultCommandPayload: 'payload', defaultEventPayload: 'payload', defaultPreConditionPayload: 'payload' },
      { places: 0, inside: [] },
    )
    // Small, so that a story of a few cars has a snapshot.
    .defineSnapshotNeed((loadingTime, events) => events.length >= 5),

  cqrs.defineCommand({ name: 'openGarage', existing: false }, (data, garage) => garage.apply('garageOpened', data)),
  cqrs.defineCommand({ name: 'letCarIn', existing: true }, (data, garage) => garage.apply('carEntered', data)),
  cqrs.defineCommand({ name: 'letCarOut', existing: true }, (data, garage) => garage.apply('carLeft', data)),

  // A camera needs its time to read a number plate. Meanwhile the other gate goes on.
  cqrs.definePreCondition({ name: 'letCarIn', description: 'no car is inside twice' }, (car, garage, done) => {
    setTimeout(() => done(has(garage, car.plate) ? `${car.plate} is inside already` : null), CAMERA_MS);
  }),
  cqrs.definePreCondition({ name: 'letCarOut', description: 'only a car that is inside can leave' }, (car, garage, done) => {
    done(has(garage, car.plate) ? null : `${car.plate} is not inside`);
  }),
  cqrs.defineBusinessRule({ name: 'neverTooManyCars', description: 'never more cars than places' }, (garage, before, events, command, done) => {
    done(garage.get('inside').length > garage.get('places') ? 'the garage is full' : null);
  }),

  cqrs.defineEvent({ name: 'garageOpened' }, ({ places }, garage) => garage.set('places', places)),
  cqrs.defineEvent({ name: 'carEntered' }, ({ plate }, garage) => garage.set('inside', [...garage.get('inside'), plate])),
  cqrs.defineEvent({ name: 'carLeft' }, ({ plate }, garage) =>
    garage.set('inside', garage.get('inside').filter((other) => other !== plate)),
  ),
];
