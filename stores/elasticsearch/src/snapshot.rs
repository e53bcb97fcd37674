//! Snapshots: one document each.

use annals_core::{Error, ErrorKind, Payload, Result, Snapshot, SnapshotQuery, StreamId, Text};
use serde_json::{Value, json};

use crate::ElasticStore;
use crate::document::{self, Form, MAX_NUMBER, check_number, check_stamp, snapshot_document};
use crate::error::Refusal;
use crate::layout::{Condition, Kind, key};
use crate::search::{in_scope, in_stream};
use crate::transport::{Body, Method, Request};

/// The most bytes of a snapshot.
const MAX_BYTES: usize = 32 << 20;

impl ElasticStore {
    pub(crate) async fn put_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        self.client.check()?;
        named(Some(&snapshot.stream.aggregate_id))?;
        check_stamp(snapshot.commit_stamp)?;
        snapshot.revision.map_or(Ok(()), |revision| check_number("revision", revision))?;
        let bytes = snapshot.data.json().len();
        if bytes > MAX_BYTES {
            let message =
                format!("the snapshot of {} has {bytes} bytes, the search store takes {MAX_BYTES}.", snapshot.stream);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let action = self.layout.action(Kind::Snapshot, &key(&snapshot.id), Condition::Any);
        let form = Form::of(&snapshot.data);
        let written = format!("{action}\n{}\n", snapshot_document(snapshot, form)?);
        match self.write_visibly(written).await?.pop() {
            Some(Err(refusal)) if refusal.is_of_content() && form == Form::Value => {
                let as_text = format!("{action}\n{}\n", snapshot_document(snapshot, Form::Text)?);
                self.write_visibly(as_text).await?.into_iter().collect::<std::result::Result<Vec<()>, _>>()
            }
            Some(Err(refusal)) => Err(refusal),
            _ => Ok(Vec::new()),
        }
        .map(drop)
        .map_err(Refusal::into_error)
    }

    pub(crate) async fn newest_snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        self.client.check()?;
        named(query.scope.aggregate_id())?;
        let mut filters = in_scope(&self.layout, &query.scope);
        if let Some(most) = query.max_revision {
            filters.push(json!({ "range": { "revision": { "lte": most.min(MAX_NUMBER) } } }));
        }
        let (mut newest, mut behind): (Option<Snapshot>, Option<Value>) = (None, None);
        loop {
            let found = self.snapshots(&filters, 20, behind.as_ref()).await?;
            let is_last = found.len() < 20;
            for (snapshot, place) in found {
                // Versions are of any kind: what is equal in revision is compared here.
                match &newest {
                    Some(known) if known.revision != snapshot.revision => return Ok(newest),
                    Some(known) if snapshot.cmp_age(known).is_le() => {}
                    _ => newest = Some(snapshot),
                }
                behind = Some(place);
            }
            if is_last {
                return Ok(newest);
            }
        }
    }

    pub(crate) async fn delete_old_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        self.client.check()?;
        named(Some(&stream.aggregate_id))?;
        let filters = in_stream(&self.layout, stream);
        // Their data are not needed.
        let nothing = Payload::from_json("null")?;
        let (mut all, mut behind) = (Vec::new(), None);
        loop {
            let found = self.snapshots(&filters, 100, behind.as_ref()).await?;
            let is_last = found.len() < 100;
            behind = found.last().map(|(_, place)| place.clone());
            all.extend(found.into_iter().map(|(snapshot, _)| Snapshot { data: nothing.clone(), ..snapshot }));
            if is_last {
                break;
            }
        }
        all.sort_by(|a, b| b.cmp_age(a));
        let lines: Vec<String> = all
            .iter()
            .skip(keep)
            .map(|old| self.layout.action(Kind::Snapshot, &key(&old.id), Condition::Gone) + "\n")
            .collect();
        let mut deleted = 0;
        for lines in lines.chunks(1000) {
            for outcome in self.write_visibly(lines.concat()).await? {
                match outcome {
                    Ok(()) => deleted += 1,
                    Err(refusal) if refusal.status == 404 => {}
                    Err(refusal) => return Err(refusal.into_error()),
                }
            }
        }
        Ok(deleted)
    }

    /// Snapshots in order of revision, the highest first, each with its place.
    async fn snapshots(
        &self,
        filters: &[Value],
        size: usize,
        behind: Option<&Value>,
    ) -> Result<Vec<(Snapshot, Value)>> {
        let mut body = json!({
            "size": size,
            "query": { "bool": { "filter": filters } },
            "sort": [
                { "revision": { "order": "desc", "unmapped_type": "long", "missing": -1 } },
                { "commitStamp": { "order": "desc", "unmapped_type": "date" } },
                { self.layout.exact("id"): { "order": "desc", "unmapped_type": "keyword" } },
            ],
        });
        if let Some(behind) = behind {
            body["search_after"] = behind.clone();
        }
        let answer = self.search(Kind::Snapshot, body).await?;
        let hits = answer.hits()?.into_iter();
        let found = hits.filter_map(|hit| Some((document::snapshot(hit.source?), Value::from(hit.sort))));
        found.map(|(snapshot, place)| Ok((snapshot?, place))).collect()
    }

    /// Writes that searches find once they are acknowledged.
    async fn write_visibly(&self, lines: String) -> Result<Vec<std::result::Result<(), Refusal>>> {
        let query = vec![("refresh".to_owned(), "true".to_owned())];
        let request = Request { method: Method::Post, path: "/_bulk".into(), query, body: Some(Body::Lines(lines)) };
        let outcomes = crate::bulk::outcomes(self.client.ask(request).await?.map_err(Refusal::into_error)?)?;
        Ok(outcomes.into_iter().map(|outcome| outcome.map(drop)).collect())
    }
}

fn named(aggregate_id: Option<&Text>) -> Result<()> {
    match aggregate_id {
        Some(id) if !id.is_empty() => Ok(()),
        _ => Err(Error::invalid("aggregateId not defined! A snapshot belongs to an aggregate id.")),
    }
}
