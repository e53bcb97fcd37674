//! However a test's process ends, its servers end with it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use annals_test_servers::{MongoServer, RedisServer};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

const CHILD: &str = "ANNALS_TEST_ORPHANS";

/// Starts this test again as a process that has servers, ends it in a way, and looks for what is left.
fn nothing_is_left(test: &str, end: &str) {
    if let Ok(end) = std::env::var(CHILD) {
        tokio::runtime::Runtime::new().unwrap().block_on(child(&end));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, end)
        .env_remove("ANNALS_TEST_REDIS_URL")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Held until the child has ended: it says more.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.by_ref().find(|line| line.ends_with("servers:")).expect("the child has servers");
    let said: Vec<String> = lines.by_ref().take_while(|line| line != "that's all").collect();
    assert_eq!(said.len(), 8, "four servers: {said:?}");
    if end == "killed" {
        child.kill().unwrap();
    }
    lines.for_each(drop);
    child.wait().unwrap();
    for server in said.chunks(2) {
        let pid = Pid::from_raw(server[0].parse().unwrap()).unwrap();
        gone("the server", || test_kill_process(pid) == Err(Errno::SRCH));
        gone("its folder", || !Path::new(&server[1]).exists());
    }
}

async fn child(end: &str) {
    let shared = RedisServer::shared().await;
    let (own, stalled) = (RedisServer::start().await, RedisServer::start().await);
    stalled.stop();
    let mongo = MongoServer::start().await;
    let pid_and_folder = |server: &RedisServer| format!("{}\n{}\n", server.pid(), server.folder().display());
    let of_mongo = format!("{}\n{}\n", mongo.pid(), mongo.folder().display());
    let of_shared = server_at(shared.url());
    let text =
        format!("servers:\n{of_shared}{of_mongo}{}{}that's all\n", pid_and_folder(&own), pid_and_folder(&stalled));
    std::io::stdout().write_all(text.as_bytes()).unwrap();
    match end {
        "killed" => std::future::pending().await,
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        _ => {}
    }
}

/// The process id and the folder of a server that one only has the address of.
fn server_at(url: &str) -> String {
    let ask = |words: &[&str]| {
        let said = Command::new("redis-cli").args(["-u", url]).args(words).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    let info = ask(&["INFO", "server"]);
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    let folder = ask(&["CONFIG", "GET", "dir"]);
    format!("{}\n{}\n", pid.trim(), folder.lines().nth(1).unwrap())
}

fn gone(what: &str, gone: impl Fn() -> bool) {
    let began = Instant::now();
    while !gone() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn killed() {
    nothing_is_left("killed", "killed");
}

#[test]
fn exits() {
    nothing_is_left("exits", "exit");
}

#[test]
fn aborts() {
    nothing_is_left("aborts", "abort");
}

#[test]
fn returns() {
    nothing_is_left("returns", "return");
}
