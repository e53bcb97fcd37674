// What races against what, one entry a store. A new store is one entry here; its cases are those of `cases.mjs`.
const annals = (options) => ({ name: 'annals', module: 'annals', options });
const eventstore = (options) => ({ name: 'npm eventstore 1.15.5', module: 'eventstore', options });

export const stores = {
  memory: {
    ours: annals({ type: 'inmemory' }),
    theirs: eventstore({ type: 'inmemory' }),
    held: [1_000, 10_000, 50_000, 500_000],
    // Pages that the other turns at most, where all of them would take it minutes (50k) or hours (500k).
    theirsPages: { 50_000: 50, 500_000: 0 },
  },
};
