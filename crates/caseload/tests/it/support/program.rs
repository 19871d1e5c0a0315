//! A program of this workspace, run as a process. `crates/gateway/tests` uses this file too.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use serde_json::Value;

use super::polling::{wait_for, wait_until};

/// A running process. It is killed on drop, so that a failing test leaves none behind.
pub(crate) struct Program {
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// The exit status of a process, and everything that it wrote.
#[derive(Debug)]
pub(crate) struct Exited {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a process has written so far. A thread reads it at once, so that a full pipe never blocks
/// the process.
struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts a program with these arguments. It does not inherit environment variables that would
    /// configure it.
    pub(crate) fn start(path: &str, args: &[&str]) -> Self {
        Self::start_with_env(path, args, &[])
    }

    /// Starts a program with these arguments and environment variables.
    pub(crate) fn start_with_env(path: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(path);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in env::vars().filter(|(name, _)| configures(name)) {
            command.env_remove(name);
        }
        let mut child = command.envs(variables.iter().copied()).spawn().unwrap();
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Runs a program until it exits.
    pub(crate) fn run(path: &str, args: &[&str]) -> Exited {
        Self::start(path, args).wait_for_exit()
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it has written to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text.lock().unwrap().clone()
    }

    /// Returns what it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text.lock().unwrap().clone()
    }

    /// Waits until it logs an event with this message, and returns the event.
    pub(crate) fn wait_for_log(&self, message: &str) -> Value {
        wait_for(message, || {
            let text = self.stderr();
            let mut events = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            events.find(|event: &Value| event["message"] == message)
        })
    }

    /// Waits until it logs an event with this message, and returns the event's `addr`.
    pub(crate) fn wait_for_address(&self, message: &str) -> SocketAddr {
        self.wait_for_log(message)["addr"].as_str().unwrap().parse().unwrap()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.send("TERM");
    }

    /// Sends SIGSTOP, and waits until it has stopped: until then it may still do something.
    pub(crate) fn freeze(&self) {
        self.send("STOP");
        wait_until("the program to stop", || is_frozen(self.pid()));
    }

    /// Sends SIGCONT.
    pub(crate) fn resume(&self) {
        self.send("CONT");
    }

    fn send(&self, signal: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Returns whether it has exited.
    pub(crate) fn has_exited(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it exits.
    pub(crate) fn wait_for_exit(mut self) -> Exited {
        wait_until("the program's exit", || self.has_exited());
        self.collect()
    }

    /// Sends SIGKILL and waits until it has exited.
    pub(crate) fn kill(mut self) -> Exited {
        self.child.kill().unwrap();
        self.collect()
    }

    fn collect(&mut self) -> Exited {
        let status = self.child.wait().unwrap();
        Exited { status, stdout: self.stdout.all(), stderr: self.stderr.all() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail where it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Exited {
    /// Returns the exit code, or `None` where a signal ended the process.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns the log from standard error, each line of which must be an event in JSON.
    pub(crate) fn log(&self) -> Vec<Value> {
        let event = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.stderr.lines().map(event).collect()
    }

    /// Panics where standard output or standard error contains any of these texts.
    #[track_caller]
    pub(crate) fn assert_never_wrote(&self, secrets: &[&str]) {
        for secret in secrets {
            let mut lines = self.stdout.lines().chain(self.stderr.lines());
            let line = lines.find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} was written");
        }
    }
}

impl Output {
    fn of(source: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                shared.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    /// Returns all of it, once the process has exited.
    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text.lock().unwrap().clone()
    }
}

/// Returns whether all threads of a process are stopped by a signal, as far as the system tells.
fn is_frozen(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        // A thread that has ended since does nothing any more.
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('T'))
    })
}

/// Returns whether an environment variable configures Caseload, or its traces. The directory of Postgres'
/// programs is inherited.
fn configures(name: &str) -> bool {
    name.starts_with("OTEL_") || (name.starts_with("CASELOAD_") && name != "CASELOAD_POSTGRES_BIN")
}
