//! Events in npm eventstore's words. Dates are told from text: `{"$date": …}`.

use annals_core::{RecordedEvent, StreamId};
use serde_json::{Value, json};

/// A stream, as it asks for it.
pub fn query(stream: &StreamId) -> Value {
    let mut query = json!({ "aggregateId": stream.aggregate_id });
    for (name, part) in [("aggregate", &stream.aggregate), ("context", &stream.context)] {
        if let Some(part) = part {
            query[name] = json!(part);
        }
    }
    query
}

/// An event of ours in its words.
pub fn ours(event: &RecordedEvent) -> Value {
    let mut json = query(&event.stream);
    json["streamId"] = json!(event.stream.aggregate_id);
    json["streamRevision"] = json!(event.stream_revision);
    json["commitId"] = json!(event.commit_id);
    json["commitSequence"] = json!(event.commit_sequence);
    json["restInCommitStream"] = json!(event.rest_in_commit_stream);
    json["commitStamp"] = json!({ "$date": event.commit_stamp.to_string() });
    json["id"] = json!(event.id);
    json["payload"] = serde_json::from_str(event.payload.json()).unwrap();
    if let Some(position) = event.position {
        json["position"] = json!(position);
    }
    json
}

/// An event of its: without what says nothing or is its own.
pub fn theirs(event: &Value) -> Value {
    let mut event = event.clone();
    let fields = event.as_object_mut().expect("an event");
    for name in ["_id", "dispatched"] {
        fields.remove(name);
    }
    fields.retain(|name, value| !value.is_null() || name == "payload");
    // What its first versions wrote has nothing but a stream's id.
    if let Some(stream) = fields.get("streamId").cloned() {
        fields.entry("aggregateId").or_insert(stream);
    }
    event
}

/// Its events with the dates in payloads as text, which is what they are in ours where a store keeps JSON.
pub fn text_dates(events: &Value) -> Value {
    let mut events = events.clone();
    for event in events.as_array_mut().expect("events") {
        event["payload"] = text(&event["payload"]);
    }
    events
}

fn text(value: &Value) -> Value {
    match value {
        Value::Object(fields) if fields.contains_key("$date") => fields["$date"].clone(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        Value::Array(values) => values.iter().map(text).collect(),
        other => other.clone(),
    }
}

/// Fails unless both see the same events, however each orders them. Fields that one of them does not have are left out.
pub fn assert_same(of_ours: &[RecordedEvent], of_theirs: &Value, without: &[&str]) {
    let sorted = |mut events: Vec<Value>| {
        for event in &mut events {
            event.as_object_mut().expect("an event").retain(|name, _| !without.contains(&name.as_str()));
        }
        events.sort_by_cached_key(|event| (event["id"].to_string(), event.to_string()));
        events
    };
    let of_ours = sorted(of_ours.iter().map(ours).collect());
    let of_theirs = sorted(of_theirs.as_array().expect("events").iter().map(theirs).collect());
    assert_eq!(of_ours.len(), of_theirs.len());
    for (ours, theirs) in of_ours.iter().zip(&of_theirs) {
        assert_eq!(ours, theirs);
    }
}
