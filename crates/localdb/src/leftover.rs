//! A Postgres that outlived the process that had started it.

use std::{path::Path, time::Duration};

use crate::{
    Error,
    pid_file::PidFile,
    postmaster,
    process::{self, wait_until},
};

/// How long the guardian of a killed process may take to stop its Postgres before we do it.
const GUARDIAN_LIMIT: Duration = Duration::from_secs(3);

/// Waits for the end of a Postgres that still runs on this data directory, and brings it about if it
/// doesn't come by itself. To be called with the directory's lock held.
///
/// # Errors
/// [`Error::Io`] where it can't be stopped, being another user's for instance.
pub(crate) fn settle(data_dir: &Path) -> Result<(), Error> {
    let Some(PidFile { pid, .. }) = PidFile::read(data_dir) else {
        return Ok(());
    };
    let has_ended = || !process::is_postgres(pid, data_dir);
    if has_ended() {
        return forget_stranger(pid, data_dir);
    }
    if wait_until(GUARDIAN_LIMIT, has_ended) {
        return Ok(());
    }
    postmaster::end(pid, has_ended)
        .map_err(Error::io(format!("stop process {pid}, a Postgres on {}", data_dir.display())))
}

/// Removes a pid file whose number has since gone to another program: Postgres would take that one
/// for a Postgres, and refuse to start. (Where the number is nobody's, Postgres sees that itself.)
fn forget_stranger(pid: u32, data_dir: &Path) -> Result<(), Error> {
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
    fn stranger_with_the_old_number_is_spared() {
        let data_dir = tempfile::tempdir().unwrap();
        let file = data_dir.path().join("postmaster.pid");
        fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        settle(data_dir.path()).unwrap();
        assert!(!file.exists());
    }
}
