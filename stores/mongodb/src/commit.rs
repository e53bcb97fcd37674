//! Commits: where the stream is, what is written, and what it means that something was there already.

use std::collections::HashSet;

use annals_core::{
    Commit, Committed, Error, ErrorKind, ExpectedRevision, RecordedEvent, Result, StreamId, Text, event_id,
};
use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::options::FindOptions;

use crate::MongoStore;
use crate::envelope::{self, MAX_DOCUMENT, Written, fits};
use crate::read::in_stream;

/// How often a commit is tried anew because others were faster.
const MAX_TRIES: usize = 1000;

/// What a document in the transactions collection needs beside its events.
const OVERHEAD: usize = 300 << 10;

/// What became of an attempt to write.
pub(crate) enum Put {
    Written(Vec<RecordedEvent>),
    /// An id or a revision is taken.
    Taken,
}

/// Where the next attempt goes.
pub(crate) struct Attempt<'a> {
    pub(crate) commit: &'a Commit,
    pub(crate) first: u64,
    /// Whether events with these ids are there that are not this commit's.
    pub(crate) has_namesakes: bool,
}

/// What is there under the ids of a commit.
struct Earlier {
    /// Events of this commit.
    own: Vec<RecordedEvent>,
    /// Whether there are others.
    others: bool,
}

impl MongoStore {
    pub(crate) async fn write(&self, commit: Commit) -> Result<Committed> {
        in_range(&commit)?;
        let says_where = commit.expected != ExpectedRevision::Any;
        let mut known = if says_where && !self.guarded { self.heads.of(&commit.stream) } else { None };
        let mut has_namesakes = false;
        for _ in 0..MAX_TRIES {
            let was_known = known.is_some();
            let last = match known.take() {
                Some(last) => last,
                None => self.last_revision(&commit.stream).await?,
            };
            let first = match commit.expected.first_revision(&commit.stream, last) {
                // What is known may be old, and a gap is made only where there is none yet.
                Err(_) if was_known => continue,
                Ok(first) if was_known && first > last.map_or(0, |last| last + 1) => continue,
                Ok(first) => first,
                Err(conflict) => return self.answer(&commit, conflict).await,
            };
            fits("revision", first.saturating_add(commit.events.len() as u64))?;
            if has_namesakes && !matches!(commit.expected, ExpectedRevision::FreeFrom(_)) {
                // The stream's end is known now: a commit that came in between takes the next revision.
                if let Some(committed) = self.repeated(&commit, true).await? {
                    return Ok(committed);
                }
            }
            match self.put(Attempt { commit: &commit, first, has_namesakes }).await? {
                Put::Written(events) => {
                    self.heads.saw(&commit.stream, events.last().map(|event| event.stream_revision));
                    return Ok(Committed { events, repeated: false });
                }
                Put::Taken => {
                    self.heads.forget(&commit.stream);
                    has_namesakes |= match commit.expected {
                        // Whether the revisions are free is asked first.
                        ExpectedRevision::FreeFrom(first) => {
                            let last = self.last_revision(&commit.stream).await?;
                            last.is_none_or(|last| last < first) && self.earlier(&commit, false).await?.is_there()
                        }
                        _ => match self.repeated(&commit, has_namesakes).await? {
                            Some(committed) => return Ok(committed),
                            None => self.earlier(&commit, false).await?.others,
                        },
                    };
                }
            }
        }
        let message = format!("commit to {} gave up: others were faster again and again. Try again.", commit.stream);
        Err(Error::new(ErrorKind::Timeout, message))
    }

    /// The answer to a commit that is not where it is expected: it may be a repeated one.
    async fn answer(&self, commit: &Commit, conflict: Error) -> Result<Committed> {
        match self.repeated(commit, true).await? {
            Some(committed) => Ok(committed),
            None => Err(conflict),
        }
    }

