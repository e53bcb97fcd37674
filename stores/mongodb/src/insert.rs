//! Commits of one event: those that wait at the same time are sent together, and each gets its own answer.

use std::sync::Arc;

use annals_core::{Error, Result};
use bson::RawDocumentBuf;
use mongodb::error::ErrorKind;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::connection::Connection;
use crate::error::{DUPLICATE, closed, is_duplicate, is_duplicate_code};

/// The most events that are sent together, and the most bytes that they may have.
const MAX_EVENTS: usize = 500;
const MAX_BYTES: usize = 8 << 20;

/// So many sends may be under way: while one is answered the next one travels.
const UNDER_WAY: usize = 2;

/// Whether an event was written; if not, its id or its revision is taken.
type Answer = Result<bool>;

struct Waiting {
    document: RawDocumentBuf,
    answer: oneshot::Sender<Answer>,
}

/// The queue of commits of one event.
pub(crate) struct Inserter(mpsc::UnboundedSender<Waiting>);

impl Inserter {
    pub(crate) fn start(connection: Arc<Connection>) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(work(connection, waiting));
        Self(queue)
    }

    pub(crate) async fn insert(&self, document: RawDocumentBuf) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.0.send(Waiting { document, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// Ends with the inserter.
async fn work(connection: Arc<Connection>, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    while let Ok(permit) = under_way.clone().acquire_owned().await {
        let Some(first) = waiting.recv().await else { return };
        let mut bytes = first.document.as_bytes().len();
        let mut together = vec![first];
        while together.len() < MAX_EVENTS && bytes < MAX_BYTES {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.document.as_bytes().len();
            together.push(next);
        }
        let connection = connection.clone();
        tokio::spawn(async move {
            send(&connection, together).await;
            drop(permit);
        });
    }
}

async fn send(connection: &Connection, together: Vec<Waiting>) {
    let (documents, answers): (Vec<_>, Vec<_>) = together.into_iter().map(|w| (w.document, w.answer)).unzip();
    let outcome = match &*documents {
        [one] => {
            connection
                .call(|link| async move {
                    match link.events.insert_one(one).await {
                        Ok(_) => Ok(Vec::new()),
                        Err(error) if is_duplicate(&error) => Ok(vec![Refused::taken(0)]),
                        Err(error) => Err(error),
                    }
                })
                .await
        }
        many => {
            connection
                .call(|link| async move {
                    match link.events.insert_many(many).ordered(false).await {
                        Ok(_) => Ok(Vec::new()),
                        Err(error) => refused(error),
                    }
                })
                .await
        }
    };
    for (index, answer) in answers.into_iter().enumerate() {
        let outcome = match &outcome {
            Ok(refused) => refused.iter().find(|refused| refused.index == index).map_or(Ok(true), Refused::answer),
            Err(error) => Err(error.copied()),
        };
        // Who waited may be gone.
        let _ = answer.send(outcome);
    }
}

/// An event that was refused while others were taken.
struct Refused {
    index: usize,
    code: i32,
    why: String,
}

impl Refused {
    fn taken(index: usize) -> Self {
        Self { index, code: DUPLICATE, why: String::new() }
    }

    fn answer(&self) -> Answer {
        if is_duplicate_code(self.code) {
            return Ok(false);
        }
        Err(Error::new(annals_core::ErrorKind::Backend, "MongoDB refused the event.").with_source(self.why.clone()))
    }
}

/// Which events were refused, where the others are written for good.
fn refused(error: mongodb::error::Error) -> mongodb::error::Result<Vec<Refused>> {
    let ErrorKind::InsertMany(told) = &*error.kind else { return Err(error) };
    let errors = told.write_errors.as_deref().unwrap_or_default();
    if told.write_concern_error.is_some() || errors.is_empty() {
        return Err(error);
    }
    let refused =
        errors.iter().map(|error| Refused { index: error.index, code: error.code, why: error.message.clone() });
    Ok(refused.collect())
}
