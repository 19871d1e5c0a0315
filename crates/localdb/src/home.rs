//! The directory that holds a cluster: Postgres' own data directory, its log, and a lock.
//!
//! ```text
//! HOME/pgdata         Postgres' data directory, 0700, owned by the user that runs it
//! HOME/postgres.log   what initdb and Postgres print (the run before: postgres.log.old)
//! HOME/caseload.lock  held by the process that has the cluster; its process id
//! ```

use std::{
    env,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{self, Path, PathBuf},
};

use tempfile::TempDir;

use crate::{Error, lock::Lock};

const VERSION: &str = "PG_VERSION";

/// The mode of the directories made here around the data directory: others may pass through.
const PASSABLE: u32 = 0o755;

/// A cluster's directory, ours alone for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Home {
    directory: PathBuf,
    // Fields are dropped in order: the files go before the lock does.
    temporary: Option<TempDir>,
    _lock: Option<Lock>,
}

impl Home {
    /// Makes a new one among the system's temporary files. It's removed on drop.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn temporary() -> Result<Self, Error> {
        let place = env::temp_dir();
        let temporary = tempfile::Builder::new()
            .prefix("caseload-data-")
            .permissions(Permissions::from_mode(PASSABLE))
            .tempdir_in(&place)
            .map_err(Error::io(format!("make a directory in {}", place.display())))?;
        let directory = canonical(temporary.path())?;
        Ok(Self { directory, temporary: Some(temporary), _lock: None })
    }

    /// Opens the one at `path`, making it and the directories above it as needed, and locks it.
    ///
    /// # Errors
    /// [`Error::InUse`] where another live process has it, [`Error::NotOurs`], [`Error::Io`].
    pub(crate) fn persistent(path: &Path) -> Result<Self, Error> {
        let absolute = path::absolute(path)
            .map_err(Error::io(format!("tell the full path of {}", path.display())))?;
        make_passable(&absolute)
            .map_err(Error::io(format!("make the directory {}", absolute.display())))?;
        let directory = canonical(&absolute)?;
        let lock = Some(Lock::take(&directory)?);
        let home = Self { directory, temporary: None, _lock: lock };
        home.check_ours()?;
        Ok(home)
    }

    /// Refuses another Postgres' data directory, and a `pgdata` that holds other things. A cluster
    /// appears under that name all at once (see [`initdb`](crate::initdb)), so there's no third.
    fn check_ours(&self) -> Result<(), Error> {
        if self.directory.join(VERSION).exists() {
            return Err(Error::NotOurs { directory: self.directory.clone() });
        }
        let data_dir = self.data_dir();
        let mut files = match fs::read_dir(&data_dir) {
            Ok(files) => files.peekable(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io(format!("read {}", data_dir.display()))(error)),
        };
        if files.peek().is_none() || files.flatten().any(|file| file.file_name() == VERSION) {
            return Ok(());
        }
        Err(Error::NotOurs { directory: data_dir })
    }

    /// This directory itself, absolute and without symbolic links.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether it goes when this value does.
    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Where Postgres' data directory is, or will be.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.join("pgdata")
    }

    /// Where the log is.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.directory.join("postgres.log")
    }

    /// The major version of Postgres that the data belong to; `None` before `initdb`.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read, [`Error::NotOurs`] where it's no number.
    pub(crate) fn major(&self) -> Result<Option<u32>, Error> {
        let file = self.data_dir().join(VERSION);
        match fs::read_to_string(&file) {
            Ok(text) => match text.trim_end().parse() {
                Ok(major) => Ok(Some(major)),
                Err(_) => Err(Error::NotOurs { directory: self.data_dir() }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("read {}", file.display()))(error)),
        }
    }
}

fn canonical(directory: &Path) -> Result<PathBuf, Error> {
    let action = format!("find the directory {}", directory.display());
    directory.canonicalize().map_err(Error::io(action))
}

/// Makes `directory` and what's missing above it, with mode 0755 whatever the umask says: the user
/// that runs Postgres must get through.
fn make_passable(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_passable(parent)?;
    }
    fs::create_dir(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(PASSABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_made_on_the_way_are_passable() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::persistent(&place.path().join("one/two")).unwrap();
        for directory in [home.directory(), home.directory().parent().unwrap()] {
            let mode = fs::metadata(directory).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755, "{}", directory.display());
        }
    }

    #[test]
    fn strange_files_are_left_alone() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("pgdata")).unwrap();
        Home::persistent(place.path()).unwrap();

        fs::write(place.path().join("pgdata/thesis.txt"), "").unwrap();
        let error = Home::persistent(place.path()).unwrap_err();
        assert!(matches!(error, Error::NotOurs { directory } if directory.ends_with("pgdata")));

        let cluster = tempfile::tempdir().unwrap();
        fs::write(cluster.path().join("PG_VERSION"), "15\n").unwrap();
        assert!(matches!(Home::persistent(cluster.path()), Err(Error::NotOurs { .. })));
    }

    #[test]
    fn the_version_of_the_data_is_read() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::persistent(place.path()).unwrap();
        assert_eq!(home.major().unwrap(), None);
        fs::create_dir(home.data_dir()).unwrap();
        fs::write(home.data_dir().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(home.major().unwrap(), Some(15));
    }
}
