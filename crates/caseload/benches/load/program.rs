//! Runs Caseload's programs.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use super::guardian::Guardian;

/// One of Caseload's programs, as a process.
pub(crate) struct Program {
    pub(crate) command: Command,
    /// The protocol that it serves, as its log names it.
    protocol: &'static str,
    log: PathBuf,
    child: Option<Child>,
    addr: Option<SocketAddr>,
    guardian: Arc<Guardian>,
}

impl Program {
    /// Prepares a program, or that at an absolute path; its arguments are added to `command`.
    pub(crate) fn new(
        name: &str,
        log: &Path,
        protocol: &'static str,
        guardian: &Arc<Guardian>,
    ) -> Self {
        // Cargo puts all programs of a workspace into one directory.
        let path = Path::new(env!("CARGO_BIN_EXE_caseload")).with_file_name(name);
        let mut command = Command::new(&path);
        command
            .args(["--log-format", "text"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(log).unwrap());
        let (log, guardian) = (log.to_owned(), Arc::clone(guardian));
        Self { command, protocol, log, child: None, addr: None, guardian }
    }

    /// Starts the process, and blocks until its log says at which address it serves.
    pub(crate) fn start(&mut self) {
        let child = self.command.spawn().unwrap_or_else(|error| {
            panic!("failed to run {:?}: {error}", self.command.get_program())
        });
        self.guardian.started(child.id());
        self.child = Some(child);
        let message = format!("serving {} addr=", self.protocol);
        self.addr = Some(await_some(|| {
            let log = fs::read_to_string(&self.log).unwrap();
            let (_, rest) = log.split_once(&message)?;
            rest.split_whitespace().next()?.parse().ok()
        }));
    }

    /// Blocks until the server reports that it is ready.
    pub(crate) fn await_ready(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        await_some(|| runtime.block_on(server::is_serving(self.addr(), None)).then_some(()));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // An error can't be handled here.
            let _ = child.kill();
            let _ = child.wait();
            self.guardian.ended(child.id());
        }
    }
}

/// Polls until there is a value, for at most ten seconds.
fn await_some<T>(mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < deadline, "a program did not start in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}
