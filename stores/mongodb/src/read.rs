//! Reads: one query for a page, and one more where the page cuts a commit.

use std::collections::HashSet;

use annals_core::whole::{Cut, Shown};
use annals_core::{Order, Page, Read, RecordedEvent, Result, Scope, StreamId, Text};
use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use mongodb::options::FindOptions;

use crate::MongoStore;
use crate::cursor::{Ordering, Place};
use crate::envelope::{self, date, number};

/// The most events in one page.
pub(crate) const MAX_PAGE: usize = 10_000;

/// A page ends once its events have so many bytes.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// What one query found.
struct Found {
    events: Vec<RecordedEvent>,
    next: Option<Place>,
}

impl MongoStore {
    pub(crate) async fn page(&self, read: &Read) -> Result<Page> {
        let ordering = Ordering::of(read, !self.guarded);
        let place = read.cursor.as_ref().map(|cursor| ordering.place(cursor)).transpose()?;
        // Nobody has so many events, and some servers count no further.
        if i32::try_from(read.skip).is_err() && place.is_none() {
            self.connection.link()?;
            return Ok(Page::default());
        }
        let mut checked: HashSet<(StreamId, Text)> = HashSet::new();
        loop {
            let found = self.look(read, &ordering, place.as_ref()).await?;
            let cuts = Shown { read, events: &found.events, has_next: found.next.is_some() }.cuts();
            let is_new = |cut: &Cut| !checked.contains(&(cut.stream.clone(), cut.commit_id.clone()));
            let cuts: Vec<_> = cuts.into_iter().filter(is_new).collect();
            let inside = cuts.iter().any(|cut| cut.inside);
            let commits: Vec<_> = cuts.into_iter().map(|cut| (cut.stream, cut.commit_id)).collect();
            // What was being written when the page was read is there by now, or is written here.
            if commits.is_empty() || !self.settle_commits(&commits).await? && !inside {
                self.remember_end(read, &found);
                return Ok(Page { events: found.events, next: found.next.map(|place| place.cursor()) });
            }
            checked.extend(commits);
        }
    }

    async fn look(&self, read: &Read, ordering: &Ordering, place: Option<&Place>) -> Result<Found> {
        let limit = read.limit.min(MAX_PAGE);
        let mut filter = filter(read)?;
        if let Some(place) = place {
            filter = doc! { "$and": [filter, ordering.behind(place)] };
        }
        // One more tells whether there is more; and a batch has room for all, so that the server keeps no cursor.
        let more = i64::try_from(limit).unwrap_or(i64::MAX) + 1;
        let mut options = FindOptions::builder().sort(ordering.sort()).limit(more).build();
        options.batch_size = u32::try_from(more + 1).ok();
        options.skip = if place.is_none() && read.skip > 0 { Some(read.skip) } else { None };
        let (documents, is_full) = self
            .connection
            .call(|link| {
                let (filter, options) = (filter.clone(), options.clone());
                async move {
                    let mut cursor = link.events.find(filter).with_options(options).await?;
                    let (mut documents, mut bytes) = (Vec::new(), 0);
                    while let Some(document) = cursor.try_next().await? {
                        if documents.len() == limit || bytes > MAX_PAGE_BYTES {
                            return Ok((documents, true));
                        }
                        bytes += document.as_bytes().len();
                        documents.push(document);
                    }
                    Ok((documents, false))
                }
            })
            .await?;
        let last = documents.last().filter(|_| is_full);
        let next = last.map(|document: &RawDocumentBuf| ordering.place_of(document)).transpose()?;
        let events = documents.iter().map(|document| envelope::event(document)).collect::<Result<_>>()?;
        Ok(Found { events, next })
    }

    /// Remembers where a stream ends that was read to its end.
    fn remember_end(&self, read: &Read, found: &Found) {
        let stream = match &read.scope {
            Scope::Stream(stream) => stream.clone(),
            Scope::Matching(filter) => match &filter.aggregate_id {
                Some(aggregate_id) => StreamId {
                    context: filter.context.clone(),
                    aggregate: filter.aggregate.clone(),
                    aggregate_id: aggregate_id.clone(),
                },
                None => return,
            },
        };
        let from_start = read.cursor.is_none() && read.skip == 0 && read.from_revision == 0;
        let to_end = !read.backward && found.next.is_none() && read.before_revision.is_none();
        let of_all = read.since.is_none() && read.after_position.is_none() && !read.undispatched;
        if !to_end || !of_all || read.order == Order::Position || !from_start && read.order != Order::Revision {
            return;
        }
        let last = found.events.iter().filter(|event| event.stream == stream).map(|event| event.stream_revision).max();
        if last.is_some() || from_start {
            self.heads.saw(&stream, last);
        }
    }
}

/// Matches a part of a stream's identity. Where it is absent, node-eventstore writes null, or what it was given.
fn part(value: Option<&Text>) -> Bson {
    match value {
        Some(text) => Bson::String(text.to_string()),
        None => doc! { "$in": [Bson::Null, ""] }.into(),
    }
}

/// Matches the events of one stream.
pub(crate) fn in_stream(stream: &StreamId) -> Document {
    doc! {
        "aggregateId": &*stream.aggregate_id,
        "aggregate": part(stream.aggregate.as_ref()),
        "context": part(stream.context.as_ref()),
    }
}

/// Matches what a read is about.
pub(crate) fn in_scope(scope: &Scope) -> Document {
    match scope {
        Scope::Stream(stream) => in_stream(stream),
        Scope::Matching(filter) => {
            let parts =
                [("aggregateId", &filter.aggregate_id), ("aggregate", &filter.aggregate), ("context", &filter.context)];
            let named = parts.into_iter().filter_map(|(name, part)| Some((name, part.as_deref()?)));
            named.map(|(name, part)| (name.to_owned(), Bson::from(part))).collect()
        }
    }
}

fn filter(read: &Read) -> Result<Document> {
    let value = |n: u64| envelope::value(number(n));
    let mut filter = in_scope(&read.scope);
    if read.undispatched {
        filter.insert("dispatched", false);
    }
    if let Some(since) = read.since {
        filter.insert("commitStamp", doc! { "$gte": date(since) });
    }
    let mut revisions = Document::new();
    if read.from_revision > 0 {
        revisions.insert("$gte", value(read.from_revision)?);
    }
    if let Some(before) = read.before_revision {
        revisions.insert("$lt", value(before)?);
    }
    if !revisions.is_empty() {
        filter.insert("streamRevision", revisions);
    }
    if let Some(after) = read.after_position {
        filter.insert("position", doc! { "$gt": value(after)? });
    } else if read.order == Order::Position {
        filter.insert("position", doc! { "$gte": 0 });
    }
    Ok(filter)
}