    /// The first result of a commit, if it is there. Fails where its id is another's.
    async fn repeated(&self, commit: &Commit, in_stream: bool) -> Result<Option<Committed>> {
        let mut own = self.earlier(commit, in_stream).await?.own;
        let is_cut = |own: &[RecordedEvent]| own.last().is_some_and(|last| last.rest_in_commit_stream > 0);
        if is_cut(&own) {
            self.settle_commits(&[(commit.stream.clone(), commit.id.clone())]).await?;
            own = self.earlier(commit, in_stream).await?.own;
        }
        if own.is_empty() {
            return Ok(None);
        }
        // The same id may have been used twice where revisions were free.
        let groups = own.chunk_by(|a, b| a.commit_sequence < b.commit_sequence);
        let as_stored = as_stored(commit)?;
        match groups.into_iter().find(|group| as_stored.is_recorded_as(group)) {
            Some(group) => Ok(Some(Committed { events: group.to_vec(), repeated: true })),
            None => Err(commit.id_reused()),
        }
    }

    /// What is there under the ids of a commit; also under other keys of its stream, if something else has the ids.
    async fn earlier(&self, commit: &Commit, in_stream_too: bool) -> Result<Earlier> {
        let mut ids: HashSet<Text> = (0..=commit.events.len()).map(|n| event_id(&commit.id, narrow(n))).collect();
        let given = commit.events.iter().filter_map(|event| event.given.as_ref()?.id.clone());
        ids.extend(given);
        let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
        let mut found = self.find(doc! { "_id": { "$in": ids } }).await?;
        let is_own = |event: &RecordedEvent| event.stream == commit.stream && event.commit_id == commit.id;
        let others = found.iter().any(|event| !is_own(event));
        found.retain(is_own);
        if in_stream_too && others {
            let mut filter = in_stream(&commit.stream);
            filter.insert("commitId", &*commit.id);
            found = self.find(filter).await?;
        }
        found.sort_by_key(|event| event.stream_revision);
        Ok(Earlier { own: found, others })
    }

    async fn find(&self, filter: Document) -> Result<Vec<RecordedEvent>> {
        let found = self
            .connection
            .call(|link| {
                let filter = filter.clone();
                async move { link.events.find(filter).await?.try_collect::<Vec<_>>().await }
            })
            .await?;
        found.iter().map(|document| envelope::event(document)).collect()
    }

    /// A stream's last revision; a commit that is there only in part is completed first.
    pub(crate) async fn last_revision(&self, stream: &StreamId) -> Result<Option<u64>> {
        let mut settled = None;
        loop {
            let options = FindOptions::builder().sort(doc! { "streamRevision": -1 }).limit(1).batch_size(2);
            let options = options.projection(doc! { "payload": 0 }).build();
            let found = self
                .connection
                .call(|link| {
                    let options = options.clone();
                    async move { link.events.find(in_stream(stream)).with_options(options).await?.try_next().await }
                })
                .await?;
            let Some(last) = found.map(|document| envelope::event(&document)).transpose()? else { return Ok(None) };
            if last.rest_in_commit_stream == 0 || settled.as_ref() == Some(&last.commit_id) {
                return Ok(Some(last.stream_revision));
            }
            self.settle_commits(&[(stream.clone(), last.commit_id.clone())]).await?;
            settled = Some(last.commit_id);
        }
    }

    async fn put(&self, attempt: Attempt<'_>) -> Result<Put> {
        let given = |event: &annals_core::NewEvent| event.given.as_ref().and_then(|given| given.position);
        if self.positions.is_some() {
            match attempt.commit.events.iter().map(given).collect::<Option<Vec<_>>>() {
                Some(given) => self.raise_position(given.into_iter().max().unwrap_or(0)).await?,
                None => return self.put_at_next_positions(attempt).await,
            }
        }
        let written = self.documents(&attempt, None)?;
        self.announce_namesakes(&attempt, &written).await?;
        let is_written = match &*written {
            [one] => self.inserter.insert(one.document.clone()).await?,
            many if self.connection.has_transactions => self.put_in_transaction(many).await?,
            _ => return self.put_with_record(&attempt, written).await,
        };
        Ok(if is_written { Put::Written(written.into_iter().map(|w| w.event).collect()) } else { Put::Taken })
    }

