//! Writes: those that wait at the same time are sent together, and each gets its own answer.

use std::sync::Arc;

use annals_core::{Error, Result};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::client::Client;
use crate::error::{Reason, Refusal, closed, copy, damaged, unreadable};
use crate::layout::Guard;
use crate::transport::{Body, Method, Request, Response};

/// The most bytes that are sent together.
pub(crate) const MAX_BYTES: usize = 5 << 20;

/// So many requests may be under way: while one is answered the next one travels.
const UNDER_WAY: usize = 2;

/// What became of one write.
pub(crate) type Outcome = std::result::Result<Guard, Refusal>;

/// Documents, each behind the line that says what is done with it.
#[derive(Default)]
pub(crate) struct Writes {
    lines: String,
    count: usize,
}

impl Writes {
    pub(crate) fn add(&mut self, action: &str, document: Option<&str>) {
        for line in [Some(action), document].into_iter().flatten() {
            self.lines.push_str(line);
            self.lines.push('\n');
        }
        self.count += 1;
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

struct Waiting {
    writes: Writes,
    answer: oneshot::Sender<Result<Vec<Outcome>>>,
}

/// The queue of writes.
pub(crate) struct Bulk(mpsc::UnboundedSender<Waiting>);

impl Bulk {
    pub(crate) fn start(client: Arc<Client>, refresh: bool) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(work(client, refresh, waiting));
        Self(queue)
    }

    /// Sends writes together with others. The outcomes stand in their order.
    pub(crate) async fn send(&self, writes: Writes) -> Result<Vec<Outcome>> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, answered) = oneshot::channel();
        self.0.send(Waiting { writes, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// Ends with the queue.
async fn work(client: Arc<Client>, refresh: bool, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    let mut left_over = None;
    while let Ok(permit) = under_way.clone().acquire_owned().await {
        let first = match left_over.take() {
            Some(first) => first,
            None => match waiting.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        let mut bytes = first.writes.bytes();
        let mut together = vec![first];
        while let Ok(next) = waiting.try_recv() {
            bytes += next.writes.bytes();
            if bytes > MAX_BYTES {
                left_over = Some(next);
                break;
            }
            together.push(next);
        }
        let client = client.clone();
        tokio::spawn(async move {
            send_together(&client, refresh, together).await;
            drop(permit);
        });
    }
}

async fn send_together(client: &Client, refresh: bool, together: Vec<Waiting>) {
    let mut lines = String::with_capacity(together.iter().map(|waiting| waiting.writes.bytes()).sum());
    let mut answers = Vec::with_capacity(together.len());
    for Waiting { writes, answer } in together {
        lines.push_str(&writes.lines);
        answers.push((writes.count, answer));
    }
    let count = answers.iter().map(|(count, _)| count).sum();
    let mut outcomes = write(client, refresh, lines, count).await.map(Vec::into_iter);
    for (count, answer) in answers {
        let outcome = match &mut outcomes {
            Ok(outcomes) => Ok(outcomes.by_ref().take(count).collect()),
            Err(error) => Err(copy(error)),
        };
        // Who waited may be gone.
        let _ = answer.send(outcome);
    }
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Item>,
}

/// What became of one write, under the name of what was to be done.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "create", alias = "index", alias = "delete")]
    done: Done,
}

#[derive(Deserialize)]
struct Done {
    status: u16,
    error: Option<Reason>,
    #[serde(flatten)]
    guard: Guard,
}

async fn write(client: &Client, refresh: bool, lines: String, count: usize) -> Result<Vec<Outcome>> {
    let query = if refresh { vec![("refresh".to_owned(), "true".to_owned())] } else { Vec::new() };
    let request = Request { method: Method::Post, path: "/_bulk".into(), query, body: Some(Body::Lines(lines)) };
    let outcomes = outcomes(client.ask(request).await?.map_err(Refusal::into_error)?)?;
    if outcomes.len() == count { Ok(outcomes) } else { Err(lacking()) }
}

/// What became of each write.
pub(crate) fn outcomes(response: Response) -> Result<Vec<Outcome>> {
    let answer: Answer = serde_json::from_slice(&response.body).map_err(unreadable)?;
    let outcomes = answer.items.into_iter().map(|Item { done: Done { status, error, guard } }| match status {
        ..400 => Ok(guard),
        _ => Err(Refusal::new(status, error)),
    });
    Ok(outcomes.collect())
}

fn lacking() -> Error {
    damaged("the search server's answer to a bulk request has not as many outcomes as there were writes.")
}
