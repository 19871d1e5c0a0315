//! A program of this workspace, run as a process of its own. `crates/gateway/tests` uses this file
//! too.

use std::{
    env,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use serde_json::Value;

use super::polling::{wait_for, wait_until};

/// A program that runs. It is killed when this goes, so that a test that fails leaves none behind.
pub(crate) struct Program {
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// How a program ended, and all that it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a program wrote so far. It is read at once, so that no program waits for its reader.
struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts it with these arguments. Of this process's environment it sees nothing that would
    /// configure it.
    pub(crate) fn start(path: &str, args: &[&str]) -> Self {
        Self::start_with(path, args, &[])
    }

    /// The same with variables for its environment.
    pub(crate) fn start_with(path: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
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

    /// Runs it to its end.
    pub(crate) fn run(path: &str, args: &[&str]) -> Ended {
        Self::start(path, args).ended()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text.lock().unwrap().clone()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text.lock().unwrap().clone()
    }

    /// Waits for the event of its log with this message.
    pub(crate) fn logged(&self, message: &str) -> Value {
        wait_for(message, || {
            let text = self.stderr();
            let mut events = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            events.find(|event: &Value| event["message"] == message)
        })
    }

    /// Waits for the event of its log that tells where it serves.
    pub(crate) fn address(&self, message: &str) -> SocketAddr {
        self.logged(message)["addr"].as_str().unwrap().parse().unwrap()
    }

    /// Sends it SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        wait_until("the program's end", || self.has_ended());
        self.collect()
    }

    /// Kills it, as nothing else would.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.collect()
    }

    fn collect(&mut self) -> Ended {
        let status = self.child.wait().unwrap();
        Ended { status, stdout: self.stdout.all(), stderr: self.stderr.all() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The code that it exited with; none where a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Its log, each line of which must be an event in JSON.
    pub(crate) fn log(&self) -> Vec<Value> {
        let event = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.stderr.lines().map(event).collect()
    }

    /// Fails where it wrote any of these, anywhere.
    #[track_caller]
    pub(crate) fn assert_keeps(&self, secrets: &[&str]) {
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

    /// All of it, once the program has ended.
    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text.lock().unwrap().clone()
    }
}

/// Whether a variable is one of Caseload's own. Where Postgres is installed stays known.
fn configures(name: &str) -> bool {
    name.starts_with("CASELOAD_") && name != "CASELOAD_POSTGRES_BIN"
}
