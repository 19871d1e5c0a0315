//! The directory of a cluster: Postgres' data directory, its log, and a lock.
//!
//! ```text
//! HOME/pgdata         Postgres' data directory, 0700, owned by the user that runs it
//! HOME/postgres.log   the output of initdb and Postgres (of the run before: postgres.log.old)
//! HOME/caseload.lock  locked by the process that uses the cluster; has its process id
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

/// The mode of the directories around the data directory: the user that runs Postgres must get
/// through.
const PASSABLE: u32 = 0o755;

/// The directory of a cluster. While this value lives, no other process uses it.
#[derive(Debug)]
pub(crate) struct Home {
    directory: PathBuf,
    // Fields are dropped in order: the files are removed before the lock is released.
    temporary: Option<TempDir>,
    _lock: Option<Lock>,
}

impl Home {
    /// Creates a temporary directory, which is removed on drop.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn temporary() -> Result<Self, Error> {
        let parent = env::temp_dir();
        let temporary = tempfile::Builder::new()
            .prefix("caseload-data-")
            .permissions(Permissions::from_mode(PASSABLE))
            .tempdir_in(&parent)
            .map_err(Error::io(format!("create a directory in {}", parent.display())))?;
        let directory = canonical(temporary.path())?;
        Ok(Self { directory, temporary: Some(temporary), _lock: None })
    }

    /// Opens and locks the directory `path`; creates it and its ancestors as needed.
    ///
    /// # Errors
    /// [`Error::InUse`] if another process uses it, [`Error::NotOurs`], [`Error::Io`].
    pub(crate) fn persistent(path: &Path) -> Result<Self, Error> {
        let absolute = path::absolute(path)
            .map_err(Error::io(format!("resolve the path {}", path.display())))?;
        create_passable(&absolute)
            .map_err(Error::io(format!("create the directory {}", absolute.display())))?;
        let directory = canonical(&absolute)?;
        let lock = Some(Lock::acquire(&directory)?);
        let home = Self { directory, temporary: None, _lock: lock };
        home.check_ours()?;
        Ok(home)
    }

    /// Refuses the data directory of another Postgres, and a `pgdata` with other files. A `pgdata`
    /// of this crate is never incomplete: see [`initdb`](crate::initdb).
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

    /// Returns the path of the directory, absolute and without symbolic links.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the directory is removed on drop.
    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Returns the path of Postgres' data directory, which may not exist yet.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.join("pgdata")
    }

    /// Returns the path of the log.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.directory.join("postgres.log")
    }

    /// Returns the major version of Postgres that the data belong to; `None` before `initdb`.
    ///
    /// # Errors
    /// [`Error::Io`] if the version file can't be read, [`Error::NotOurs`] if it has no number.
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

/// Creates `directory` and its missing ancestors with mode 0755, whatever the umask is.
fn create_passable(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        create_passable(parent)?;
    }
    fs::create_dir(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(PASSABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_ancestors_are_passable() {
        let parent = tempfile::tempdir().unwrap();
        let home = Home::persistent(&parent.path().join("one/two")).unwrap();
        for directory in [home.directory(), home.directory().parent().unwrap()] {
            let mode = fs::metadata(directory).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755, "{}", directory.display());
        }
    }

    #[test]
    fn a_directory_with_other_files_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("pgdata")).unwrap();
        Home::persistent(parent.path()).unwrap();

        fs::write(parent.path().join("pgdata/thesis.txt"), "").unwrap();
        let error = Home::persistent(parent.path()).unwrap_err();
        assert!(matches!(error, Error::NotOurs { directory } if directory.ends_with("pgdata")));

        let cluster = tempfile::tempdir().unwrap();
        fs::write(cluster.path().join("PG_VERSION"), "15\n").unwrap();
        assert!(matches!(Home::persistent(cluster.path()), Err(Error::NotOurs { .. })));
    }

    #[test]
    fn the_version_of_the_data_is_read() {
        let parent = tempfile::tempdir().unwrap();
        let home = Home::persistent(parent.path()).unwrap();
        assert_eq!(home.major().unwrap(), None);
        fs::create_dir(home.data_dir()).unwrap();
        fs::write(home.data_dir().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(home.major().unwrap(), Some(15));
    }
}
