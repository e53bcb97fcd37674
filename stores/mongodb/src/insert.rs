//! Commits of one event: those that wait at the same time are sent together, and each gets its own answer.

use std::sync::Arc;

use annals_core::{Error, Result, Together};
use bson::RawDocumentBuf;
use mongodb::error::ErrorKind;

use crate::connection::Connection;
use crate::error::{DUPLICATE, closed, is_duplicate, is_duplicate_code};

/// The most events that are sent together, and the most bytes that they may have.
const MAX_EVENTS: usize = 500;
const MAX_BYTES: usize = 8 << 20;

/// Whether an event was written; if not, its id or its revision is taken.
type Answer = Result<bool>;

/// The queue of commits of one event.
pub(crate) struct Inserter(Together<RawDocumentBuf, Answer>);

impl Inserter {
    pub(crate) fn start(connection: Arc<Connection>) -> Self {
        let weight = |document: &RawDocumentBuf| document.as_bytes().len().max(MAX_BYTES / MAX_EVENTS);
        Self(Together::start(weight, MAX_BYTES, closed, move |documents| {
            let connection = connection.clone();
            async move { send(&connection, &documents).await }
        }))
    }

    pub(crate) async fn insert(&self, document: RawDocumentBuf) -> Answer {
        self.0.ask(document).await?
    }
}

async fn send(connection: &Connection, documents: &[RawDocumentBuf]) -> Result<Vec<Answer>> {
    let refused = match documents {
        [one] => {
            connection
                .call(|link| async move {
                    match link.events.insert_one(one).await {
                        Ok(_) => Ok(Vec::new()),
                        Err(error) if is_duplicate(&error) => Ok(vec![Refused::taken(0)]),
                        Err(error) => Err(error),
                    }
                })
                .await?
        }
        many => {
            connection
                .call(|link| async move {
                    match link.events.insert_many(many).ordered(false).await {
                        Ok(_) => Ok(Vec::new()),
                        Err(error) => refused(error),
                    }
                })
                .await?
        }
    };
    let answer = |index| refused.iter().find(|refused| refused.index == index).map_or(Ok(true), Refused::answer);
    Ok((0..documents.len()).map(answer).collect())
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
