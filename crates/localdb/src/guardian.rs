//! The guardian: a process that stops Postgres if the process that owns it dies. It runs
//! `guardian.sh`.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::Error;

const SCRIPT: &str = include_str!("guardian.sh");

/// How the guardian stops Postgres.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shutdown {
    /// With a checkpoint, so that the next start needs no recovery.
    Fast,
    /// Without one: the data are removed anyway.
    Immediate,
}

/// A running guardian. Dropping it ends the guardian without any cleanup.
#[derive(Debug)]
pub(crate) struct Guardian {
    // Holds the write end of the pipe to its standard input. std opens that close-on-exec, so no
    // other child process inherits it, and the pipe is closed when this process ends.
    child: Child,
}

impl Guardian {
    /// Starts the guardian of the Postgres on `data_dir`. If this process dies, it removes the
    /// `directories` at the end. It has its own process group, and inherits neither output nor
    /// working directory.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn start(
        data_dir: &Path,
        shutdown: Shutdown,
        directories: &[&Path],
    ) -> Result<Self, Error> {
        let signal = match shutdown {
            Shutdown::Fast => "INT",
            Shutdown::Immediate => "QUIT",
        };
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "caseload-guardian"])
            .arg(data_dir)
            .arg(signal)
            .args(directories)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io("start the guardian of Postgres"))?;
        Ok(Self { child })
    }

    /// Reports that `initdb` or `pg_basebackup` runs as process `pid`.
    ///
    /// # Errors
    /// [`Error::Io`] if the guardian has ended.
    pub(crate) fn creating(&mut self, pid: u32) -> Result<(), Error> {
        self.send(&format!("creating {pid}"))
    }

    /// Reports that Postgres runs as process `pid`.
    ///
    /// # Errors
    /// [`Error::Io`] if the guardian has ended.
    pub(crate) fn running(&mut self, pid: u32) -> Result<(), Error> {
        self.send(&format!("running {pid}"))
    }

    /// Reports that this process has ended.
    ///
    /// # Errors
    /// [`Error::Io`] if the guardian has ended.
    pub(crate) fn stopped(&mut self) -> Result<(), Error> {
        self.send("stopped")
    }

    fn send(&mut self, message: &str) -> Result<(), Error> {
        let pipe = self.child.stdin.as_mut();
        let sent = pipe.map_or(Err(io::ErrorKind::BrokenPipe.into()), |pipe| {
            pipe.write_all(format!("{message}\n").as_bytes())
        });
        sent.map_err(Error::io("write to the guardian of Postgres"))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // If the guardian has ended already, writing fails, and it only has to be reaped.
        let _ = self.send("done");
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::ExitStatus};

    use rustix::process::Signal;
    use tempfile::TempDir;

    use super::*;
    use crate::process;

    /// A guardian, a process in the role of the postmaster, its pid file, and a directory to
    /// remove.
    struct Fixture {
        guardian: Guardian,
        postmaster: Child,
        directories: TempDir,
        _data_dir: TempDir,
    }

    fn fixture(recorded: impl Fn(u32) -> u32) -> Fixture {
        let (data_dir, directories) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let postmaster = Command::new("sleep").arg("60").spawn().unwrap();
        let pid_file = format!("{}\n", recorded(postmaster.id()));
        fs::write(data_dir.path().join("postmaster.pid"), pid_file).unwrap();
        let guardian =
            Guardian::start(data_dir.path(), Shutdown::Immediate, &[directories.path()]).unwrap();
        Fixture { guardian, postmaster, directories, _data_dir: data_dir }
    }

    /// Closes the pipe, as the end of this process would, and waits for the end of the guardian.
    fn die(guardian: &mut Guardian) -> ExitStatus {
        drop(guardian.child.stdin.take());
        guardian.child.wait().unwrap()
    }

    /// Kills the postmaster. Returns whether it was still running.
    fn was_running(mut postmaster: Child) -> bool {
        let was_running = postmaster.try_wait().unwrap().is_none();
        process::send(postmaster.id(), Signal::KILL).unwrap();
        postmaster.wait().unwrap();
        was_running
    }

    #[test]
    fn the_death_of_the_owner_stops_postgres() {
        let mut fixture = fixture(|pid| pid);
        fixture.guardian.running(fixture.postmaster.id()).unwrap();
        // The postmaster is reaped at once, as init does: the guardian waits for that.
        let mut postmaster = fixture.postmaster;
        drop(fixture.guardian.child.stdin.take());
        assert!(!postmaster.wait().unwrap().success());
        assert!(fixture.guardian.child.wait().unwrap().success());
        assert!(!fixture.directories.path().exists());
    }

    #[test]
    fn a_dropped_guardian_cleans_nothing_up() {
        let mut fixture = fixture(|pid| pid);
        fixture.guardian.running(fixture.postmaster.id()).unwrap();
        drop(fixture.guardian);
        assert!(was_running(fixture.postmaster));
        assert!(fixture.directories.path().exists());
    }

    #[test]
    fn a_stopped_postgres_gets_no_signal() {
        let mut fixture = fixture(|pid| pid);
        fixture.guardian.running(fixture.postmaster.id()).unwrap();
        fixture.guardian.stopped().unwrap();
        assert!(die(&mut fixture.guardian).success());
        assert!(was_running(fixture.postmaster));
        assert!(!fixture.directories.path().exists());
    }

    #[test]
    fn initdb_ends_before_its_files_are_removed() {
        let mut fixture = fixture(|pid| pid);
        fixture.guardian.creating(fixture.postmaster.id()).unwrap();
        drop(fixture.guardian.child.stdin.take());
        assert!(fixture.guardian.child.try_wait().unwrap().is_none());
        assert!(fixture.directories.path().exists());
        assert!(was_running(fixture.postmaster));
        assert!(fixture.guardian.child.wait().unwrap().success());
        assert!(!fixture.directories.path().exists());
    }

    #[test]
    fn another_process_with_the_same_id_gets_no_signal() {
        let mut fixture = fixture(|pid| pid + 1);
        fixture.guardian.running(fixture.postmaster.id()).unwrap();
        assert!(die(&mut fixture.guardian).success());
        assert!(was_running(fixture.postmaster));
    }
}
