//! Guards: an item for each commit, by which its id is known again, and which says whether a large one is there in whole.
//!
//! `{"id": "order-1", "key": "commit:…", "commitId": "…", "first": 5, "size": 2}`, and while the parts of a large commit are
//! being written `"pending": "<digest>", "chunks": 3`.

use annals_core::{Commit, Committed, RecordedEvent, Result, StreamId};

use crate::DynamoStore;
use crate::client::Link;
use crate::error::damaged;
use crate::item::{Item, get_number, number, take_text, text};
use crate::layout::{StreamKey, own};

/// What a guard says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guard {
    /// The revision of the commit's first event.
    pub(crate) first: u64,
    /// How many events it has.
    pub(crate) size: u64,
    /// What is still to be written.
    pub(crate) pending: Option<Pending>,
}

/// Events that are decided on, and stand in our table until they are in the events' table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// What their items there begin with.
    pub(crate) digest: String,
    /// In how many items they are.
    pub(crate) chunks: usize,
}

pub(crate) fn key(stream: &StreamId, commit_id: &str) -> Item {
    Item::from([("id".into(), text(&*stream.aggregate_id)), ("key".into(), text(own::guard(stream, commit_id)))])
}

impl Guard {
    pub(crate) fn item(&self, stream: &StreamId, commit_id: &str) -> Item {
        let mut item = key(stream, commit_id);
        item.insert("commitId".into(), text(commit_id));
        item.insert("first".into(), number(self.first));
        item.insert("size".into(), number(self.size));
        if let Some(Pending { digest, chunks }) = &self.pending {
            item.insert("pending".into(), text(digest));
            item.insert("chunks".into(), number(chunks));
        }
        item
    }

    fn of(mut item: Item) -> Result<Self> {
        let broken = || damaged("the guard of a commit can't be read.");
        let whole = |name: &str| get_number(&item, name).ok_or_else(broken);
        let (first, size) = (whole("first")?, whole("size")?);
        let chunks = get_number(&item, "chunks").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let pending = take_text(&mut item, "pending").map(|digest| Pending { digest, chunks });
        Ok(Self { first, size, pending })
    }
}

impl DynamoStore {
    /// The guard of a commit, where there is one.
    pub(crate) async fn guard(&self, link: &Link, stream: &StreamId, commit_id: &str) -> Result<Option<Guard>> {
        let key = key(stream, commit_id);
        let found = link
            .ask(|sdk| {
                let get = sdk.get_item().table_name(&self.tables.own).set_key(Some(key.clone()));
                get.consistent_read(true).send()
            })
            .await?;
        found.item.map(Guard::of).transpose()
    }

    /// The first result of a commit that was made before; `None`: it wasn't. Fails with `InvalidArgument` where its id
    /// belongs to other events.
    pub(crate) async fn repeated(&self, link: &Link, key: &StreamKey, commit: &Commit) -> Result<Option<Committed>> {
        let Some(guard) = self.guard(link, &key.stream, &commit.id).await? else { return Ok(None) };
        if guard.pending.is_some() {
            self.finish_found(link, key, &commit.id, &guard).await?;
        }
        if guard.size != commit.events.len() as u64 {
            return Err(commit.id_reused());
        }
        let events: Vec<RecordedEvent> = self.commit_events(link, key, &commit.id, guard.first, guard.size).await?;
        match commit.is_recorded_as(&events) {
            true => Ok(Some(Committed { events, repeated: true })),
            false => Err(commit.id_reused()),
        }
    }
}
