//! Races the stores of annals against the least their databases must do, and prints one JSON line a case.
//!
//! `annals-bench [store…]`: all stores unless some are named. With `QUICK` set, in seconds: to see that it works.
//!
//! # Layout
//! - `measure`: a case, its alternating rounds, its JSON line
//! - `work`: the events and streams that every store is given
//! - `memory`, `redis`, `sqlite`, `tingodb`: the cases of each store

mod measure;
mod memory;
mod redis;
mod sqlite;
mod tingodb;
mod work;

/// What a benchmark may stumble over: it says what, and ends.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = wanted.as_slice()
        && first == sqlite::FLUSHES
    {
        return sqlite::flushes::commit_between_marks(rest);
    }
    let asked = |store: &str| wanted.is_empty() || wanted.iter().any(|w| w == store);
    if asked("memory") {
        memory::run()?;
    }
    if asked("sqlite") {
        sqlite::run()?;
    }
    if asked("tingodb") {
        tingodb::run()?;
    }
    if asked("redis") {
        redis::run()?;
    }
    Ok(())
}
