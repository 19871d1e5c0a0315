//! The errors of this crate.

use std::{io, path::PathBuf};

use crate::version::OLDEST_MAJOR;

/// Why a cluster couldn't be started or used. The messages are for the person at the terminal, and
/// say what to do if there is something to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No directory with `initdb`, `postgres` and `psql` was found.
    #[error(
        "no Postgres server is installed; install one (apt install postgresql, dnf install \
         postgresql-server, or brew install postgresql@17), or set CASELOAD_POSTGRES_BIN to the \
         directory of its programs"
    )]
    NotInstalled,

    /// CASELOAD_POSTGRES_BIN is a directory without the server's programs.
    #[error(
        "CASELOAD_POSTGRES_BIN is {}, which lacks initdb, postgres or psql",
        directory.display()
    )]
    IncompleteBinaries {
        /// The value of the variable.
        directory: PathBuf,
    },

    /// Only versions before Postgres 14 were found.
    #[error(
        "Postgres {OLDEST_MAJOR} or newer is needed, but {} has version {major}",
        directory.display()
    )]
    TooOld {
        /// The directory of the newest of them.
        directory: PathBuf,
        /// Its major version.
        major: u32,
    },

    /// The data were written by a major version of Postgres that isn't installed.
    #[error(
        "the data in {} belong to Postgres {needed}, but only version {found} is installed; install \
         Postgres {needed}, or move the data elsewhere to start without data",
        data_dir.display()
    )]
    OtherMajor {
        /// Postgres' data directory.
        data_dir: PathBuf,
        /// The major version that wrote it.
        needed: u32,
        /// The major version that would have been used.
        found: u32,
    },

    /// The process runs as root, and there is no user `postgres` or `nobody`.
    #[error(
        "Postgres refuses to run as root, and there is no user postgres or nobody to run it as"
    )]
    NoAccount,

    /// The user that runs Postgres can't enter the data directory.
    #[error(
        "Postgres refuses to run as root, and user {account} can't enter {}; choose another \
         directory, such as /var/lib/caseload",
        directory.display()
    )]
    CannotEnter {
        /// The outermost directory that the user can't enter.
        directory: PathBuf,
        /// The user's name.
        account: String,
    },

    /// Another process uses the directory.
    #[error("the database in {} is in use by process {owner}; stop that one first", directory.display())]
    InUse {
        /// The directory given to [`Cluster::persistent`](crate::Cluster::persistent).
        directory: PathBuf,
        /// The process id in the lock file, or `unknown`.
        owner: String,
    },

    /// The directory has other files, or a Postgres cluster that this crate did not create.
    #[error("{} has files that Caseload did not create; choose another directory", directory.display())]
    NotOurs {
        /// The directory in question.
        directory: PathBuf,
    },

    /// One of the server's programs failed.
    #[error("{program} failed ({status}); its log ends with:\n{log}")]
    Failed {
        /// `initdb`, `pg_basebackup` or `postgres`.
        program: &'static str,
        /// Its exit status.
        status: String,
        /// The last lines of its log.
        log: String,
    },

    /// The server did not become ready, or did not react to a signal, in time.
    #[error("Postgres did not {what} within {seconds} s; its log ends with:\n{log}")]
    TooSlow {
        /// What it did not do, as a verb phrase.
        what: &'static str,
        /// The timeout, in seconds.
        seconds: u64,
        /// The last lines of its log.
        log: String,
    },

    /// The call needs a running server, but the server is stopped.
    #[error("Postgres is not running")]
    NotRunning,

    /// The name of a database is invalid.
    #[error(
        "{name:?} is no valid database name: use 1 to 63 lower-case letters, digits and underscores"
    )]
    BadName {
        /// The name as given.
        name: String,
    },

    /// `psql` reported an error.
    #[error("psql failed: {message}")]
    Psql {
        /// The text on its standard error.
        message: String,
    },

    /// A call of the operating system failed.
    #[error("failed to {action}: {cause}")]
    Io {
        /// The attempted action, as a verb phrase.
        action: String,
        /// The error of the operating system.
        cause: io::Error,
    },
}

impl Error {
    /// Returns a function for `map_err` that adds the context: "failed to {action}: …".
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |cause| Self::Io { action, cause }
    }
}
