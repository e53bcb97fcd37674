//! A process that writes to Azure tables is killed again and again: see `annals_testkit::crash`. (The server itself is not:
//! that Azurite keeps everything in memory.)
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use annals_azure_table::AzureTableStore;
use annals_core::{DynStore, Result};
use annals_test_servers::AzuriteServer;
use annals_testkit::crash::{Crash, Open, child};
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

/// Tells the child where the server is.
const SERVER: &str = "ANNALS_AZURE_TABLE_CRASH_SERVER";
const KILLS: u64 = 200;

fn main() -> ExitCode {
    let in_child: Open =
        Arc::new(|folder| Box::pin(async move { open(&std::env::var(SERVER).unwrap(), &folder).await }));
    child(&in_child);
    let trials = vec![Trial::test("what_was_acknowledged_survives_its_writer", kill)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Each folder of the harness is tables of their own.
async fn open(server: &str, folder: &Path) -> Result<DynStore> {
    let name = format!("crash{}", folder.file_name().unwrap().to_str().unwrap());
    Ok(Arc::new(AzureTableStore::open(common::named(server.parse()?, &name)).await?) as DynStore)
}

fn kill() -> std::result::Result<(), libtest_mimic::Failed> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(AzuriteServer::start());
    let connection_string = server.connection_string();
    let opens: Open = {
        let connection_string = connection_string.clone();
        Arc::new(move |folder| {
            let connection_string = connection_string.clone();
            Box::pin(async move { open(&connection_string, &folder).await })
        })
    };
    let mut crash = Crash::new(opens, KILLS);
    crash.variables = vec![(SERVER.to_owned(), connection_string)];
    Ok(crash.report()?)
}
