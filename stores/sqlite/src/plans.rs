//! Shows by SQLite's own plans that what is read, and no more, is looked at: nothing is scanned, no
//! whole result is sorted.

use annals_core::{Order, Read, StreamId, Timestamp};
use rusqlite::{Connection, params_from_iter};

use crate::read::{Source, StreamRow, statement};
use crate::{SqliteConfig, layout};

fn plan(connection: &Connection, read: &Read, source: &Source, cursor: Option<[i64; 4]>) -> Vec<String> {
    let (sql, values) = statement(read, source, cursor);
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = explain.query_map(params_from_iter(values), |row| row.get(3)).unwrap();
    steps.collect::<rusqlite::Result<_>>().unwrap()
}

fn reads(by_kind: bool) -> Vec<Read> {
    let any = if by_kind { Read::all() } else { Read::stream("a") };
    let mut reads = Vec::new();
    for order in [Order::Time, Order::Position, Order::Revision] {
        if by_kind && order == Order::Revision {
            continue;
        }
        for backward in [false, true] {
            for undispatched in [false, true] {
                let mut read = any.clone().order(order);
                (read.backward, read.undispatched) = (backward, undispatched);
                reads.push(read.clone());
                reads.push(read.clone().since(Timestamp::from_millis(5)));
                reads.push(read.revisions(2, Some(9)));
            }
        }
    }
    reads
}

fn connection() -> Connection {
    let mut connection = layout::connect(&SqliteConfig::memory()).unwrap();
    layout::prepare(&mut connection, &SqliteConfig::memory()).unwrap();
    connection
}

#[test]
fn a_page_of_everything_walks_an_index_in_its_order() {
    let connection = connection();
    let source = Source::Kind { key: 1, context: String::new(), aggregate: String::new() };
    for read in reads(true) {
        for cursor in [None, Some([1, 2, 3, 4])] {
            let plan = plan(&connection, &read, &source, cursor);
            // What is equal by the first terms of the order is sorted by the last: a handful at a time.
            let is_cheap = |step: &String| step.starts_with("SEARCH") || step.starts_with("USE TEMP B-TREE FOR LAST");
            assert!(plan.iter().all(is_cheap), "{read:?}: {plan:#?}");
        }
    }
}

#[test]
fn a_stream_is_searched_for_and_walked_by_revision() {
    let connection = connection();
    let source = Source::Stream(StreamRow { key: 1, id: StreamId::new("a"), disordered: false });
    for read in reads(false) {
        for cursor in [None, Some([1, 2, 3, 1])] {
            let plan = plan(&connection, &read, &source, cursor);
            assert!(plan[0].starts_with("SEARCH e USING PRIMARY KEY (stream=?"), "{read:?}: {plan:#?}");
            let is_sorted = read.order == Order::Position;
            assert_eq!(plan.len(), 1 + usize::from(is_sorted), "{read:?}: {plan:#?}");
        }
    }
}
