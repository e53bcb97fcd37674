//! Connections that are cut, stalled and refused: nothing acknowledged is lost, nothing is doubled, nothing is there by half.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use annals_core::{ErrorKind, ExpectedRevision, Read, SnapshotQuery, Store};
use annals_mongodb::{MongoConfig, MongoStore};
use annals_test_servers::{Direction, MongoServer, Proxy};
use common::{all, append, assert_whole, assert_written, commit, open, order, snapshot, soon, write_at_once};

/// A server, and a store that reaches it through a proxy.
async fn behind_proxy() -> (MongoServer, Proxy, MongoConfig) {
    let server = MongoServer::start().await;
    let proxy = Proxy::start(server.address());
    let config = format!("{}/eventstore", server.url_through(&proxy)).parse().unwrap();
    (server, proxy, config)
}

async fn beside_proxy(server: &MongoServer) -> MongoStore {
    open(&format!("{}/eventstore", server.url()).parse().unwrap()).await
}

/// Commits so many events again and again, and cuts the connections after more and more bytes of it.
async fn cut_anywhere(positions: bool, size: usize) {
    let (server, proxy, mut config) = behind_proxy().await;
    config.positions_name = positions.then(|| "positions".into());
    let (store, direct) = (open(&config).await, beside_proxy(&server).await);
    append(&store, order(), "warm", size).await;
    let measured = commit(order(), "measured", size).expect(ExpectedRevision::Exact(size as u64 - 1));
    let [request, answer] = proxy.passed_while(async { store.commit(measured).await.unwrap() }).await;
    let (mut commits, mut repeated) = (2, 0);
    for (direction, bytes) in [(Direction::FromClient, request), (Direction::FromServer, answer)] {
        for part in 0..6 {
            let id = format!("{direction:?}-{part}");
            // The store knows where the stream ends: a commit is nothing but what is written.
            let made = commit(order(), &id, size).expect(ExpectedRevision::Exact((commits * size) as u64 - 1));
            proxy.cut_after(direction, bytes * part / 6);
            let first = loop {
                match soon(store.commit(made.clone())).await {
                    Ok(first) => break first,
                    Err(error) => assert!(error.is_retryable(), "{error:?}"),
                }
            };
            commits += 1;
            repeated += u64::from(first.repeated);
            let again = soon(store.commit(made)).await.unwrap();
            assert!(again.repeated);
            assert_eq!(again.events, first.events);
        }
    }
    assert!(repeated > 0, "an answer was lost");
    let events = all(&direct, Read::stream(order())).await;
    assert_eq!(events.len(), commits * size);
    assert_whole(&events);
    assert_eq!(all(&direct, Read::undispatched()).await.len(), events.len());
    if positions {
        let positions: Vec<_> = events.iter().filter_map(|e| e.position).collect();
        assert_eq!(positions, (1..=events.len() as u64).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_one_event_cut_anywhere_is_there_once() {
    cut_anywhere(false, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_cut_anywhere_is_there_once() {
    cut_anywhere(false, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_positions_cut_anywhere_is_there_once() {
    cut_anywhere(true, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_lose_and_double_nothing_while_connections_are_cut() {
    let (server, proxy, config) = behind_proxy().await;
    let writing = write_at_once(move || MongoStore::open(config.clone()), 6, 20);
    proxy.cut_while(Duration::from_millis(150), writing).await;
    assert_written(&beside_proxy(&server).await, 6, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_call_is_repeated_where_its_answer_is_lost() {
    let (_server, proxy, config) = behind_proxy().await;
    let store = open(&config.positions("positions")).await;
    let written = append(&store, order(), "c", 100).await.events;
    let snapshot = snapshot("s", 10);
    store.add_snapshot(snapshot.clone()).await.unwrap();
    for after in [0, 7, 1000, 5000] {
        proxy.cut_after(Direction::FromServer, after);
        assert_eq!(soon(all(&store, Read::stream(order()))).await, written);
        proxy.cut_after(Direction::FromServer, after);
        assert_eq!(soon(all(&store, Read::all().after_position(0).limit(30))).await, written);
    }
    proxy.cut_after(Direction::FromServer, 0);
    let newest = SnapshotQuery { scope: order().into(), ..SnapshotQuery::default() };
    assert_eq!(soon(store.snapshot(&newest)).await.unwrap(), Some(snapshot.clone()));
    proxy.cut_after(Direction::FromServer, 0);
    soon(store.add_snapshot(snapshot)).await.unwrap();
    proxy.cut_after(Direction::FromServer, 0);
    soon(store.mark_dispatched(&[written[0].id.clone()])).await.unwrap();
    proxy.cut_after(Direction::FromServer, 0);
    assert_eq!(soon(all(&store, Read::undispatched())).await, written[1..]);
    proxy.cut_after(Direction::FromServer, 0);
    soon(store.health()).await.unwrap();
    proxy.cut_after(Direction::FromServer, 0);
    soon(store.clear()).await.unwrap();
    assert!(soon(all(&store, Read::all())).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_server_is_a_timeout_and_later_answers_are_not_mixed_up() {
    let (server, proxy, mut config) = behind_proxy().await;
    config.response_timeout = Duration::from_millis(300);
    let (store, direct) = (open(&config).await, beside_proxy(&server).await);
    for (n, (stalled, size)) in
        [(Direction::FromClient, 3), (Direction::FromServer, 3), (Direction::FromServer, 1)].into_iter().enumerate()
    {
        let (id, stream) = (format!("commit-{n}-"), format!("stream-{n}"));
        append(&store, &*stream, "before", 2).await;
        proxy.stall_one(stalled);
        let late = soon(store.commit(commit(&*stream, &id, size))).await.unwrap_err();
        assert_eq!(*late.kind(), ErrorKind::Timeout, "{late:?}");
        assert!(late.is_retryable() && late.to_string().contains("repeat it with the same id"), "{late}");
        let read = soon(store.read(&Read::stream(&*stream))).await.unwrap_err();
        assert_eq!(*read.kind(), ErrorKind::Timeout, "{read:?}");
        proxy.resume();
        for _ in 0..5 {
            assert!(all(&store, Read::stream("nobody")).await.is_empty());
        }
        let again = soon(store.commit(commit(&*stream, &id, size))).await.unwrap();
        assert_eq!(again.last_revision(), 1 + size as u64);
        let events = all(&direct, Read::stream(&*stream)).await;
        assert_eq!(events.len(), 2 + size);
        assert_whole(&events);
    }
    // The server itself stands still.
    server.stop();
    let late = soon(store.commit(commit("frozen", "frozen", 2))).await.unwrap_err();
    assert_eq!(*late.kind(), ErrorKind::Timeout, "{late:?}");
    server.cont();
    assert_eq!(soon(store.commit(commit("frozen", "frozen", 2))).await.unwrap().last_revision(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_and_found_again() {
    let (server, proxy, mut config) = behind_proxy().await;
    config.timeout = Duration::from_millis(500);
    let store = open(&config).await;
    append(&store, order(), "before", 2).await;
    let mut connected = store.connected();
    assert!(*connected.borrow());
    proxy.refuse();
    proxy.cut();
    let refused = soon(store.commit(commit(order(), "c", 3))).await.unwrap_err();
    soon(connected.wait_for(|connected| !connected)).await.unwrap();
    assert_eq!(*refused.kind(), ErrorKind::Connection, "{refused:?}");
    assert!(refused.is_retryable());
    assert!(format!("{refused:?}").contains(&proxy.address().to_string()), "{refused:?}");
    let refused = soon(store.read(&Read::all())).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Connection, "{refused:?}");
    proxy.resume();
    soon(connected.wait_for(|connected| *connected)).await.unwrap();
    assert_eq!(soon(store.commit(commit(order(), "c", 3))).await.unwrap().last_revision(), 4);
    assert_whole(&all(&beside_proxy(&server).await, Read::stream(order())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_notices_a_server_that_stands_still() {
    let (_server, proxy, mut config) = behind_proxy().await;
    config.heartbeat = Some(Duration::from_millis(200));
    let store = open(&config).await;
    let mut connected = store.connected();
    proxy.stall();
    soon(connected.wait_for(|connected| !connected)).await.unwrap();
    proxy.resume();
    soon(connected.wait_for(|connected| *connected)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_again_is_written_to_again() {
    let mut server = MongoServer::start().await;
    let store = open(&format!("{}/eventstore", server.url()).parse().unwrap()).await;
    append(&store, order(), "before", 2).await;
    server.restart().await;
    // What the tests' server had is gone with it; what was known of it is not believed.
    assert_eq!(soon(store.commit(commit(order(), "after", 2))).await.unwrap().last_revision(), 1);
}
