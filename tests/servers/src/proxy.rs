mod gate;
mod thread;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::ports;
use gate::Gate;
use thread::{Order, Task};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Requests.
    FromClient,
    /// Answers.
    FromServer,
}

/// A TCP proxy on a free port of loopback in front of a server. It lets everything pass until it is told otherwise.
///
/// It works in a thread of its own, so that it goes on whatever a test does. What it is told has happened when the call
/// returns. On drop it ends, and with it all connections.
pub struct Proxy {
    address: SocketAddr,
    gate: Gate,
    tasks: Option<UnboundedSender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one in front of a server, which needn't run yet.
    pub fn start(server: SocketAddr) -> Self {
        let listener = ports::listen();
        let address = listener.local_addr().expect("an address");
        let gate = Gate::default();
        let (tasks, thread) = thread::start(listener, server, gate.clone());
        Self { address, gate, tasks: Some(tasks), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections. New ones are accepted.
    pub fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Refuses new connections, until [`resume`](Self::resume). Those that are there stay.
    pub fn refuse(&self) {
        self.order(Order::Refuse);
    }

    /// Holds all bytes back, in both directions, until [`resume`](Self::resume). Connections are accepted.
    pub fn stall(&self) {
        self.gate.change(|state| state.stalled = [true; 2]);
    }

    /// Holds the bytes of one direction back, until [`resume`](Self::resume).
    pub fn stall_one(&self, direction: Direction) {
        self.gate.change(|state| state.stalled[direction as usize] = true);
    }

    /// Holds every piece of bytes back for so long, in both directions, until [`resume`](Self::resume).
    pub fn delay(&self, delay: Duration) {
        self.gate.change(|state| state.delay = delay);
    }

    /// Cuts all connections once so many more bytes have passed in one direction, on any of them. They arrive. With 0
    /// it cuts when the next byte comes, which doesn't pass. New connections are accepted after the cut, unless they
    /// are [refused](Self::refuse).
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.gate.change(|state| state.left[direction as usize] = Some(bytes));
    }

    /// Whether a cut that [`cut_after`](Self::cut_after) ordered is still to come.
    pub fn armed(&self) -> bool {
        self.gate.look(|state| state.left.iter().any(Option::is_some))
    }

    /// How many bytes have passed in one direction since the proxy started.
    pub fn passed(&self, direction: Direction) -> u64 {
        self.gate.look(|state| state.passed[direction as usize])
    }

    /// Cuts all connections again and again while something is done, each time after another number of bytes.
    pub async fn cut_while<T>(&self, every: Duration, doing: impl Future<Output = T>) -> T {
        let cuts = async {
            let mut bytes = 1;
            loop {
                bytes = bytes * 7 % 9973;
                let direction = if bytes % 2 == 0 { Direction::FromServer } else { Direction::FromClient };
                self.cut_after(direction, bytes);
                tokio::time::sleep(every).await;
            }
        };
        let done = tokio::select! {
            done = doing => done,
            never = cuts => never,
        };
        self.resume();
        done
    }

    /// How many bytes pass while something is done: from the client, and from the server.
    pub async fn passed_while<T>(&self, doing: impl Future<Output = T>) -> [u64; 2] {
        let passed = || [Direction::FromClient, Direction::FromServer].map(|direction| self.passed(direction));
        let before = passed();
        doing.await;
        let after = passed();
        [after[0] - before[0], after[1] - before[1]]
    }

    /// Lets everything pass again: what was held back, what comes, new connections. Forgets a cut that is still to come.
    pub fn resume(&self) {
        self.order(Order::Listen);
        self.gate.change(|state| {
            state.stalled = [false; 2];
            state.delay = Duration::ZERO;
            state.left = [None; 2];
        });
    }

    /// Has the thread do something, and waits until it has.
    fn order(&self, order: Order) {
        let (done, wait) = mpsc::channel();
        let sent = self.tasks.as_ref().is_some_and(|tasks| tasks.send((order, done)).is_ok());
        assert!(sent && wait.recv().is_ok(), "the proxy's thread panicked");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
