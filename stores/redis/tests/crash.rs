//! A process that writes to a Redis is killed again and again, and so is the Redis: see `annals_testkit::crash`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use annals_core::{DynStore, Result};
use annals_redis::{RedisConfig, RedisStore};
use annals_test_servers::{Fsync, RedisServer};
use annals_testkit::crash::{Crash, Open, child};
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// Tells the child where the server is.
const URL: &str = "ANNALS_REDIS_CRASH_URL";
const KILLS: u64 = 100;

fn main() -> ExitCode {
    let in_child: Open = Arc::new(|folder| Box::pin(async move { open(&std::env::var(URL).unwrap(), &folder).await }));
    child(&in_child);
    let trials = vec![
        Trial::test("what_was_acknowledged_survives_its_writer", || kill(false)),
        Trial::test("what_was_acknowledged_survives_the_server", || kill(true)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Each folder of the harness is a prefix of its own.
async fn open(url: &str, folder: &Path) -> Result<DynStore> {
    let prefix = folder.file_name().unwrap().to_str().unwrap();
    let config: RedisConfig = url.parse()?;
    Ok(Arc::new(RedisStore::open(config.prefix(prefix).positions(true)).await?) as DynStore)
}

fn kill(server_too: bool) -> std::result::Result<(), libtest_mimic::Failed> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(RedisServer::options().append_only(Fsync::Always).start());
    let url = server.url();
    let server = Arc::new(Mutex::new((server, true)));
    let opens: Open = {
        let (server, url) = (server.clone(), url.clone());
        Arc::new(move |folder| {
            let (server, url) = (server.clone(), url.clone());
            Box::pin(async move {
                let (server, runs) = &mut *server.lock().await;
                if !std::mem::replace(runs, true) {
                    server.restart().await;
                }
                open(&url, &folder).await
            })
        })
    };
    let mut crash = Crash::new(opens, KILLS);
    crash.folder.push(if server_too { "server" } else { "writer" });
    crash.variables = vec![(URL.to_owned(), url)];
    if server_too {
        crash.server = Some(Arc::new(move || {
            let (server, runs) = &mut *server.blocking_lock();
            server.kill();
            *runs = false;
        }));
    }
    Ok(crash.report()?)
}
