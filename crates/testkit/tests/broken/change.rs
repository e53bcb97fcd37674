//! Ids and payloads that are not kept as they were.

use annals_core::{Payload, StreamId, Text};

pub(crate) fn folded(id: &StreamId) -> StreamId {
    let lower = |text: &Text| Text::from(text.to_lowercase());
    StreamId {
        context: id.context.as_ref().map(lower),
        aggregate: id.aggregate.as_ref().map(lower),
        aggregate_id: lower(&id.aggregate_id),
    }
}

pub(crate) fn joined(id: &StreamId) -> StreamId {
    let parts = [id.context.as_deref(), id.aggregate.as_deref(), Some(&*id.aggregate_id)];
    StreamId::new(parts.into_iter().flatten().collect::<Vec<_>>().join(":"))
}

pub(crate) fn without_context(id: &StreamId) -> StreamId {
    StreamId { context: None, ..id.clone() }
}

pub(crate) fn trimmed(id: &Text) -> Text {
    let trimmed = id.trim();
    if trimmed.is_empty() { id.clone() } else { trimmed.into() }
}

pub(crate) fn rounded(payload: &Payload) -> Payload {
    Payload::from_json(payload.json().replace("9007199254740991", "9007199254740992")).unwrap()
}

pub(crate) fn cut(payload: &Payload) -> Payload {
    if payload.json().len() < 65_536 { payload.clone() } else { Payload::from_json("{}").unwrap() }
}

pub(crate) fn cut_where_deep(payload: &Payload) -> Payload {
    let depth = payload.json().chars().filter(|c| matches!(c, '[' | '{')).count();
    if depth < 32 { payload.clone() } else { Payload::from_json("{}").unwrap() }
}

pub(crate) fn parsed(payload: &Payload) -> Payload {
    let value = payload.parse::<serde_json::Value>();
    value.map_or_else(|_| payload.clone(), |value| Payload::from_value(&value).unwrap())
}
