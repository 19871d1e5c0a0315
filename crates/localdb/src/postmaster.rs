//! A running Postgres, as a child process of ours.

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

/// How long it may take to become ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How long each kind of shutdown may take before the next, harsher one.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// How long its processes may take to stop at SIGSTOP, or to vanish at SIGKILL.
const SIGNAL_LIMIT: Duration = Duration::from_secs(10);

/// The parent of all of a server's processes.
#[derive(Debug)]
pub(crate) struct Postmaster {
    child: Child,
    data_dir: PathBuf,
}

impl Postmaster {
    /// Starts it, in a process group of its own: a Ctrl-C in our terminal must not reach it before
    /// we are done with it.
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

    /// Waits until it accepts connections.
    ///
    /// # Errors
    /// [`Error::Failed`] where it ends instead, [`Error::TooSlow`] after 30 s.
    pub(crate) fn await_ready(&mut self, log: &Log) -> Result<(), Error> {
        let ours = PidFile { pid: self.pid(), is_ready: true };
        let mut status = None;
        let answered = wait_until(READY_LIMIT, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some() || PidFile::read(&self.data_dir) == Some(ours)
        });
        if let Some(status) = status {
            let status = status.to_string();
            return Err(Error::Failed { program: "postgres", status, log: log.tail() });
        }
        if !answered {
            return Err(too_slow("become ready", READY_LIMIT, log));
        }
        Ok(())
    }

    /// Ends it in an orderly way, which closes the sessions of its clients; if that takes more than
    /// 10 s, less orderly. It's gone on return.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        // It may be paused.
        self.resume()?;
        end(self.pid(), || !self.is_running())
    }

    /// Ends all of its processes at once with SIGKILL, as a power cut would. They're gone on return.
    ///
    /// # Errors
    /// [`Error::TooSlow`], [`Error::Io`]
    pub(crate) fn kill(&mut self, log: &Log) -> Result<(), Error> {
        let children = self.freeze(log)?;
        for pid in [self.pid()].iter().chain(&children) {
            process::send(*pid, Signal::KILL).map_err(Error::io("kill Postgres"))?;
        }
        self.child.wait().map_err(Error::io("wait for the end of Postgres"))?;
        let gone = wait_until(SIGNAL_LIMIT, || process::all_ended_or(&children, |_| false));
        if gone { Ok(()) } else { Err(too_slow("end", SIGNAL_LIMIT, log)) }
    }

    /// Makes all of its processes stand still, as if the machine had stopped answering.
    ///
    /// # Errors
    /// [`Error::TooSlow`], [`Error::Io`]
    pub(crate) fn pause(&mut self, log: &Log) -> Result<(), Error> {
        let children = self.freeze(log)?;
        stop_all(&children, log)
    }

    /// Stops the postmaster alone, which then starts no more children, and lists those it has.
    fn freeze(&self, log: &Log) -> Result<Vec<u32>, Error> {
        stop_all(&[self.pid()], log)?;
        process::children_of(self.pid()).map_err(Error::io("list the processes of Postgres"))
    }

    /// The end of [`Postmaster::pause`].
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        for pid in process::children_of(self.pid())? {
            process::send(pid, Signal::CONT)?;
        }
        process::send(self.pid(), Signal::CONT)
    }
}

fn stop_all(pids: &[u32], log: &Log) -> Result<(), Error> {
    for pid in pids {
        process::send(*pid, Signal::STOP).map_err(Error::io("pause Postgres"))?;
    }
    let stopped = wait_until(SIGNAL_LIMIT, || process::all_ended_or(pids, Process::is_stopped));
    if stopped { Ok(()) } else { Err(too_slow("stand still", SIGNAL_LIMIT, log)) }
}

fn too_slow(what: &'static str, limit: Duration, log: &Log) -> Error {
    Error::TooSlow { what, seconds: limit.as_secs(), log: log.tail() }
}

/// Ends the postmaster `pid`: by a fast shutdown (SIGINT), after 10 s by an immediate one (SIGQUIT),
/// after another 10 s by SIGKILL. `has_ended` tells whether it's gone.
///
/// # Errors
/// The operating system's; [`io::ErrorKind::TimedOut`] where not even SIGKILL helps.
pub(crate) fn end(pid: u32, mut has_ended: impl FnMut() -> bool) -> io::Result<()> {
    for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
        process::send(pid, signal)?;
        if wait_until(SHUTDOWN_LIMIT, &mut has_ended) {
            return Ok(());
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
