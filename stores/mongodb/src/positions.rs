//! Global positions: one document counts them, and holds the commit that is being written.
//!
//! ```text
//! { _id: "events", position: 17, pending: { from: 15, events: [{ _id: "5f…d0", position: 16, … }, …] } }
//! ```
//!
//! A commit takes its positions by a compare-and-swap on that document, which puts the commit into it; then it writes its
//! events; then it clears the document. While a commit stands there no other one takes positions: whoever wants to
//! writes what is missing of it first. So an event is there before a later position is given, and a reader by position
//! misses none.

use annals_core::{Error, ErrorKind, RecordedEvent, Result, StreamId, Text};
use bson::raw::cstr;
use bson::{Bson, RawArrayBuf, RawDocumentBuf, doc, oid::ObjectId};
use mongodb::options::ReturnDocument;

use crate::MongoStore;
use crate::commit::{Attempt, Put};
use crate::connection::Raw;
use crate::envelope::{self, fits, number, unreadable, value};
use crate::error::is_duplicate;
use crate::records::{Settled, documents_of, first_refused};

/// The last position given, as far as is known. Held by who writes.
pub(crate) type Positions = tokio::sync::Mutex<Option<u64>>;

/// What the document says.
struct Count {
    last: u64,
    pending: Option<RawDocumentBuf>,
}

impl MongoStore {
    fn counter(&self) -> &str {
        &self.config.events_name
    }

    pub(crate) async fn put_at_next_positions(&self, attempt: Attempt<'_>) -> Result<Put> {
        let Some(positions) = &self.positions else { return Ok(Put::Taken) };
        let mut known = positions.lock().await;
        loop {
            let last = match *known {
                Some(last) => last,
                None => self.settled_count().await?,
            };
            let count = attempt.commit.events.len() as u64;
            fits("position", last.saturating_add(count))?;
            let written = self.documents(&attempt, Some(last + 1))?;
            let given = written.iter().filter_map(|written| written.event.position).max().unwrap_or(0);
            let highest = given.max(last + count);
            self.announce_namesakes(&attempt, &written).await?;
            let documents: Vec<_> = written.iter().map(|written| written.document.clone()).collect();
            *known = None;
            let Some(key) = self.take_positions(last, highest, &documents).await? else { continue };
            let documents = &documents;
            let refused = self
                .connection
                .call(|link| async move {
                    match link.events.insert_many(documents).await {
                        Ok(_) => Ok(None),
                        Err(error) => first_refused(error).map(Some),
                    }
                })
                .await?;
            if refused.is_none() {
                self.clear_pending(&key).await?;
                *known = Some(highest);
                return Ok(Put::Written(written.into_iter().map(|written| written.event).collect()));
            }
            // Its ids or revisions are taken, or somebody wrote it who wanted positions too.
            self.settled_count().await?;
            let events: Vec<_> = written.into_iter().map(|written| written.event).collect();
            let there = self.there(documents).await?;
            let is_there = |event: &RecordedEvent| {
                there.iter().any(|other| (&other.id, other.position) == (&event.id, event.position))
            };
            return Ok(if events.iter().all(is_there) { Put::Written(events) } else { Put::Taken });
        }
    }

    /// Puts a commit into the document, if the count is what was thought; the key that it is there under.
    async fn take_positions(&self, last: u64, highest: u64, events: &[RawDocumentBuf]) -> Result<Option<ObjectId>> {
        let key = ObjectId::new();
        let mut pending = RawDocumentBuf::new();
        pending.append(cstr!("key"), key);
        pending.append(cstr!("from"), number(last));
        pending.append(cstr!("to"), number(highest));
        pending.append(cstr!("events"), events.iter().cloned().collect::<RawArrayBuf>());
        let mut set = RawDocumentBuf::new();
        set.append(cstr!("position"), number(highest));
        set.append(cstr!("pending"), pending);
        let mut update = RawDocumentBuf::new();
        update.append(cstr!("$set"), set);
        let update = bson::Document::try_from(&update).map_err(unreadable)?;
        let filter = doc! { "_id": self.counter(), "position": value(number(last))?, "pending": { "$exists": false } };
        let changed = self
            .on_positions(|positions| {
                let (filter, update) = (filter.clone(), update.clone());
                async move { positions.update_one(filter, update).await.map(|done| done.modified_count) }
            })
            .await?;
        Ok((changed > 0).then_some(key))
    }

    /// The last position given, once nothing is pending.
    async fn settled_count(&self) -> Result<u64> {
        loop {
            let count = self.count().await?;
            match count.pending {
                Some(pending) => self.settle_pending(&pending).await?,
                None => return Ok(count.last),
            }
        }
    }

