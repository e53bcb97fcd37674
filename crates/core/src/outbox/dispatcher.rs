//! The task that delivers what is undispatched.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use super::{DispatchFailure, DispatchOptions, PublishError, Publisher};
use crate::{DynStore, Read, RecordedEvent, Result, StreamId, Text};

/// Delivered events are marked together, at the latest so long after the first of them.
const MARK_WITHIN: Duration = Duration::from_millis(20);

/// A running dispatcher. Dropping it stops it where it is.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

impl Dispatcher {
    pub(crate) fn start(store: DynStore, publisher: Arc<dyn Publisher>, options: DispatchOptions) -> Self {
        let wake = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let delivery = Arc::new(Delivery { store, publisher, options });
        let sweeper = Sweeper {
            delivery,
            lanes: HashMap::new(),
            running: JoinSet::new(),
            passed: HashSet::new(),
            again: false,
            stopped,
        };
        let task = tokio::spawn(sweeper.run(wake.clone()));
        Self { wake, stop, task: Some(task).into() }
    }

    /// Says that there are new events.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Lets what is being delivered finish, and marks it.
    pub(crate) async fn stop(&self) {
        let _ = self.stop.send(true);
        let task = self.task.lock().take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}

/// What a stream is doing.
enum Lane {
    /// Events of it are with the publisher; `more`: others were seen meanwhile.
    Delivering { more: bool, attempts: u32 },
    /// Its next event failed.
    Waiting { until: Instant, attempts: u32 },
}

struct Sweeper {
    delivery: Arc<Delivery>,
    lanes: HashMap<StreamId, Lane>,
    running: JoinSet<(StreamId, Result<(), Stopped>)>,
    /// The streams of which this sweep has left events undelivered: what it finds behind those must wait too.
    passed: HashSet<StreamId>,
    /// Events were passed over because their stream was busy, so another sweep is due.
    again: bool,
    stopped: watch::Receiver<bool>,
}

impl Sweeper {
    async fn run(mut self, wake: Arc<Notify>) {
        while !self.is_stopped() {
            self.again = false;
            self.passed.clear();
            if let Err(error) = self.sweep().await {
                warn!(%error, "the undispatched events can't be read; trying again");
            }
            self.rest(&wake).await;
        }
        while let Some(done) = self.running.join_next().await {
            self.finish(done);
        }
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Goes once through all that is undispatched and starts to deliver it.
    async fn sweep(&mut self) -> Result<()> {
        let mut read = Read::undispatched().limit(self.delivery.options.page.max(1));
        loop {
            let page = self.delivery.store.read(&read).await?;
            // Chosen before any running delivery is looked at again: what it has marked meanwhile is still in this page.
            for (stream, events) in self.ready(page.events) {
                while self.running.len() >= self.delivery.options.concurrency.max(1) {
                    if let Some(done) = self.running.join_next().await {
                        self.finish(done);
                    }
                }
                self.start(stream, events);
            }
            match page.next {
                Some(next) if !self.is_stopped() => read.cursor = Some(next),
                _ => return Ok(()),
            }
        }
    }

    /// The events whose streams are neither busy nor waiting, by stream, the oldest stream first.
    fn ready(&mut self, events: Vec<RecordedEvent>) -> Vec<(StreamId, Vec<RecordedEvent>)> {
        let now = Instant::now();
        let mut ready: Vec<(StreamId, Vec<RecordedEvent>)> = Vec::new();
        let mut places = HashMap::new();
        for event in events {
            if self.passed.contains(&event.stream) {
                continue;
            }
            match self.lanes.get_mut(&event.stream) {
                Some(Lane::Delivering { more, .. }) => {
                    *more = true;
                    self.passed.insert(event.stream);
                }
                Some(Lane::Waiting { until, .. }) if *until > now => {
                    self.passed.insert(event.stream);
                }
                _ => {
                    let place = *places.entry(event.stream.clone()).or_insert_with(|| {
                        ready.push((event.stream.clone(), Vec::new()));
                        ready.len() - 1
                    });
                    ready[place].1.push(event);
                }
            }
        }
        for (stream, events) in &mut ready {
            events.sort_by_key(|e| e.stream_revision);
            let run = 1 + events.windows(2).take_while(|w| w[0].stream_revision + 1 == w[1].stream_revision).count();
            if run < events.len() {
                events.truncate(run);
                self.passed.insert(stream.clone());
                self.again = true;
            }
        }
        ready
    }

    fn start(&mut self, stream: StreamId, events: Vec<RecordedEvent>) {
        let attempts = match self.lanes.get(&stream) {
            Some(Lane::Waiting { attempts, .. }) => *attempts,
            _ => 0,
        };
        self.lanes.insert(stream.clone(), Lane::Delivering { more: false, attempts });
        let delivery = self.delivery.clone();
        self.running.spawn(async move { (stream, delivery.deliver(events).await) });
    }

    fn finish(&mut self, done: Result<(StreamId, Result<(), Stopped>), tokio::task::JoinError>) {
        let Ok((stream, outcome)) = done else { return };
        let Some(Lane::Delivering { more, attempts }) = self.lanes.remove(&stream) else { return };
        self.again |= more;
        if let Err(Stopped { event, error, delivered }) = outcome {
            let attempts = if delivered { 1 } else { attempts.saturating_add(1) };
            let retry_in = self.delivery.pause(attempts);
            let until = Instant::now() + retry_in;
            self.passed.insert(stream.clone());
            self.lanes.insert(stream, Lane::Waiting { until, attempts });
            self.delivery.report(DispatchFailure { event: *event, attempts, error, retry_in });
        }
    }

    /// Waits until there is a reason to sweep again.
    async fn rest(&mut self, wake: &Notify) {
        let poll = Instant::now() + self.delivery.options.poll;
        while !self.again && !self.is_stopped() {
            let retries = self.lanes.values().filter_map(|lane| match lane {
                Lane::Waiting { until, .. } => Some(*until),
                Lane::Delivering { .. } => None,
            });
            let next = retries.min().map_or(poll, |retry| retry.min(poll));
            tokio::select! {
                () = wake.notified() => return,
                () = sleep_until(next) => return,
                Some(done) = self.running.join_next() => self.finish(done),
                _ = self.stopped.changed() => return,
            }
        }
    }
}

/// A stream's delivery came to a stop at an event.
struct Stopped {
    event: Box<RecordedEvent>,
    error: PublishError,
    /// Whether earlier events of the stream were delivered before it.
    delivered: bool,
}

struct Delivery {
    store: DynStore,
    publisher: Arc<dyn Publisher>,
    options: DispatchOptions,
}

impl Delivery {
    /// The events with those of their stream in front that have lower revisions and are undispatched too.
    ///
    /// Undispatched events are read in order of time, which is that of revisions except where clocks disagree or two
    /// writers overtook each other.
    async fn with_predecessors(&self, events: &mut Vec<RecordedEvent>) -> Result<()> {
        while let Some(first) = events.first()
            && let Some(before) = first.stream_revision.checked_sub(1)
        {
            let mut read = Read::stream(&first.stream).revisions(before, Some(first.stream_revision)).limit(1);
            read.undispatched = true;
            let Some(predecessor) = self.store.read(&read).await?.events.pop() else { return Ok(()) };
            events.insert(0, predecessor);
        }
        Ok(())
    }

