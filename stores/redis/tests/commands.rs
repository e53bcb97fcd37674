//! What each call asks of the server, seen by `MONITOR`: one script, whatever else is there, and no look at the keys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use annals_core::{Commit, ExpectedRevision, Order, Read, SnapshotQuery, Store, StreamId};
use annals_redis::{RedisConfig, RedisStore};
use annals_test_servers::RedisServer;
use common::{append, at, commit, events, filter, open, order, snapshot};

/// A connection on which the server tells every command that it runs.
struct Monitor<'a> {
    server: &'a RedisServer,
    lines: std::io::Lines<BufReader<TcpStream>>,
}

/// The commands that one call became.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Those that came over the connection.
    sent: Vec<String>,
    /// How many the scripts called.
    called: usize,
}

impl<'a> Monitor<'a> {
    fn start(server: &'a RedisServer) -> Self {
        let mut connection = TcpStream::connect(server.address()).unwrap();
        connection.write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(connection).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "+OK");
        Self { server, lines }
    }

    async fn of<T>(&mut self, call: impl Future<Output = T>) -> (T, Seen) {
        let answer = call.await;
        self.server.ask(&["ECHO", "the-end"]).await.unwrap();
        let mut seen = Seen { sent: Vec::new(), called: 0 };
        for line in self.lines.by_ref() {
            // +1700000000.123456 [0 127.0.0.1:40000] "EVALSHA" "…" or, from a script, [0 lua] "GET" "…"
            let line = line.unwrap().to_lowercase();
            let command = line.split('"').nth(1).unwrap_or_default();
            if line.contains("\"the-end\"") {
                break;
            } else if line.contains(" lua] ") {
                seen.called += 1;
                assert!(!matches!(command, "scan" | "keys" | "sort"), "{line}");
            } else {
                seen.sent.push(command.to_owned());
            }
        }
        (answer, seen)
    }
}

/// The reads whose cost is looked at, each a page.
fn reads() -> Vec<(&'static str, Read)> {
    let sales = || Read::scope(filter(Some("sales"), None, None)).limit(100);
    vec![
        ("a stream", Read::stream(order())),
        ("a stream by time", Read::stream(order()).order(Order::Time)),
        ("a part of a stream", Read::stream(order()).revisions(40, Some(60))),
        ("a stream's last event", Read::stream(order()).backward().limit(1)),
        ("an aggregate id", Read::scope(filter(None, None, Some("order-1")))),
        ("a stream that is not there", Read::stream("nobody")),
        ("everything", Read::all().limit(100)),
        ("everything, the newest first", Read::all().backward().limit(100)),
        ("everything, some left out", Read::all().skip(50).limit(100)),
        ("everything since", Read::all().since(at(500)).limit(100)),
        ("a context", sales()),
        ("a context since", sales().since(at(500))),
        ("an aggregate", Read::scope(filter(None, Some("order"), None)).limit(100)),
        ("undispatched", Read::undispatched().limit(100)),
        ("by position", Read::all().after_position(0).limit(100)),
        ("by position, later", Read::all().after_position(700).limit(100)),
    ]
}

