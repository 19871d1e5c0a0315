//! Creates the data directory of a new cluster.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::Duration,
};

use crate::{
    Error, guardian::Guardian, home::Home, launcher::Launcher, log::Log, process::wait_until,
};

/// The superuser of every cluster.
pub(crate) const SUPERUSER: &str = "caseload";

/// The prefix of the names of unfinished data directories.
const UNFINISHED: &str = "pgdata.new-";

/// The timeout for the removal of an unfinished data directory.
const SWEEP_LIMIT: Duration = Duration::from_secs(1);

/// The content of a new cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// An empty cluster.
    Empty,
    /// A copy of the cluster at this URL, which the new one replicates.
    Primary(&'a str),
}

impl Origin<'_> {
    fn program(self) -> &'static str {
        match self {
            Self::Empty => "initdb",
            Self::Primary(_) => "pg_basebackup",
        }
    }

    fn add_arguments(self, command: &mut Command) {
        match self {
            Self::Empty => {
                command.args(["--encoding=UTF8", "--locale=C", "--auth=trust"]);
                command.arg("--no-instructions").arg(format!("--username={SUPERUSER}"));
            }
            Self::Primary(url) => {
                command.args(["--write-recovery-conf", "--checkpoint=fast", "--no-password"]);
                command.arg(format!("--dbname={url}"));
            }
        }
    }
}

/// Runs `initdb` or `pg_basebackup` in a directory beside the final one, and renames it when it is
/// complete: an interrupted run leaves no incomplete cluster. Each run uses a new name, so that an
/// `initdb` that outlived its process can't interfere.
///
/// # Errors
/// [`Error::Failed`] with the output of the program, [`Error::CannotEnter`], [`Error::Io`].
pub(crate) fn create(
    home: &Home,
    launcher: &Launcher,
    log: &mut Log,
    guardian: &mut Guardian,
    origin: Origin<'_>,
    durable: bool,
) -> Result<(), Error> {
    let program = origin.program();
    let running = || format!("run {program}");
    let parent = home.directory();
    let unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(Error::io(format!("create a directory in {}", parent.display())))?;
    launcher.take_ownership(unfinished.path())?;

    let mut command = launcher.command(program, unfinished.path(), log.open()?)?;
    origin.add_arguments(&mut command);
    if !durable {
        command.arg("--no-sync");
    }
    let mut child = command.spawn().map_err(Error::io(running()))?;
    let reported = guardian.creating(child.id());
    let status = child.wait().map_err(Error::io(running()))?;
    reported.and_then(|()| guardian.stopped())?;
    if !status.success() {
        let status = status.to_string();
        return Err(Error::Failed { program, status, log: log.tail() });
    }

    let data_dir = home.data_dir();
    fs::rename(unfinished.path(), &data_dir)
        .map_err(Error::io(format!("create the directory {}", data_dir.display())))?;
    // The directory has been renamed, so the temporary name must not be removed on drop.
    let _ = unfinished.keep();
    if durable {
        let synced = File::open(parent).and_then(|directory| directory.sync_all());
        synced.map_err(Error::io(format!("sync {}", parent.display())))?;
    }
    sweep(parent)
}

/// Removes the directories of interrupted runs. It runs last, so that an `initdb` that has just
/// lost its parent process has time to end. A directory that can't be removed within a second is
/// left.
fn sweep(parent: &Path) -> Result<(), Error> {
    let action = || format!("clean up {}", parent.display());
    for entry in fs::read_dir(parent).map_err(Error::io(action()))? {
        let entry = entry.map_err(Error::io(action()))?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            wait_until(SWEEP_LIMIT, || fs::remove_dir_all(entry.path()).is_ok());
        }
    }
    Ok(())
}
