//! Making a new cluster's data directory.

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

/// The name of Postgres' superuser in every cluster.
pub(crate) const SUPERUSER: &str = "caseload";

/// What the names of unfinished data directories begin with.
const UNFINISHED: &str = "pgdata.new-";

/// How long to try to remove one of them.
const SWEEP_LIMIT: Duration = Duration::from_secs(1);

/// What a new cluster begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// Nothing.
    Nothing,
    /// All that the cluster at this URL has, which it goes on to follow.
    Primary(&'a str),
}

impl Origin<'_> {
    fn program(self) -> &'static str {
        match self {
            Self::Nothing => "initdb",
            Self::Primary(_) => "pg_basebackup",
        }
    }

    fn add_arguments(self, command: &mut Command) {
        match self {
            Self::Nothing => {
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

/// Runs `initdb` (or `pg_basebackup`) into a directory beside the final one and renames that when it's
/// complete, so that an interrupted run leaves nothing behind that looks like a cluster. Each run has
/// a name of its own: an `initdb` that outlived us can't meddle with ours.
///
/// # Errors
/// [`Error::Failed`] with the program's own words, [`Error::CannotEnter`], [`Error::Io`].
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
    let place = home.directory();
    let unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(place)
        .map_err(Error::io(format!("make a directory in {}", place.display())))?;
    launcher.own(unfinished.path())?;

    let mut command = launcher.command(program, unfinished.path(), log.open()?)?;
    origin.add_arguments(&mut command);
    if !durable {
        command.arg("--no-sync");
    }
    let mut making = command.spawn().map_err(Error::io(running()))?;
    let told = guardian.making(making.id());
    let status = making.wait().map_err(Error::io(running()))?;
    told.and_then(|()| guardian.stopped())?;
    if !status.success() {
        let status = status.to_string();
        return Err(Error::Failed { program, status, log: log.tail() });
    }

    let data_dir = home.data_dir();
    fs::rename(unfinished.path(), &data_dir)
        .map_err(Error::io(format!("make the directory {}", data_dir.display())))?;
    // It has gone under another name, and is no longer to be removed.
    let _ = unfinished.keep();
    if durable {
        let synced = File::open(place).and_then(|directory| directory.sync_all());
        synced.map_err(Error::io(format!("sync {}", place.display())))?;
    }
    sweep(place)
}

/// Removes what interrupted runs have left. That's done last, to give an `initdb` that has only just
/// lost its parent the time to end; what it won't let go of within a second stays there.
fn sweep(place: &Path) -> Result<(), Error> {
    let action = || format!("tidy up {}", place.display());
    for entry in fs::read_dir(place).map_err(Error::io(action()))? {
        let entry = entry.map_err(Error::io(action()))?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            wait_until(SWEEP_LIMIT, || fs::remove_dir_all(entry.path()).is_ok());
        }
    }
    Ok(())
}
