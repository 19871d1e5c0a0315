//! A program of Caseload's, run as it is installed, and what may befall it.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{guardian::Guardian, report::Tally};

/// How long an orderly end may take: longer than `--drain-timeout`.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Program {
    /// `server 1`, for people.
    pub(crate) name: String,
    command: Command,
    child: Option<Child>,
    log: PathBuf,
    guardian: Arc<Guardian>,
    tally: Arc<Tally>,
}

impl Program {
    /// Starts a program of this workspace: all of them are in one directory.
    pub(crate) fn start(
        name: String,
        program: &str,
        args: &[&str],
        directory: &Path,
        guardian: &Arc<Guardian>,
        tally: &Arc<Tally>,
    ) -> Self {
        let path = Path::new(env!("CARGO_BIN_EXE_caseload")).with_file_name(program);
        assert!(path.exists(), "{} is not there: build it first", path.display());
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
        let (guardian, tally) = (Arc::clone(guardian), Arc::clone(tally));
        let mut program = Self { name, command, child: None, log, guardian, tally };
        program.restart();
        program
    }

    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "{} runs", self.name);
        let child = self.command.spawn().unwrap();
        self.guardian.started(child.id());
        self.child = Some(child);
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.check_runs();
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            self.guardian.ended(child.id());
        }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.check_runs();
        self.send("TERM");
        let deadline = Instant::now() + PATIENCE;
        let Some(child) = &mut self.child else { return };
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().unwrap() {
                if !status.success() {
                    self.tally.wrong(format!("{} was asked to end: {status}", self.name));
                }
                self.guardian.ended(child.id());
                self.child = None;
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.tally.wrong(format!("{} did not end when it was asked to", self.name));
        self.kill();
    }

    pub(crate) fn freeze(&mut self) {
        self.check_runs();
        self.send("STOP");
    }

    pub(crate) fn resume(&mut self) {
        self.send("CONT");
    }

    /// Whether it wrote of a panic, ever.
    pub(crate) fn check_log(&self) {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        if let Some(line) = log.lines().find(|line| line.contains("panicked")) {
            self.tally.wrong(format!("{}: {line}", self.name));
        }
    }

    /// Nothing but this run may end it.
    pub(crate) fn check_runs(&mut self) {
        let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
        if let Some(status) = ended {
            self.tally.wrong(format!("{} ended by itself: {status}", self.name));
        }
    }

    fn send(&self, signal: &str) {
        if let Some(child) = &self.child {
            // It may have ended by itself, which is told elsewhere.
            let _ = Command::new("kill")
                .args(["-s", signal, &child.id().to_string()])
                .status()
                .unwrap();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail where it has ended already.
            let _ = child.kill();
            let _ = child.wait();
            self.guardian.ended(child.id());
        }
    }
}
