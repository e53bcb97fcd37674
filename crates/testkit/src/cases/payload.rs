//! Payloads come back as the JSON they were.

use annals_core::{Commit, ErrorKind, NewEvent, Payload, Read, Snapshot, SnapshotQuery};

use crate::case::theme;
use crate::support::{Any, all, at, open, stream};

theme!("payload":
    [] {
        payloads_come_back_as_they_were,
        a_mebibyte_comes_back,
        a_deep_payload_comes_back,
        many_large_payloads_are_paged,
    },
    [PayloadText] {
        the_text_of_payloads_is_kept,
    },
    [PayloadLimit] {
        payloads_beyond_the_limit_are_refused,
    },
);

fn of(json: impl Into<String>) -> Payload {
    Payload::from_json(json).expect("JSON")
}

async fn payloads_come_back_as_they_were(subject: Any) {
    let store = open(&subject).await;
    let payloads = [
        "{}",
        r#"{"a":null,"b":true,"c":[1,[2,[]]],"d":{"e":{}}}"#,
        r#"{"z":1,"a":2,"":3}"#,
        r#"{"text":"\u0000 \u2028 é 😀 \" \\ \/ \n"}"#,
        r#"{"at":{"$date":"2020-02-29T12:00:00.250Z"},"raw":{"$binary":{"base64":"AAH/","subType":"00"}}}"#,
        r#"{"a.b":1,"$x":2,"__proto__":3}"#,
        r#"{"n":[0,-1,0.1,1e-7,9007199254740991,-9007199254740991,1.7976931348623157e308]}"#,
        "[1,2]",
        r#""text""#,
        "17",
        "true",
        "null",
    ];
    let events = payloads.map(|json| NewEvent::new(of(json)));
    store.commit(Commit::new("x", events)).await.expect("committed");
    let read = stream(&*store, "x").await;
    assert_eq!(read.len(), payloads.len());
    for (event, json) in read.iter().zip(payloads) {
        assert_eq!(event.payload, of(json));
    }
}

async fn the_text_of_payloads_is_kept(subject: Any) {
    let store = open(&subject).await;
    let texts = [
        r#"{"z":1,"a":2,"m":{"y":1,"b":2}}"#,
        r#"{"big":12345678901234567890,"bigger":-123456789012345678901234567890,"huge":1e400,"tiny":1E-400}"#,
        r#"{"exact":0.1000,"zero":-0.0,"digits":3.14159265358979323846264338327950288}"#,
        r#"{ "spaces" : [ 1 , 2 ] }"#,
        r#"{"twice":1,"twice":2}"#,
        r#"{"escaped":"\u00e9\/\ud83d\ude00","lone":"\ud800"}"#,
    ];
    let deep = format!("{}1{}", "[".repeat(3000), "]".repeat(3000));
    let texts: Vec<String> = texts.map(str::to_owned).into_iter().chain([deep]).collect();
    let made = texts.iter().map(|json| NewEvent::new(of(json.as_str())));
    let made = Commit::new("x", made).with_id("c");
    store.commit(made.clone()).await.expect("committed");
    for (event, text) in stream(&*store, "x").await.iter().zip(&texts) {
        assert_eq!(event.payload.json(), text);
    }
    let data = of(texts[1].as_str());
    let id = annals_core::StreamId::new("x");
    let snapshot =
        Snapshot { id: "s".into(), stream: id.clone(), revision: None, version: None, commit_stamp: at(0), data };
    store.add_snapshot(snapshot).await.expect("stored");
    let query = SnapshotQuery { scope: id.into(), max_revision: None };
    let found = store.snapshot(&query).await.expect("answered").expect("one");
    assert_eq!(found.data.json(), texts[1]);
    assert!(store.commit(made).await.expect("answered").repeated, "the same texts again are the same commit");
}

async fn a_mebibyte_comes_back(subject: Any) {
    let store = open(&subject).await;
    let size = store.capabilities().max_payload_bytes.min(1 << 20) - 16;
    let large = of(format!(r#"{{"a":"{}"}}"#, "x".repeat(size)));
    store.commit(Commit::new("x", [NewEvent::new(large.clone())])).await.expect("committed");
    assert_eq!(stream(&*store, "x").await[0].payload, large);
}

async fn a_deep_payload_comes_back(subject: Any) {
    let store = open(&subject).await;
    let deep = of(format!("{}1{}", r#"{"a":["#.repeat(40), "]}".repeat(40)));
    store.commit(Commit::new("x", [NewEvent::new(deep.clone())])).await.expect("committed");
    assert_eq!(stream(&*store, "x").await[0].payload, deep);
}

async fn many_large_payloads_are_paged(subject: Any) {
    let store = open(&subject).await;
    let size = store.capabilities().max_payload_bytes.min(100_000) - 16;
    for _ in 0..60 {
        let large = of(format!(r#"{{"a":"{}"}}"#, "y".repeat(size)));
        store.commit(Commit::new("x", [NewEvent::new(large)])).await.expect("committed");
    }
    assert_eq!(stream(&*store, "x").await.len(), 60);
    assert_eq!(all(&*store, Read::all()).await.len(), 60);
}

async fn payloads_beyond_the_limit_are_refused(subject: Any) {
    let store = open(&subject).await;
    let most = store.capabilities().max_payload_bytes;
    let fits = of(format!(r#""{}""#, "x".repeat(most - 2)));
    store.commit(Commit::new("x", [NewEvent::new(fits)])).await.expect("as large as may be");
    let large = of(format!(r#""{}""#, "x".repeat(most - 1)));
    let error = store.commit(Commit::new("x", [NewEvent::new(large)])).await.expect_err("too large");
    assert_eq!(error.kind(), &ErrorKind::TooLarge, "{error}");
    assert_eq!(all(&*store, Read::all()).await.len(), 1);
}