    async fn count(&self) -> Result<Count> {
        let id = self.counter();
        let found = self
            .on_positions(|positions| async move {
                match positions.find_one(doc! { "_id": id }).await? {
                    Some(found) => Ok(Some(found)),
                    None => {
                        match positions.insert_one(RawDocumentBuf::try_from(&doc! { "_id": id, "position": 0 })?).await
                        {
                            Err(error) if !is_duplicate(&error) => Err(error),
                            _ => positions.find_one(doc! { "_id": id }).await,
                        }
                    }
                }
            })
            .await?;
        let Some(found) = found else { return Ok(Count { last: 0, pending: None }) };
        let last = found.get("position").map_err(unreadable)?.and_then(envelope::whole).unwrap_or(0);
        let pending = found.get("pending").map_err(unreadable)?;
        let pending = pending.and_then(|pending| Some(pending.as_document()?.to_owned()));
        Ok(Count { last, pending })
    }

    /// Completes the pending commit, or takes its positions back where its revision is another's.
    async fn settle_pending(&self, pending: &RawDocumentBuf) -> Result<()> {
        let documents = documents_of(pending)?;
        let events = documents.iter().map(|document| envelope::event(document)).collect::<Result<Vec<_>>>()?;
        let mut settled = self.complete(&documents, &events).await?;
        if settled == Settled::Open {
            let documents = &documents;
            self.connection
                .call(|link| async move {
                    match link.events.insert_many(documents).await {
                        Ok(_) => Ok(()),
                        Err(error) => first_refused(error).map(|_| ()),
                    }
                })
                .await?;
            settled = self.complete(documents, &events).await?;
        }
        let key = pending
            .get_object_id("key")
            .map_err(|e| crate::error::damaged("pending positions have no key").with_source(e))?;
        if matches!(settled, Settled::Lost | Settled::Open) {
            let of = |name| -> Result<Bson> {
                value(pending.get(name).map_err(unreadable)?.unwrap_or(bson::RawBsonRef::Null).into())
            };
            // A node-eventstore may have counted on.
            let filter = doc! { "_id": self.counter(), "position": of("to")?, "pending.key": key };
            let update = doc! { "$set": { "position": of("from")? }, "$unset": { "pending": "" } };
            self.on_positions(|positions| {
                let (filter, update) = (filter.clone(), update.clone());
                async move { positions.update_one(filter, update).await.map(|_| ()) }
            })
            .await?;
        }
        self.clear_pending(&key).await
    }

    async fn clear_pending(&self, key: &ObjectId) -> Result<()> {
        let filter = doc! { "_id": self.counter(), "pending.key": key };
        self.on_positions(|positions| {
            let filter = filter.clone();
            async move { positions.update_one(filter, doc! { "$unset": { "pending": "" } }).await.map(|_| ()) }
        })
        .await
    }

    /// Settles the pending commit if it is one of these; whether it was.
    pub(crate) async fn settle_positioned(&self, commits: &[(StreamId, Text)]) -> Result<bool> {
        if self.positions.is_none() {
            return Ok(false);
        }
        let Some(pending) = self.count().await?.pending else { return Ok(false) };
        let is_one = |event: &RecordedEvent| {
            commits.iter().any(|(stream, id)| *stream == event.stream && *id == event.commit_id)
        };
        if !crate::records::events_of(&pending)?.first().is_some_and(is_one) {
            return Ok(false);
        }
        self.settle_pending(&pending).await.map(|()| true)
    }

    pub(crate) async fn settle_positioned_anyway(&self) -> Result<()> {
        match &self.positions {
            Some(_) => self.settled_count().await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Sees to it that no position up to this one is given again.
    pub(crate) async fn raise_position(&self, highest: u64) -> Result<()> {
        let Some(positions) = &self.positions else { return Ok(()) };
        let mut known = positions.lock().await;
        if known.is_some_and(|known| highest <= known) {
            return Ok(());
        }
        *known = None;
        let (id, highest) = (self.counter(), value(number(highest))?);
        self.on_positions(|positions| {
            let update = doc! { "$max": { "position": highest.clone() } };
            async move { positions.update_one(doc! { "_id": id }, update).upsert(true).await.map(|_| ()) }
        })
        .await
    }

    pub(crate) async fn set_positions_aside(&self, count: u64) -> Result<u64> {
        let Some(positions) = &self.positions else { return Ok(0) };
        fits("position", count)?;
        let mut known = positions.lock().await;
        *known = None;
        let (id, more) = (self.counter(), value(number(count))?);
        let found = self
            .on_positions(|positions| {
                let update = doc! { "$inc": { "position": more.clone() } };
                async move {
                    let counted = positions.find_one_and_update(doc! { "_id": id }, update).upsert(true);
                    counted.return_document(ReturnDocument::After).projection(doc! { "position": 1 }).await
                }
            })
            .await?;
        let last = match &found {
            Some(found) => found.get("position").map_err(unreadable)?.and_then(envelope::whole).unwrap_or(count),
            None => count,
        };
        *known = Some(last);
        Ok(last + 1 - count)
    }

    async fn on_positions<T, F>(&self, call: impl Fn(Raw) -> F) -> Result<T>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        let off = || Error::new(ErrorKind::Unsupported, "this store keeps no global positions.");
        let positions = self.connection.link()?.positions.ok_or_else(off)?;
        self.connection.call(|_| call(positions.clone())).await
    }
}