    /// The documents of an attempt. Fails where they are too large, or one has another's id.
    pub(crate) fn documents(&self, attempt: &Attempt<'_>, first_position: Option<u64>) -> Result<Vec<Written>> {
        let commit = attempt.commit;
        let events = commit.clone().record(attempt.first, first_position)?;
        if commit.events.iter().any(|event| event.given.is_some()) {
            let mut ids = HashSet::new();
            if let Some(twice) = events.iter().find(|event| !ids.insert(&event.id)) {
                return Err(Error::invalid(format!(
                    "the event id {} stands twice in a commit to {}. Nothing was written.",
                    twice.id, twice.stream
                )));
            }
        }
        let mut bytes = 0;
        let mut documents = Vec::with_capacity(events.len());
        for event in events {
            let key = if attempt.has_namesakes { key_of_namesake(&event).into() } else { event.id.clone() };
            let written = envelope::written(event, &key, self.guarded)?;
            bytes += written.document.as_bytes().len();
            documents.push(written);
        }
        if bytes > MAX_DOCUMENT - OVERHEAD {
            let message = format!(
                "commit to {} refused: it has {bytes} bytes in MongoDB, which takes {} in one commit. Nothing was written.",
                commit.stream,
                MAX_DOCUMENT - OVERHEAD
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(documents)
    }

    /// All events or none, by a transaction of the database.
    async fn put_in_transaction(&self, written: &[Written]) -> Result<bool> {
        self.connection
            .call(|link| async move {
                let documents = written.iter().map(|written| &written.document);
                let mut session = link.client.start_session().await?;
                session.start_transaction().await?;
                match link.events.insert_many(documents).session(&mut session).await {
                    Ok(_) => {}
                    Err(error) => {
                        // A transaction that can't be ended here is ended by the server.
                        let _ = session.abort_transaction().await;
                        return if crate::error::is_duplicate(&error) { Ok(false) } else { Err(error) };
                    }
                }
                let mut outcome = session.commit_transaction().await;
                for _ in 0..3 {
                    match &outcome {
                        Err(error) if error.contains_label("UnknownTransactionCommitResult") => {
                            outcome = session.commit_transaction().await;
                        }
                        _ => break,
                    }
                }
                outcome.map(|()| true)
            })
            .await
    }
}

impl Earlier {
    fn is_there(&self) -> bool {
        self.others || !self.own.is_empty()
    }
}

/// The commit with its payloads as they are read.
fn as_stored(commit: &Commit) -> Result<Commit> {
    let mut commit = commit.clone();
    for event in &mut commit.events {
        if let Some(changed) = crate::payload::stored(&event.payload)?.changed {
            event.payload = changed;
        }
    }
    Ok(commit)
}

/// The `_id` of an event whose id is another's `_id` already.
fn key_of_namesake(event: &RecordedEvent) -> String {
    let StreamId { context, aggregate, aggregate_id } = &event.stream;
    let part = |part: &Option<Text>| part.as_deref().unwrap_or_default().to_owned();
    let (context, aggregate) = (part(context), part(aggregate));
    format!("{}\0{context}\0{aggregate}\0{aggregate_id}\0{}", event.id, event.stream_revision)
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn in_range(commit: &Commit) -> Result<()> {
    if let ExpectedRevision::FreeFrom(first) = commit.expected {
        fits("revision", first.saturating_add(commit.events.len() as u64))?;
    }
    let given = commit.events.iter().filter_map(|event| event.given.as_ref()?.position);
    given.into_iter().try_for_each(|position| fits("position", position))
}
