// Two days in a parking garage: node story.js FILE
const { start, endAll } = require('./gates.js');

const garage = { context: 'parking', aggregate: 'garage', aggregateId: 'central' };
let commands = 0;
const command = (name, aggregate, id, payload) => ({
  id: `command-${++commands}`,
  name,
  context: 'parking',
  aggregate: { name: aggregate, id },
  payload,
});
const toGarage = (name, payload) => command(name, 'garage', 'central', payload);
const toTicket = (name, id, payload) => command(name, 'ticket', id, payload);
const words = (payload) => Object.entries(payload).map(([name, value]) => `${name} ${value}`).join(', ');

/** Tells the story on this file; what happened, for whoever wants to check. */
async function tell(file, print = console.log) {
  try {
    return await twoDays(file, print);
  } finally {
    endAll();
  }
}

async function twoDays(file, print) {
  const seen = { published: [], conflicts: [], refusals: [], looks: [] };
  let powerCutAt = null;

  const hears = {
    published(gate, event) {
      seen.published.push({ gate: gate.name, name: event.name, position: event.position });
      if (event.name === powerCutAt) return false;
      const where = `${event.context}/${event.aggregate.name}/${event.aggregate.id}`;
      print(`      recorded   #${String(event.position).padEnd(3)} ${where.padEnd(22)} ${event.name} (${words(event.payload)})`);
    },
    conflict(gate, message) {
      seen.conflicts.push(message);
      print(`      conflict   ${gate.name}: ${message}`);
      print(`                 ${gate.name} decides again, on what is there now.`);
    },
  };
  const said = (gate, { name, aggregate, payload }) =>
    print(`\n   ${gate.name.padEnd(6)} ${name} ${aggregate.id}${payload ? ` (${words(payload)})` : ''}`);
  const outcome = (told) => {
    if (!told.refused) return;
    seen.refusals.push(told.refused);
    print(`      refused    ${told.refused.by}: ${told.refused.why}`);
  };
  const does = async (gate, command) => {
    said(gate, command);
    outcome(await gate.handle(command));
  };
  const look = async (gate) => {
    const found = await gate.ask({ kind: 'look', id: garage }, 'looked');
    seen.looks.push(found);
    return found;
  };

  print('DAY 1   Two gates, two processes, one SQLite file. npm cqrs-domain runs in both.');
  let [north, south] = await start(['north', 'south'], file, hears);
  await does(north, toGarage('openGarage', { places: 3 }));
  await does(north, toGarage('letCarIn', { plate: 'ANN-1' }));
  await does(north, toTicket('issueTicket', 'ticket-1', { plate: 'ANN-1' }));
  await does(south, toGarage('letCarIn', { plate: 'BOB-2' }));
  await does(south, toTicket('issueTicket', 'ticket-2', { plate: 'BOB-2' }));
  await does(south, toGarage('letCarIn', {}));
  await does(south, toGarage('letCarOut', { plate: 'ZOE-9' }));

  print('\n   One place is left. Two cars come to the two gates at the same moment.');
  const race = [toGarage('letCarIn', { plate: 'CLO-3' }), toGarage('letCarIn', { plate: 'DAN-4' })];
  said(north, race[0]);
  said(south, race[1]);
  const ends = await Promise.all([north.handle(race[0]), south.handle(race[1])]);
  ends.forEach(outcome);
  const outside = race[ends.findIndex(({ refused }) => refused)].payload;

  await does(north, toTicket('payTicket', 'ticket-1', { cents: 450 }));
  await does(south, toTicket('payTicket', 'ticket-1', { cents: 450 }));

  print('\n   A car leaves. The event is committed; the power fails before anybody hears of it.');
  powerCutAt = 'carLeft';
  const last = toGarage('letCarOut', { plate: 'ANN-1' });
  said(north, last);
  const heard = north.told('published');
  north.process.send({ kind: 'command', command: last });
  await heard;
  await north.kill();
  await south.stop();
  powerCutAt = null;
  print('      (both processes are gone)');

  print('\nDAY 2   The gates start again on the same file.');
  [north, south] = await start(['north', 'south'], file, hears);
  const back = await look(north);
  print(`   ${back.events} events came back. The one that nobody heard of is published now:`);
  await north.ask({ kind: 'leftOvers' }, 'nothingLeft');

  await does(south, toGarage('letCarIn', outside));
  await does(north, toGarage('letCarIn', { plate: 'EVA-5' }));
  await does(north, toTicket('reportTicketLost', 'ticket-2', { fee: 2500 }));
  await does(north, toGarage('letCarOut', { plate: 'BOB-2' }));
  const end = await look(south);
  print(`\n   The garage is loaded from a snapshot of revision ${end.snapshot.revision} and the ${end.after} events after it.`);
  print(`   The file holds ${end.events} events.`);
  await Promise.all([north.stop(), south.stop()]);
  return seen;
}

module.exports = { tell };

if (require.main === module) {
  tell(process.argv[2]).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
