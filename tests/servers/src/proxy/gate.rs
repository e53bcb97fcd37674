use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Direction;

/// What decides which bytes pass. Shared by the proxy's handle and its connections.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<watch::Sender<State>>);

#[derive(Default)]
pub(super) struct State {
    /// By direction.
    pub(super) stalled: [bool; 2],
    /// How many more bytes pass before the cut, by direction.
    pub(super) left: [Option<u64>; 2],
    pub(super) passed: [u64; 2],
    pub(super) delay: Duration,
    cut: Cut,
}

#[derive(Default, PartialEq)]
enum Cut {
    #[default]
    None,
    /// The last bytes before the cut are on their way. No others pass.
    Coming,
    Now,
}

/// How many bytes may pass, and whether they are the last.
pub(super) struct Pass {
    pub(super) bytes: usize,
    pub(super) last: bool,
}

impl Gate {
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        self.0.send_modify(change);
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.borrow())
    }

    /// Waits until bytes may pass.
    pub(super) async fn open(&self, direction: Direction, bytes: usize) -> Pass {
        let delay = self.look(|state| state.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut changes = self.0.subscribe();
        loop {
            let mut pass = None;
            self.0.send_if_modified(|state| {
                pass = state.pass(direction as usize, bytes);
                pass.as_ref().is_some_and(|pass| pass.last)
            });
            match pass {
                Some(pass) => return pass,
                None => changes.changed().await.expect("a sender is in self"),
            }
        }
    }

    /// Has all connections cut.
    pub(super) fn cut(&self) {
        self.change(|state| state.cut = Cut::Now);
    }

    /// Waits until all connections are to be cut.
    pub(super) async fn cut_wanted(&self) {
        self.0.subscribe().wait_for(|state| state.cut == Cut::Now).await.expect("a sender is in self");
    }

    /// All connections are cut.
    pub(super) fn was_cut(&self) {
        self.change(|state| state.cut = Cut::None);
    }
}

impl State {
    fn pass(&mut self, direction: usize, bytes: usize) -> Option<Pass> {
        if self.stalled[direction] || self.cut != Cut::None {
            return None;
        }
        let (bytes, last) = match self.left[direction].as_mut() {
            Some(left) => {
                let bytes = bytes.min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= bytes as u64;
                (bytes, *left == 0)
            }
            None => (bytes, false),
        };
        self.passed[direction] += bytes as u64;
        if last {
            self.left = [None; 2];
            self.cut = Cut::Coming;
        }
        Some(Pass { bytes, last })
    }
}
