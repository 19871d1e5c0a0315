//! What can go wrong with a private Postgres.

use std::{io, path::PathBuf};

use crate::binaries::OLDEST_MAJOR;

/// Why a cluster couldn't be started or used. Every message is a sentence for the person at the
/// terminal; where something can be done about it, it says what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No directory with `initdb`, `postgres` and `psql` was found.
    #[error(
        "no Postgres server is installed here; install one (apt install postgresql, dnf install \
         postgresql-server, or brew install postgresql@17), or name the directory of its programs \
         in CASELOAD_POSTGRES_BIN"
    )]
    NotInstalled,

    /// CASELOAD_POSTGRES_BIN names a directory without the server's programs.
    #[error(
        "CASELOAD_POSTGRES_BIN names {}, which lacks initdb, postgres or psql",
        directory.display()
    )]
    IncompleteBinaries {
        /// The directory that it names.
        directory: PathBuf,
    },

    /// Only versions before Postgres 14 were found.
    #[error(
        "Postgres {OLDEST_MAJOR} or newer is needed, and {} holds version {major}",
        directory.display()
    )]
    TooOld {
        /// Where the newest of them is.
        directory: PathBuf,
        /// Its major version.
        major: u32,
    },

    /// The data were written by a major version of Postgres that isn't installed.
    #[error(
        "the data in {} belong to Postgres {needed}, and only version {found} is installed; install \
         Postgres {needed}, or move the data away to start with none",
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

    /// Run by root on a machine that has neither a user `postgres` nor `nobody`.
    #[error(
        "Postgres refuses to run as root, and there is no user postgres or nobody to run it as"
    )]
    NoAccount,

    /// The user that Postgres runs as can't get to the data directory.
    #[error(
        "Postgres refuses to run as root, and user {account} can't enter {}; choose a directory \
         elsewhere, such as /var/lib/caseload",
        directory.display()
    )]
    CannotEnter {
        /// The outermost directory that it can't enter.
        directory: PathBuf,
        /// The user's name.
        account: String,
    },

    /// Another live process has a cluster in the same directory.
    #[error("the database in {} is in use by process {owner}; stop that one first", directory.display())]
    InUse {
        /// The directory given to [`Cluster::persistent`](crate::Cluster::persistent).
        directory: PathBuf,
        /// The other's process id as it wrote it down, or `unknown`.
        owner: String,
    },

    /// The directory holds other things, or a Postgres cluster of somebody else's.
    #[error("{} holds files that were not made here; choose another directory", directory.display())]
    NotOurs {
        /// The directory in question.
        directory: PathBuf,
    },

    /// One of the server's programs gave up.
    #[error("{program} failed ({status}); its log ends with:\n{log}")]
    Failed {
        /// `initdb`, `pg_basebackup` or `postgres`.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The last lines of its log.
        log: String,
    },

    /// The server didn't become ready, or one of its processes didn't obey a signal, in time.
    #[error("Postgres did not {what} within {seconds} s; its log ends with:\n{log}")]
    TooSlow {
        /// What it was to do.
        what: &'static str,
        /// How long it was waited for, in seconds.
        seconds: u64,
        /// The last lines of its log.
        log: String,
    },

    /// The call needs a running server, and it's stopped.
    #[error("Postgres is not running")]
    NotRunning,

    /// Not a name for a database here.
    #[error(
        "{name:?} is no database name; one has 1 to 63 lower-case letters, digits and underscores"
    )]
    BadName {
        /// The name as given.
        name: String,
    },

    /// `psql` reported an error.
    #[error("psql failed: {message}")]
    Psql {
        /// What it wrote to its standard error.
        message: String,
    },

    /// The operating system refused something.
    #[error("could not {action}: {cause}")]
    Io {
        /// What was tried.
        action: String,
        /// What the operating system answered.
        cause: io::Error,
    },
}

impl Error {
    /// Gives `map_err` the context of an I/O error: "could not {action}: …".
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |cause| Self::Io { action, cause }
    }
}
