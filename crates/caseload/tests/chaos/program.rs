//! A program of this workspace, run as it is installed, and the faults that a process can have.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{guardian::Guardian, report::Report};

/// The time limit of an orderly stop, longer than the programs' `--drain-timeout`.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

pub(crate) struct Program {
    /// As in `server 1`, for the report.
    pub(crate) name: String,
    command: Command,
    child: Option<Child>,
    log: PathBuf,
    guardian: Arc<Guardian>,
    report: Arc<Report>,
}

impl Program {
    /// Starts a program of this workspace. All of them must be in the same directory as `caseload`.
    pub(crate) fn start(
        name: String,
        program: &str,
        args: &[&str],
        directory: &Path,
        guardian: &Arc<Guardian>,
        report: &Arc<Report>,
    ) -> Self {
        let path = Path::new(env!("CARGO_BIN_EXE_caseload")).with_file_name(program);
        assert!(path.exists(), "{} does not exist: build it first", path.display());
        let log = directory.join(format!("{}.log", name.replace(' ', "-")));
        let mut command = Command::new(path);
        for (variable, _) in env::vars().filter(|(name, _)| name.starts_with("CASELOAD_")) {
            command.env_remove(variable);
        }
        command
            .args(args)
            .args(["--log-format", "text", "--log-level", "warn", "--drain-timeout", "3s"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        let (guardian, report) = (Arc::clone(guardian), Arc::clone(report));
        let mut program = Self { name, command, child: None, log, guardian, report };
        program.restart();
        program
    }

    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "{} is already running", self.name);
        let child = self.command.spawn().unwrap();
        self.guardian.started(child.id());
        self.child = Some(child);
    }

    /// Returns the id of the process; `None` while there is none.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.check_is_running();
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            self.guardian.ended(child.id());
        }
    }

    /// Sends SIGTERM, and blocks until the process has ended.
    pub(crate) fn stop(&mut self) {
        self.check_is_running();
        self.send("TERM");
        let deadline = Instant::now() + STOP_TIMEOUT;
        let Some(child) = &mut self.child else { return };
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().unwrap() {
                if !status.success() {
                    self.report.unexpected(format!("{} failed to stop: {status}", self.name));
                }
                self.guardian.ended(child.id());
                self.child = None;
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.report.unexpected(format!("{} did not stop within {STOP_TIMEOUT:?}", self.name));
        self.kill();
    }

    pub(crate) fn freeze(&mut self) {
        self.check_is_running();
        self.send("STOP");
    }

    pub(crate) fn resume(&mut self) {
        self.send("CONT");
    }

    /// Reports a panic, if the program's log has one.
    pub(crate) fn check_log(&self) {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        if let Some(line) = log.lines().find(|line| line.contains("panicked")) {
            self.report.unexpected(format!("{}: {line}", self.name));
        }
    }

    /// Reports a process that has ended by itself.
    pub(crate) fn check_is_running(&mut self) {
        let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
        if let Some(status) = ended {
            self.report.unexpected(format!("{} ended by itself: {status}", self.name));
        }
    }

    fn send(&self, signal: &str) {
        if let Some(pid) = self.pid() {
            // This fails if the process has ended by itself, which `check_is_running` reports.
            let _ = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail if the process has already ended.
            let _ = child.kill();
            let _ = child.wait();
            self.guardian.ended(child.id());
        }
    }
}
