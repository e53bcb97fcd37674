//! A process that writes to a search server is killed again and again: see `annals_testkit::crash`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use annals_core::{DynStore, Result};
use annals_elasticsearch::{ElasticConfig, ElasticStore};
use annals_test_servers::SearchServer;
use annals_testkit::crash::{Crash, Open, child};
use common::kinds;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

/// Tells the child where the server is.
const URL: &str = "ANNALS_SEARCH_CRASH_URL";
/// So many on all servers together.
const KILLS: u64 = 200;

fn main() -> ExitCode {
    let in_child: Open = Arc::new(|folder| Box::pin(async move { open(&std::env::var(URL).unwrap(), &folder).await }));
    child(&in_child);
    let kinds = kinds();
    let kills = KILLS.div_ceil(kinds.len() as u64);
    let trials = kinds.into_iter().map(|kind| {
        Trial::test(format!("{}::what_was_acknowledged_survives_its_writer", kind.name()), move || {
            let runtime = Runtime::new()?;
            let server = runtime.block_on(SearchServer::shared(kind));
            let (url, name) = (server.url().to_owned(), server.name().to_owned());
            let within = format!("{url} {name}");
            let opens: Open = {
                let within = within.clone();
                Arc::new(move |folder| {
                    let within = within.clone();
                    Box::pin(async move { open(&within, &folder).await })
                })
            };
            let mut crash = Crash::new(opens, kills);
            crash.variables = vec![(URL.to_owned(), within)];
            Ok(crash.report()?)
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Each folder of the harness has indexes of its own.
async fn open(within: &str, folder: &Path) -> Result<DynStore> {
    let (url, name) = within.split_once(' ').unwrap();
    let folder = folder.file_name().unwrap().to_str().unwrap();
    let mut config = ElasticConfig::new(url).index_name(format!("{name}-{folder}"));
    config.replicas = Some(0);
    Ok(Arc::new(ElasticStore::open(config).await?))
}
