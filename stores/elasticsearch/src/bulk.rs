//! Writes: those that wait at the same time are sent together, and each gets its own answer.

use std::sync::Arc;

use annals_core::{Error, Result, Together};
use serde::Deserialize;

use crate::client::Client;
use crate::error::{Reason, Refusal, closed, damaged, unreadable};
use crate::layout::Guard;
use crate::transport::{Body, Method, Request, Response};

/// The most bytes that are sent together.
pub(crate) const MAX_BYTES: usize = 5 << 20;

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

/// The queue of writes.
pub(crate) struct Bulk(Together<Writes, Vec<Outcome>>);

impl Bulk {
    pub(crate) fn start(client: Arc<Client>, refresh: bool) -> Self {
        Self(Together::start(Writes::bytes, MAX_BYTES, closed, move |together| {
            let client = client.clone();
            async move { send_together(&client, refresh, together).await }
        }))
    }

    /// Sends writes together with others. The outcomes stand in their order.
    pub(crate) async fn send(&self, writes: Writes) -> Result<Vec<Outcome>> {
        if writes.is_empty() { Ok(Vec::new()) } else { self.0.ask(writes).await }
    }
}

async fn send_together(client: &Client, refresh: bool, together: Vec<Writes>) -> Result<Vec<Vec<Outcome>>> {
    let mut lines = String::with_capacity(together.iter().map(Writes::bytes).sum());
    together.iter().for_each(|writes| lines.push_str(&writes.lines));
    let count = together.iter().map(|writes| writes.count).sum();
    let mut outcomes = write(client, refresh, lines, count).await?.into_iter();
    Ok(together.iter().map(|writes| outcomes.by_ref().take(writes.count).collect()).collect())
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
