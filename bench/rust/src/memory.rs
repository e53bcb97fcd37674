//! The in-memory store: conditional commits on one thread and on two.

use annals_core::{MemoryStore, Payload};
use futures::executor::block_on;

use crate::Outcome;
use crate::measure::{Case, rate, sized};
use crate::work::{Writer, payload, stream};

const STREAMS: usize = 1_000;

pub(crate) fn run() -> Outcome {
    let payload = payload(64)?;
    let commits = sized(2_000, 300_000);
    let alone = || {
        let mut round = Round::new(1, &payload);
        rate(commits, || round.commit(commits))
    };
    let together = || {
        let mut round = Round::new(2, &payload);
        rate(commits, || round.commit(commits))
    };
    let case = |name: &str| Case::rate("memory", name, "commits/s");

    let mut single = Vec::new();
    case("conditional commits on two threads").ratio(">", 1.0).against("annals, one thread").race(together, || {
        let figure = alone()?;
        single.push(figure);
        Ok(figure)
    })?;
    let warmups = sized(1, 2);
    case("conditional commits on one thread").alone(">=", 1e6).print(single.split_off(warmups), None)
}

/// A new store, and threads with streams of their own.
struct Round {
    store: MemoryStore,
    threads: Vec<Vec<Writer>>,
}

impl Round {
    fn new(threads: usize, payload: &Payload) -> Self {
        let writers = |thread: usize| {
            let streams = (0..STREAMS).filter(|n| n % threads == thread);
            streams.map(|n| Writer::new(stream("s", n), payload)).collect()
        };
        Self { store: MemoryStore::new(), threads: (0..threads).map(writers).collect() }
    }

    fn commit(&mut self, commits: usize) -> Outcome {
        let each = commits / self.threads.len();
        let store = &self.store;
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                self.threads.iter_mut().map(|t| scope.spawn(move || in_turn(store, t, each))).collect();
            threads.into_iter().try_for_each(|t| t.join().map_err(|_| "a writing thread panicked")?)
        })
    }
}

/// Commits to streams in turn.
fn in_turn(store: &MemoryStore, writers: &mut [Writer], commits: usize) -> Outcome {
    let count = writers.len();
    (0..commits).try_for_each(|n| block_on(writers[n % count].commit(store)))
}
