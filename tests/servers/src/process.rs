use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A server's process. It is killed on drop; and where nothing is dropped because our own process is killed, a shell
/// that waits on a pipe from us sees the pipe end, and kills it.
pub(crate) struct Process {
    supervisor: Child,
    pipe: Option<ChildStdin>,
    server: Pid,
}

impl Process {
    /// Starts it, with what it prints going to `log`. `temporary` is removed should our process be killed.
    pub(crate) fn start(command: &[String], log: &Path, temporary: Option<&Path>) -> Self {
        let mut supervisor = Command::new("sh")
            .args(["-c", include_str!("supervise.sh"), "supervise"])
            .arg(log)
            .arg(temporary.unwrap_or(Path::new("")))
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What is sent to our whole group (Ctrl-C) must not reach it: it ends when the pipe does.
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().expect("its output")).read_line(&mut line).expect("it says a line");
        let server = line.trim().parse().ok().and_then(Pid::from_raw).expect("the shell says the server's process id");
        Self { pipe: supervisor.stdin.take(), supervisor, server }
    }

    pub(crate) fn id(&self) -> u32 {
        self.server.as_raw_pid().unsigned_abs()
    }

    /// Whether the server has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        self.supervisor.try_wait().expect("the shell's state").is_some()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.server, signal).expect("the server can be sent a signal");
    }

    /// Kills it (SIGKILL) and waits until it is gone. Nothing where it is gone already.
    pub(crate) fn kill(&mut self) {
        let Some(mut pipe) = self.pipe.take() else { return };
        if !self.ended() {
            // It may end by itself this very moment.
            let _ = kill_process(self.server, Signal::KILL);
        }
        self.supervisor.wait().expect("the shell ends with the server");
        let _ = pipe.write_all(b"ended\n");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Fails where a program isn't there.
pub(crate) fn require(program: &str, install: &str) {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if let Err(error) = found {
        assert!(error.kind() == ErrorKind::NotFound, "{program} can't be run: {error}");
        panic!("{program} is not installed: run tests/servers/install.sh {install}");
    }
}
