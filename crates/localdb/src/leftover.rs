//! Stops a Postgres that outlived the process that started it.

use std::{path::Path, time::Duration};

use crate::{
    Error,
    pid_file::PidFile,
    postmaster,
    process::{self, wait_until},
};

/// How long to wait for the guardian of a killed process to stop Postgres.
const GUARDIAN_LIMIT: Duration = Duration::from_secs(3);

/// Blocks until no Postgres runs on this data directory: waits for its guardian, then stops it. The
/// caller must hold the lock of the directory.
///
/// # Errors
/// [`Error::Io`] if it can't be stopped, for instance because it is another user's.
pub(crate) fn stop(data_dir: &Path) -> Result<(), Error> {
    let Some(PidFile { pid, .. }) = PidFile::read(data_dir) else {
        return Ok(());
    };
    let has_ended = || !process::is_postgres(pid, data_dir);
    if has_ended() {
        return remove_stale_pid_file(pid, data_dir);
    }
    if wait_until(GUARDIAN_LIMIT, has_ended) {
        return Ok(());
    }
    postmaster::stop_process(pid, has_ended)
        .map_err(Error::io(format!("stop process {pid}, a Postgres on {}", data_dir.display())))
}

/// Removes the pid file if another program has the process id by now: Postgres would take that
/// program for a Postgres, and refuse to start. If no process has it, Postgres notices that itself.
fn remove_stale_pid_file(pid: u32, data_dir: &Path) -> Result<(), Error> {
    if process::all_ended_or(&[pid], |_| false) {
        return Ok(());
    }
    PidFile::remove(data_dir)
        .map_err(Error::io(format!("remove postmaster.pid from {}", data_dir.display())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn another_program_with_the_old_process_id_is_not_stopped() {
        let data_dir = tempfile::tempdir().unwrap();
        let file = data_dir.path().join("postmaster.pid");
        fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        stop(data_dir.path()).unwrap();
        assert!(!file.exists());
    }
}
