//! A running Postgres, as a child process.

use std::{
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    Error,
    log::Log,
    pid_file::PidFile,
    process::{self, Process, wait_until},
};

/// The timeout for becoming ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How long to wait after each kind of shutdown before the next, harsher one.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// The timeout for its processes to stop after SIGSTOP, or to end after SIGKILL.
const SIGNAL_LIMIT: Duration = Duration::from_secs(10);

/// The parent of all processes of a server.
#[derive(Debug)]
pub(crate) struct Postmaster {
    child: Child,
    data_dir: PathBuf,
}

impl Postmaster {
    /// Starts the postmaster in its own process group: a Ctrl-C in the terminal must not reach it
    /// before this process stops it.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn spawn(mut command: Command, data_dir: PathBuf) -> Result<Self, Error> {
        let child = command.process_group(0).spawn().map_err(Error::io("run postgres"))?;
        Ok(Self { child, data_dir })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Blocks until Postgres accepts connections.
    ///
    /// # Errors
    /// [`Error::Failed`] if it ends instead, [`Error::TooSlow`] after 30 s.
    pub(crate) fn await_ready(&mut self, log: &Log) -> Result<(), Error> {
        let expected = PidFile { pid: self.pid(), is_ready: true };
        let mut status = None;
        let is_over = wait_until(READY_LIMIT, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some() || PidFile::read(&self.data_dir) == Some(expected)
        });
        if let Some(status) = status {
            let status = status.to_string();
            return Err(Error::Failed { program: "postgres", status, log: log.tail() });
        }
        if !is_over {
            return Err(too_slow("become ready", READY_LIMIT, log));
        }
        Ok(())
    }

    /// Stops Postgres by a fast shutdown, which ends the sessions of its clients; see
    /// [`stop_process`]. It has ended on return.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        // Postgres may be paused.
        self.resume()?;
        stop_process(self.pid(), || !self.is_running())
    }

    /// Kills all processes of Postgres at once with SIGKILL, as a power cut would. They have ended
    /// on return.
    ///
    /// # Errors
    /// [`Error::TooSlow`], [`Error::Io`]
    pub(crate) fn kill(&mut self, log: &Log) -> Result<(), Error> {
        let children = self.pause_postmaster(log)?;
        for pid in [self.pid()].iter().chain(&children) {
            process::send(*pid, Signal::KILL).map_err(Error::io("kill Postgres"))?;
        }
        self.child.wait().map_err(Error::io("wait for the end of Postgres"))?;
        let gone = wait_until(SIGNAL_LIMIT, || process::all_ended_or(&children, |_| false));
        if gone { Ok(()) } else { Err(too_slow("end", SIGNAL_LIMIT, log)) }
    }

    /// Pauses all processes of Postgres with SIGSTOP.
    ///
    /// # Errors
    /// [`Error::TooSlow`], [`Error::Io`]
    pub(crate) fn pause(&mut self, log: &Log) -> Result<(), Error> {
        let children = self.pause_postmaster(log)?;
        pause_all(&children, log)
    }

    /// Pauses only the postmaster, so that it starts no more children. Returns the children that it
    /// has.
    fn pause_postmaster(&self, log: &Log) -> Result<Vec<u32>, Error> {
        pause_all(&[self.pid()], log)?;
        process::children_of(self.pid()).map_err(Error::io("list the processes of Postgres"))
    }

    /// Resumes all processes of Postgres.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        for pid in process::children_of(self.pid())? {
            process::send(pid, Signal::CONT)?;
        }
        process::send(self.pid(), Signal::CONT)
    }
}

fn pause_all(pids: &[u32], log: &Log) -> Result<(), Error> {
    for pid in pids {
        process::send(*pid, Signal::STOP).map_err(Error::io("pause Postgres"))?;
    }
    let paused = wait_until(SIGNAL_LIMIT, || process::all_ended_or(pids, Process::is_stopped));
    if paused { Ok(()) } else { Err(too_slow("pause", SIGNAL_LIMIT, log)) }
}

fn too_slow(what: &'static str, limit: Duration, log: &Log) -> Error {
    Error::TooSlow { what, seconds: limit.as_secs(), log: log.tail() }
}

/// Stops the postmaster `pid`: by a fast shutdown (SIGINT), after 10 s by an immediate one
/// (SIGQUIT), after another 10 s by SIGKILL. `has_ended` returns whether it has ended.
///
/// # Errors
/// Those of the operating system; [`io::ErrorKind::TimedOut`] 10 s after SIGKILL.
pub(crate) fn stop_process(pid: u32, mut has_ended: impl FnMut() -> bool) -> io::Result<()> {
    for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
        process::send(pid, signal)?;
        if wait_until(SHUTDOWN_LIMIT, &mut has_ended) {
            return Ok(());
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
