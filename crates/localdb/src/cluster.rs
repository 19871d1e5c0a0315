//! A private Postgres, and the faults that tests inject into it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{
    Error, builder::Builder, guardian::Guardian, home::Home, initdb::SUPERUSER, launcher::Launcher,
    log::Log, postmaster::Postmaster, psql,
};

/// The port of a cluster without a loopback port, which is only part of the socket's file name.
pub(crate) const PORT: u16 = 5432;

/// The timeout of a promotion.
const PROMOTION_SECONDS: u64 = 60;

/// A private Postgres.
///
/// Dropping it stops Postgres (as [`stop`](Self::stop) does) and removes the socket and, for a
/// temporary cluster, the data. The same happens if this process ends without dropping it.
#[derive(Debug)]
pub struct Cluster {
    postmaster: Option<Postmaster>,
    launcher: Launcher,
    settings: Vec<(String, String)>,
    data_dir: PathBuf,
    log: Log,
    // Fields are dropped in order: the directories before the guardian, which would remove them.
    sockets: TempDir,
    port: u16,
    _home: Home,
    guardian: Guardian,
}

impl Cluster {
    /// Returns the builder of a new cluster, whose data are removed on drop: for tests, and
    /// [durable](Builder::durable) for benches.
    pub fn temporary() -> Builder {
        Builder::temporary()
    }

    /// Returns the builder of the cluster in the directory `path`, which is created if needed. Its
    /// data stay on drop.
    ///
    /// The directory must be empty or made by this crate: it has Postgres' data directory `pgdata`
    /// and its log `postgres.log`. Only one process at a time can use it.
    pub fn persistent(path: impl Into<PathBuf>) -> Builder {
        Builder::persistent(path.into())
    }

    /// Returns the builder of a temporary cluster that starts as a copy of `primary`, which must be
    /// running, and replicates it. It is read-only until it is [promoted](Self::promote). It has
    /// the version and the settings of the primary. Settings for the primary alone, such as
    /// `synchronous_standby_names`, are made with `ALTER SYSTEM` once the standby has started.
    ///
    /// A standby may outlive its primary: it waits for it, or is promoted.
    pub fn standby_of(primary: &Self) -> Builder {
        let binaries = primary.launcher.binaries.clone();
        Builder::standby(primary.url("postgres"), binaries, primary.settings.clone())
    }

    pub(crate) fn new(
        launcher: Launcher,
        settings: Vec<(String, String)>,
        log: Log,
        (sockets, port): (TempDir, u16),
        home: Home,
        guardian: Guardian,
    ) -> Self {
        let data_dir = home.data_dir();
        Self {
            postmaster: None,
            launcher,
            settings,
            data_dir,
            log,
            sockets,
            port,
            _home: home,
            guardian,
        }
    }

    /// Returns the URL of a database for libpq: as the superuser, through the socket. It stays the
    /// same for the life of this value. The database need not exist; `postgres` always does.
    pub fn url(&self, database: &str) -> String {
        let database = encode(database.as_bytes());
        // Without a port libpq would use that of PGPORT.
        let (port, host) = (self.port, self.host());
        format!("postgresql://{SUPERUSER}@localhost:{port}/{database}?host={host}")
    }

    /// Returns the URL of a database on the one of two clusters that accepts writes; libpq tries
    /// this one first.
    pub fn read_write_url(&self, other: &Self, database: &str) -> String {
        let url = self.url(database);
        format!("{url},{}&target_session_attrs=read-write", other.host())
    }

    /// Returns the directory of the socket, as a host in a URL.
    fn host(&self) -> String {
        encode(self.sockets.path().as_os_str().as_encoded_bytes())
    }

    /// Creates a database, empty or as a copy of `template`, which must have no connections.
    ///
    /// # Errors
    /// [`Error::BadName`] unless the names have 1 to 63 lower-case letters, digits and underscores;
    /// [`Error::Psql`] if Postgres refuses, for instance because the database exists;
    /// [`Error::Io`].
    pub fn create_database(&self, name: &str, template: Option<&str>) -> Result<(), Error> {
        let mut sql = format!("CREATE DATABASE \"{}\"", psql::check_name(name)?);
        if let Some(template) = template {
            sql.push_str(&format!(" TEMPLATE \"{}\"", psql::check_name(template)?));
        }
        self.sql(&sql).map(|_| ())
    }

