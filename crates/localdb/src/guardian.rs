//! The process that cleans up after one that couldn't. What it does is in `guardian.sh`.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::Error;

const SCRIPT: &str = include_str!("guardian.sh");

/// How the guardian ends Postgres; the words are those of `kill -s`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shutdown {
    /// In order, the data being worth it.
    Fast,
    /// At once.
    Immediate,
}

/// A guardian at work. Dropped, it's told that all is done, and ends.
#[derive(Debug)]
pub(crate) struct Guardian {
    // Its standard input is the write end of the pipe. std opens it close-on-exec, so that no other
    // child of ours holds it, and the guardian sees its end when we end.
    child: Child,
}

impl Guardian {
    /// Starts one for the Postgres on `data_dir`, which will remove the directories `litter`. It's
    /// in a process group of its own, and holds neither our output nor our working directory.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn start(
        data_dir: &Path,
        shutdown: Shutdown,
        litter: &[&Path],
    ) -> Result<Self, Error> {
        let signal = match shutdown {
            Shutdown::Fast => "INT",
            Shutdown::Immediate => "QUIT",
        };
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "caseload-guardian"])
            .arg(data_dir)
            .arg(signal)
            .args(litter)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io("start the guardian of Postgres"))?;
        Ok(Self { child })
    }

    /// Tells it that `initdb` runs as process `pid`.
    ///
    /// # Errors
    /// [`Error::Io`] where the guardian is gone.
    pub(crate) fn making(&mut self, pid: u32) -> Result<(), Error> {
        self.tell(&format!("making {pid}"))
    }

    /// Tells it that Postgres runs as process `pid`.
    ///
    /// # Errors
    /// [`Error::Io`] where the guardian is gone.
    pub(crate) fn running(&mut self, pid: u32) -> Result<(), Error> {
        self.tell(&format!("running {pid}"))
    }

    /// Tells it that the one or the other has ended.
    ///
    /// # Errors
    /// [`Error::Io`] where the guardian is gone.
    pub(crate) fn stopped(&mut self) -> Result<(), Error> {
        self.tell("stopped")
    }

    fn tell(&mut self, message: &str) -> Result<(), Error> {
        let pipe = self.child.stdin.as_mut();
        let sent = pipe.map_or(Err(io::ErrorKind::BrokenPipe.into()), |pipe| {
            pipe.write_all(format!("{message}\n").as_bytes())
        });
        sent.map_err(Error::io("tell the guardian of Postgres"))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // One that is gone already can't be told, only reaped.
        let _ = self.tell("done");
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

    /// A guardian, a process that plays the postmaster, its pid file, and a directory to remove.
    struct Scene {
        guardian: Guardian,
        postmaster: Child,
        litter: TempDir,
        _data_dir: TempDir,
    }

    fn scene(recorded: impl Fn(u32) -> u32) -> Scene {
        let (data_dir, litter) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let postmaster = Command::new("sleep").arg("60").spawn().unwrap();
        let pid_file = format!("{}\n", recorded(postmaster.id()));
        fs::write(data_dir.path().join("postmaster.pid"), pid_file).unwrap();
        let guardian =
            Guardian::start(data_dir.path(), Shutdown::Immediate, &[litter.path()]).unwrap();
        Scene { guardian, postmaster, litter, _data_dir: data_dir }
    }

    /// Closes the pipe, as the end of this process would, and waits for the guardian's.
    fn die(guardian: &mut Guardian) -> ExitStatus {
        drop(guardian.child.stdin.take());
        guardian.child.wait().unwrap()
    }

    /// Ends the postmaster; tells whether it had lived until now.
    fn had_lived(mut postmaster: Child) -> bool {
        let lived = postmaster.try_wait().unwrap().is_none();
        process::send(postmaster.id(), Signal::KILL).unwrap();
        postmaster.wait().unwrap();
        lived
    }

    #[test]
    fn death_of_the_owner_ends_postgres() {
        let mut scene = scene(|pid| pid);
        scene.guardian.running(scene.postmaster.id()).unwrap();
        // Reaped at once, as by init: the guardian waits for that.
        let mut postmaster = scene.postmaster;
        drop(scene.guardian.child.stdin.take());
        assert!(!postmaster.wait().unwrap().success());
        assert!(scene.guardian.child.wait().unwrap().success());
        assert!(!scene.litter.path().exists());
    }

    #[test]
    fn done_means_hands_off() {
        let mut scene = scene(|pid| pid);
        scene.guardian.running(scene.postmaster.id()).unwrap();
        drop(scene.guardian);
        assert!(had_lived(scene.postmaster));
        assert!(scene.litter.path().exists());
    }

    #[test]
    fn stopped_postgres_is_not_signalled() {
        let mut scene = scene(|pid| pid);
        scene.guardian.running(scene.postmaster.id()).unwrap();
        scene.guardian.stopped().unwrap();
        assert!(die(&mut scene.guardian).success());
        assert!(had_lived(scene.postmaster));
        assert!(!scene.litter.path().exists());
    }

    #[test]
    fn initdb_may_finish_before_its_files_go() {
        let mut scene = scene(|pid| pid);
        scene.guardian.making(scene.postmaster.id()).unwrap();
        drop(scene.guardian.child.stdin.take());
        assert!(scene.guardian.child.try_wait().unwrap().is_none());
        assert!(scene.litter.path().exists());
        assert!(had_lived(scene.postmaster));
        assert!(scene.guardian.child.wait().unwrap().success());
        assert!(!scene.litter.path().exists());
    }

    #[test]
    fn another_process_with_the_number_is_spared() {
        let mut scene = scene(|pid| pid + 1);
        scene.guardian.running(scene.postmaster.id()).unwrap();
        assert!(die(&mut scene.guardian).success());
        assert!(had_lived(scene.postmaster));
    }
}