/// Every call on its own; what it asked of the server.
async fn measure(monitor: &mut Monitor<'_>, store: &RedisStore, round: &str) -> BTreeMap<&'static str, Seen> {
    let mut seen = BTreeMap::new();
    for (name, read) in reads() {
        let (page, asked) = monitor.of(store.read(&read)).await;
        let page = page.unwrap();
        assert_eq!(page.events.is_empty(), name == "a stream that is not there", "{name}");
        seen.insert(name, asked);
        if name == "everything" {
            let next = read.behind(page.next.expect("another page"));
            let (page, asked) = monitor.of(store.read(&next)).await;
            assert_eq!(page.unwrap().events.len(), 100);
            seen.insert("everything, the next page", asked);
        }
    }
    let mut keep = |name, asked| drop(seen.insert(name, asked));
    // Ids are taken a hundred at a time.
    monitor.of(store.new_id()).await.0.unwrap();
    keep("an id", monitor.of(store.new_id()).await.1);

    let stream = format!("stream-{round}");
    let (first, asked) = monitor.of(append(store, &*stream, "first", 1)).await;
    keep("a commit of a new stream", asked);
    keep("a commit", monitor.of(append(store, &*stream, "second", 1)).await.1);
    keep("a commit of 100 events", monitor.of(append(store, &*stream, "third", 100)).await.1);
    let (again, asked) = monitor.of(append(store, &*stream, "first", 1)).await;
    assert!(again.repeated);
    keep("a repeated commit", asked);
    let refused = store.commit(commit(&*stream, "late", 1).expect(ExpectedRevision::NoStream));
    let (refused, asked) = monitor.of(refused).await;
    assert!(refused.unwrap_err().is_conflict());
    keep("a refused commit", asked);

    let ids: Vec<_> = first.events.iter().map(|e| e.id.clone()).collect();
    keep("a mark", monitor.of(store.mark_dispatched(&ids)).await.1);
    for n in 0..3 {
        keep("a snapshot added", monitor.of(store.add_snapshot(snapshot(&format!("{round}-{n}"), n))).await.1);
    }
    let query = SnapshotQuery { scope: order().into(), ..SnapshotQuery::default() };
    let (found, asked) = monitor.of(store.snapshot(&query)).await;
    assert_eq!(found.unwrap().and_then(|s| s.revision), Some(2));
    keep("a snapshot", asked);
    let (cleaned, asked) = monitor.of(store.clean_snapshots(&order(), 1)).await;
    assert_eq!(cleaned.unwrap(), 2);
    keep("snapshots cleaned", asked);
    monitor.of(store.clean_snapshots(&order(), 0)).await.0.unwrap();
    keep("health", monitor.of(store.health()).await.1);
    seen
}

/// Fills up to so many events, in streams of several kinds.
async fn fill(store: &RedisStore, from: usize, to: usize, at_once: usize) {
    let kinds = [("sales", "order"), ("sales", "invoice"), ("stock", "item"), ("", "")];
    for n in (from..to).step_by(at_once) {
        let (context, aggregate) = kinds[n / at_once % kinds.len()];
        let stream = StreamId::new(format!("filler-{n}")).context(context).aggregate(aggregate);
        let filler = Commit::new(stream, events(at_once)).with_stamp(at(n as i64));
        store.commit(filler).await.unwrap();
    }
}

#[tokio::test]
async fn every_call_is_one_script_however_much_is_held() {
    let server = RedisServer::start().await;
    let config: RedisConfig = server.url().parse().unwrap();
    let store = open(&config.positions(true)).await;
    append(&store, order(), "order", 100).await;
    fill(&store, 100, 1_000, 100).await;
    let mut monitor = Monitor::start(&server);
    // The server gets each script the first time it is called.
    measure(&mut monitor, &store, "warm").await;
    let few = measure(&mut monitor, &store, "few").await;
    drop(monitor);
    fill(&store, 1_000, 201_000, 5_000).await;
    let many = measure(&mut Monitor::start(&server), &store, "many").await;
    for (name, seen) in &many {
        let sent: &[&str] = match *name {
            "an id" => &[],
            "health" => &["ping"],
            _ => &["evalsha"],
        };
        assert_eq!(seen.sent, sent, "{name}, 201,000 events held");
        assert_eq!(few[name].sent, sent, "{name}, 1,000 events held");
        // Where a page goes on is looked for in halves, in each kind of streams.
        let halves = if name.ends_with("next page") || name.starts_with("by position") { 50 } else { 0 };
        assert!(
            seen.called <= few[name].called + halves,
            "{name}: {} commands in the script with 201,000 events held, {} with 1,000",
            seen.called,
            few[name].called
        );
    }
}

#[tokio::test]
async fn scripts_that_were_flushed_come_back() {
    let server = RedisServer::start().await;
    let store = open(&server.url().parse().unwrap()).await;
    let mut monitor = Monitor::start(&server);
    append(&store, order(), "first", 2).await;
    for n in 0..3 {
        server.ask(&["SCRIPT", "FLUSH"]).await.unwrap();
        monitor.of(async {}).await;
        let (_, seen) = monitor.of(append(&store, order(), &format!("commit-{n}"), 2)).await;
        assert_eq!(seen.sent, ["evalsha", "eval"]);
        let (_, seen) = monitor.of(append(&store, order(), &format!("again-{n}"), 2)).await;
        assert_eq!(seen.sent, ["evalsha"]);
        assert_eq!(common::all(&store, Read::stream(order())).await.len(), 6 + 4 * n);
    }
}