    /// Publishes events of one stream one after another, and marks those that were.
    async fn deliver(&self, mut events: Vec<RecordedEvent>) -> Result<(), Stopped> {
        if let Err(error) = self.with_predecessors(&mut events).await {
            let event = Box::new(events.swap_remove(0));
            return Err(Stopped { event, error: error.into(), delivered: false });
        }
        let mut unmarked: Vec<Text> = Vec::new();
        let mut since = Instant::now();
        let last = events.len().saturating_sub(1);
        for (index, event) in events.into_iter().enumerate() {
            let stopped = |error, event| Stopped { event: Box::new(event), error, delivered: index > 0 };
            if let Err(error) = self.publish(&event).await {
                let _ = self.mark(&mut unmarked).await;
                return Err(stopped(error, event));
            }
            if unmarked.is_empty() {
                since = Instant::now();
            }
            unmarked.push(event.id.clone());
            if (index == last || since.elapsed() >= MARK_WITHIN)
                && let Err(error) = self.mark(&mut unmarked).await
            {
                return Err(stopped(format!("published, but not marked: {error}").into(), event));
            }
        }
        Ok(())
    }

    async fn publish(&self, event: &RecordedEvent) -> Result<(), PublishError> {
        let publishing = AssertUnwindSafe(self.publisher.publish(event.clone())).catch_unwind();
        let outcome = match self.options.timeout {
            Some(limit) => timeout(limit, publishing).await.map_err(|_| format!("no answer within {limit:?}"))?,
            None => publishing.await,
        };
        outcome.unwrap_or_else(|_| Err("the publisher panicked".into()))
    }

    async fn mark(&self, delivered: &mut Vec<Text>) -> Result<()> {
        if !delivered.is_empty() {
            self.store.mark_dispatched(delivered).await?;
            debug!(events = delivered.len(), "marked dispatched");
            delivered.clear();
        }
        Ok(())
    }

    fn pause(&self, attempts: u32) -> Duration {
        let DispatchOptions { first_retry, last_retry, .. } = self.options;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(first_retry)
            .with_max_delay(last_retry)
            .with_jitter()
            .without_max_times();
        pauses.build().nth(attempts.saturating_sub(1).min(64) as usize).unwrap_or(last_retry)
    }

    fn report(&self, failure: DispatchFailure) {
        let DispatchFailure { event, attempts, error, retry_in } = &failure;
        warn!(stream = %event.stream, event = %event.id, attempts, %error, ?retry_in, "an event can't be published; its stream waits");
        if let Some(listener) = &self.options.on_failure {
            listener(failure);
        }
    }
}