    /// Whether there is a database of this name.
    ///
    /// # Errors
    /// [`Error::BadName`] as for [`create_database`](Self::create_database); [`Error::Psql`] if
    /// Postgres can't be reached; [`Error::Io`].
    pub fn has_database(&self, name: &str) -> Result<bool, Error> {
        let name = psql::check_name(name)?;
        let count =
            self.sql(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'"))?;
        Ok(count != "0")
    }

    /// Promotes a standby, and blocks until it accepts writes.
    ///
    /// # Errors
    /// [`Error::TooSlow`] after 60 s, [`Error::Psql`] if it is no standby or does not run,
    /// [`Error::Io`].
    pub fn promote(&self) -> Result<(), Error> {
        // pg_promote waits, and returns false on timeout.
        match self.sql(&format!("SELECT pg_promote(true, {PROMOTION_SECONDS})"))?.as_str() {
            "t" => Ok(()),
            _ => Err(Error::TooSlow {
                what: "accept writes",
                seconds: PROMOTION_SECONDS,
                log: self.log.tail(),
            }),
        }
    }

    fn sql(&self, sql: &str) -> Result<String, Error> {
        psql::run(&self.launcher.binaries.program("psql"), &self.url("postgres"), sql)
    }

    /// Returns the directory of Postgres' programs, for `pgbench`, `pg_dump` and others.
    pub fn bin_dir(&self) -> &Path {
        &self.launcher.binaries.directory
    }

    /// Returns Postgres' data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Returns the path of Postgres' log.
    pub fn log_file(&self) -> &Path {
        self.log.path()
    }

    /// Returns the process id of the postmaster, the parent of all processes of Postgres; `None`
    /// while Postgres is stopped. After a crash it stays the old one until [`start`](Self::start).
    pub fn postmaster_pid(&self) -> Option<u32> {
        self.postmaster.as_ref().map(Postmaster::pid)
    }

    /// Starts Postgres again after [`stop`](Self::stop), [`kill`](Self::kill) or a crash, and
    /// blocks until it accepts connections. URLs stay valid. Does nothing while it runs.
    ///
    /// # Errors
    /// [`Error::Failed`] with the end of its log, [`Error::TooSlow`] after 30 s,
    /// [`Error::CannotEnter`], [`Error::Io`].
    pub fn start(&mut self) -> Result<(), Error> {
        if let Some(postmaster) = &mut self.postmaster {
            if postmaster.is_running() {
                return Ok(());
            }
            self.forget_postmaster()?;
        }
        let log = self.log.open()?;
        let mut command = self.launcher.command("postgres", &self.data_dir, log)?;
        for (name, value) in &self.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let postmaster = Postmaster::spawn(command, self.data_dir.clone())?;
        let pid = postmaster.pid();
        let postmaster = self.postmaster.insert(postmaster);
        let ready = self.guardian.running(pid).and_then(|()| postmaster.await_ready(&self.log));
        if ready.is_err() {
            // The first error is the one to report.
            let _ = self.stop();
        }
        ready
    }

    /// Stops Postgres by a fast shutdown (SIGINT), which ends the sessions of its clients; after 10
    /// s by an immediate one, after another 10 s by SIGKILL. The data and the URLs stay. Does
    /// nothing while it is stopped.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn stop(&mut self) -> Result<(), Error> {
        let Some(postmaster) = &mut self.postmaster else {
            return Ok(());
        };
        postmaster.stop().map_err(Error::io("stop Postgres"))?;
        self.forget_postmaster()
    }

    /// Kills all processes of Postgres at once (SIGKILL), as a power cut would. They have ended on
    /// return; the next [`start`](Self::start) recovers the data. The connections of clients are
    /// closed without an error message.
    ///
    /// A cluster that isn't [durable](Builder::durable) may lose the commits of the last second,
    /// unless `synchronous_commit` is `on`.
    ///
    /// A cluster that is dropped without being started again leaves a System V shared memory
    /// segment of a few bytes.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::TooSlow`], [`Error::Io`]
    pub fn kill(&mut self) -> Result<(), Error> {
        running(&mut self.postmaster)?.kill(&self.log)?;
        self.forget_postmaster()
    }

    /// Pauses all processes of Postgres (SIGSTOP): connections are still accepted, but never get a
    /// response.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::TooSlow`], [`Error::Io`]
    pub fn pause(&mut self) -> Result<(), Error> {
        running(&mut self.postmaster)?.pause(&self.log)
    }

    /// Resumes all processes of Postgres (SIGCONT).
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Io`]
    pub fn resume(&mut self) -> Result<(), Error> {
        running(&mut self.postmaster)?.resume().map_err(Error::io("resume Postgres"))
    }

    fn forget_postmaster(&mut self) -> Result<(), Error> {
        self.postmaster = None;
        self.guardian.stopped()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // drop can't return an error.
        let _ = self.stop();
    }
}

fn running(postmaster: &mut Option<Postmaster>) -> Result<&mut Postmaster, Error> {
    let postmaster = postmaster.as_mut().ok_or(Error::NotRunning)?;
    if postmaster.is_running() { Ok(postmaster) } else { Err(Error::NotRunning) }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encode(b"/tmp/caseload-a~1._Z?\xff"), "%2Ftmp%2Fcaseload-a~1._Z%3F%FF");
    }
}
