//! A process that writes to a MongoDB is killed again and again: see `annals_testkit::crash`. (The server itself is not:
//! the one of the tests keeps everything in memory.)
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use annals_core::{DynStore, Result};
use annals_mongodb::{MongoConfig, MongoStore};
use annals_test_servers::MongoServer;
use annals_testkit::crash::{Crash, Open, child};
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

/// Tells the child where the server is, and whether there are positions.
const URL: &str = "ANNALS_MONGODB_CRASH_URL";
const KILLS: u64 = 60;

fn main() -> ExitCode {
    let in_child: Open = Arc::new(|folder| Box::pin(async move { open(&std::env::var(URL).unwrap(), &folder).await }));
    child(&in_child);
    let trials = vec![
        Trial::test("what_was_acknowledged_survives_its_writer", || kill("?positions=false")),
        Trial::test("what_was_acknowledged_with_positions_survives_its_writer", || kill("?positions=true")),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Each folder of the harness is a database of its own.
async fn open(url: &str, folder: &Path) -> Result<DynStore> {
    let name: String = folder.file_name().unwrap().to_str().unwrap().replace('.', "-");
    let config: MongoConfig = url.parse()?;
    Ok(Arc::new(MongoStore::open(config.database(name)).await?) as DynStore)
}

fn kill(options: &str) -> std::result::Result<(), libtest_mimic::Failed> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(MongoServer::start());
    let url = format!("{}/{options}", server.url());
    let opens: Open = {
        let url = url.clone();
        Arc::new(move |folder| {
            let url = url.clone();
            Box::pin(async move { open(&url, &folder).await })
        })
    };
    let mut crash = Crash::new(opens, KILLS);
    crash.folder.push(if options.contains("true") { "mongodb-positions" } else { "mongodb" });
    crash.variables = vec![(URL.to_owned(), url)];
    Ok(crash.report()?)
}
