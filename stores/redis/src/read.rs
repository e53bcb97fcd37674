//! Reads: one call of one script for a page.

use annals_core::{Cursor, Error, Order, Page, Read, RecordedEvent, Result, Scope};
use redis::Value;

use crate::answer::{Answer, bytes, unexpected};
use crate::commit::{MAX_NUMBER, flag};
use crate::{RedisStore, envelope, layout};

/// The most events in one page.
pub(crate) const MAX_PAGE: usize = 10_000;

/// A page ends once its events have so many bytes.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// How often a read starts again because node-eventstore's writers were seen.
const MAX_FOREIGN: usize = 20;

/// Where a page ended: number, second number, text and kind of its last entry, and what is still to be left out.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
struct Place(String, String, String, String, u64);

impl Place {
    fn of(cursor: &Cursor) -> Result<Self> {
        serde_json::from_str(&cursor.0).map_err(|e| {
            Error::invalid("that cursor is not one of the Redis store: give it back as it came.").with_source(e)
        })
    }

    fn cursor(&self) -> Cursor {
        // Four texts and a number are always JSON.
        Cursor(serde_json::to_string(self).unwrap_or_default().into())
    }
}

/// What one call found.
enum Found {
    Page { events: Vec<RecordedEvent>, next: Option<Place> },
    ForeignStream(String),
    ForeignIds(i64),
}

/// How a read is asked of the index.
struct Plan<'a> {
    read: &'a Read,
    index: &'static str,
    order: &'static str,
    least: String,
    greatest: String,
    /// Whether the script can't tell all of what is asked for, so that its events are looked through.
    looks_through: bool,
}

impl<'a> Plan<'a> {
    fn new(read: &'a Read) -> Self {
        let in_streams = read.scope.aggregate_id().is_some();
        let bounded_revisions = read.from_revision > 0 || read.before_revision.is_some();
        let (index, order) = match read.order {
            Order::Position => ("position", "position"),
            Order::Revision => ("stream", "revision"),
            Order::Time if in_streams => ("stream", "time"),
            Order::Time if read.undispatched => ("undispatched", "time"),
            Order::Time => ("time", "time"),
        };
        let since = |stamp: annals_core::Timestamp| stamp.as_millis().to_string();
        let exactly = |n: u64| n.min(MAX_NUMBER + 1);
        let (least, greatest) = match index {
            "stream" => (
                exactly(read.from_revision).to_string(),
                read.before_revision.map_or("+inf".into(), |before| format!("({}", exactly(before))),
            ),
            "position" => {
                (read.after_position.map_or("-inf".into(), |after| format!("({}", exactly(after))), "+inf".to_owned())
            }
            _ => (read.since.map_or("-inf".into(), since), "+inf".to_owned()),
        };
        let looks_through = match index {
            "stream" => read.since.is_some() || read.after_position.is_some(),
            "position" => in_streams || read.since.is_some() || bounded_revisions,
            _ => read.after_position.is_some() || bounded_revisions,
        };
        Self { read, index, order, least, greatest, looks_through }
    }
}

impl RedisStore {
    pub(crate) async fn page(&self, read: &Read) -> Result<Page> {
        let plan = Plan::new(read);
        let limit = read.limit.min(MAX_PAGE);
        let mut place = read.cursor.as_ref().map(Place::of).transpose()?;
        let mut skip = place.as_ref().map_or(read.skip, |place| place.4);
        let mut events = Vec::new();
        loop {
            let left_out_there = if plan.looks_through { 0 } else { skip };
            let (found, next) = self.look(&plan, limit - events.len(), left_out_there, place.as_ref()).await?;
            if !plan.looks_through {
                return Ok(Page { events: found, next: next.map(|place| place.cursor()) });
            }
            for event in found {
                if read.wants(&event) {
                    if skip > 0 { skip -= 1 } else { events.push(event) }
                }
            }
            match next {
                Some(next) if events.len() < limit => place = Some(Place(next.0, next.1, next.2, next.3, skip)),
                next => {
                    let next = next.map(|next| Place(next.0, next.1, next.2, next.3, skip).cursor());
                    return Ok(Page { events, next });
                }
            }
        }
    }

    /// One look, after what node-eventstore's writers added was taken into the index.
    async fn look(
        &self,
        plan: &Plan<'_>,
        limit: usize,
        skip: u64,
        place: Option<&Place>,
    ) -> Result<(Vec<RecordedEvent>, Option<Place>)> {
        for _ in 0..MAX_FOREIGN {
            match self.call_read(plan, limit, skip, place).await? {
                Found::Page { events, next } => return Ok((events, next)),
                Found::ForeignStream(kind) => {
                    let id = plan.read.scope.aggregate_id().ok_or_else(unexpected)?;
                    self.adopt_stream(&layout::stream_of_kind(&kind, id)).await?;
                }
                Found::ForeignIds(taken) => self.adopt_since(taken).await?,
            }
        }
        let message = "the read gave up: a node-eventstore writes faster than it can be followed. Try again.";
        Err(Error::new(annals_core::ErrorKind::Timeout, message))
    }

    async fn call_read(&self, plan: &Plan<'_>, limit: usize, skip: u64, place: Option<&Place>) -> Result<Found> {
        let read = plan.read;
        let [context, aggregate] = layout::patterns(&read.scope);
        let aggregate_id = read.scope.aggregate_id().map(|id| &**id).unwrap_or_default();
        // Which streams a node-eventstore has added is known for streams that are named in full; else its ids tell.
        let asks_for_ids = place.is_none() && matches!(read.scope, Scope::Matching(_));
        let mut call = self.scripts.read.call(&self.layout.meta);
        call.arg(plan.index).arg(plan.order).arg(context).arg(aggregate);
        call.arg(layout::escape(aggregate_id)).arg(aggregate_id);
        call.arg(&plan.least).arg(&plan.greatest).arg(flag(read.backward));
        call.arg(skip.min(MAX_NUMBER)).arg(limit).arg(MAX_PAGE_BYTES);
        call.arg(flag(read.undispatched)).arg(flag(asks_for_ids));
        match place {
            Some(Place(number, second, text, kind, _)) => call.arg(number).arg(second).arg(text).arg(kind),
            None => call.arg("").arg("").arg("").arg(""),
        };
        found(Answer::of(self.connection.run(&call).await?)?)
    }
}

fn found(mut answer: Answer) -> Result<Found> {
    Ok(match &*answer.word {
        "page" => {
            let values: Vec<Value> = answer.list()?;
            let events = values.iter().filter_map(bytes).map(envelope::event).collect::<Result<_>>()?;
            let mut next = || answer.text();
            let next = match (next(), next(), next(), next(), next()) {
                (Some(number), Some(second), Some(text), Some(kind), Some(skip)) => {
                    Some(Place(number, second, text, kind, skip.parse().unwrap_or(0)))
                }
                _ => None,
            };
            Found::Page { events, next }
        }
        "stream" => Found::ForeignStream(answer.text().ok_or_else(unexpected)?),
        "ids" => Found::ForeignIds(answer.number()?),
        _ => return Err(unexpected()),
    })
}
