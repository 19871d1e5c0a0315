//! A private Postgres that has been started, and the faults that a test may want of it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{
    Error, builder::Builder, guardian::Guardian, home::Home, initdb::SUPERUSER, launcher::Launcher,
    log::Log, postmaster::Postmaster, psql,
};

/// The port, which is only a part of the socket's name.
pub(crate) const PORT: u16 = 5432;

/// How long a standby may take to be promoted.
const PROMOTION_SECONDS: u64 = 60;

/// A private Postgres.
///
/// Dropping it stops Postgres (for at most 10 s in an orderly way) and removes its socket, and a
/// temporary cluster's data. The same happens if this process ends without that.
#[derive(Debug)]
pub struct Cluster {
    postmaster: Option<Postmaster>,
    launcher: Launcher,
    settings: Vec<(String, String)>,
    data_dir: PathBuf,
    log: Log,
    // Fields are dropped in order: first the directories go, then the guardian of them.
    sockets: TempDir,
    _home: Home,
    guardian: Guardian,
}

impl Cluster {
    /// A new cluster, whose data go with it: for tests, and [durable](Builder::durable) for benches.
    pub fn temporary() -> Builder {
        Builder::temporary()
    }

    /// The cluster in the directory `path`, which is made if there's none. Its data stay.
    ///
    /// The directory is this crate's: Postgres' data directory is `pgdata` in it, beside its log
    /// `postgres.log`. One process at a time may have it.
    pub fn persistent(path: impl Into<PathBuf>) -> Builder {
        Builder::persistent(path.into())
    }

    /// A temporary cluster that begins as a copy of `primary`, which must run, and follows it. It takes
    /// reads only until it's [promoted](Self::promote). It has the primary's version and settings,
    /// but not its file `postgresql.auto.conf` as that becomes later: set there what the primary alone
    /// is to have, such as `synchronous_standby_names`, by `ALTER SYSTEM`.
    ///
    /// A standby that outlives its primary is no trouble: it waits for it, or is promoted.
    pub fn standby_of(primary: &Self) -> Builder {
        let binaries = primary.launcher.binaries.clone();
        Builder::standby(primary.url("postgres"), binaries, primary.settings.clone())
    }

    pub(crate) fn new(
        launcher: Launcher,
        settings: Vec<(String, String)>,
        log: Log,
        sockets: TempDir,
        home: Home,
        guardian: Guardian,
    ) -> Self {
        let data_dir = home.data_dir();
        Self { postmaster: None, launcher, settings, data_dir, log, sockets, _home: home, guardian }
    }

    /// The URL of a database, for libpq and all that reads URLs as it does: of the superuser,
    /// through the socket. It stays the same for the life of this value. The database need not
    /// exist; `postgres` always does.
    pub fn url(&self, database: &str) -> String {
        let database = encode(database.as_bytes());
        // The port is named lest libpq take that of PGPORT.
        format!("postgresql://{SUPERUSER}@localhost:{PORT}/{database}?host={}", self.host())
    }

    /// The URL of a database on whichever of two clusters takes writes, tried in this order.
    pub fn read_write_url(&self, other: &Self, database: &str) -> String {
        let url = self.url(database);
        format!("{url},{}&target_session_attrs=read-write", other.host())
    }

    /// The directory of the socket, as a host in a URL.
    fn host(&self) -> String {
        encode(self.sockets.path().as_os_str().as_encoded_bytes())
    }

    /// Makes a database, empty or as a copy of `template`, to which nobody may be connected.
    ///
    /// # Errors
    /// [`Error::BadName`] unless the names have 1 to 63 lower-case letters, digits and underscores;
    /// [`Error::Psql`] where Postgres refuses, a database of this name existing for instance;
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
    /// [`Error::BadName`] as above, [`Error::Psql`] where Postgres doesn't answer, [`Error::Io`].
    pub fn has_database(&self, name: &str) -> Result<bool, Error> {
        let name = psql::check_name(name)?;
        let count =
            self.sql(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'"))?;
        Ok(count != "0")
    }

    /// Makes a standby a cluster of its own that takes writes, and waits until it does.
    ///
    /// # Errors
    /// [`Error::TooSlow`] after 60 s, [`Error::Psql`] where it's none or doesn't run, [`Error::Io`].
    pub fn promote(&self) -> Result<(), Error> {
        // It waits by itself, and then answers whether it was in vain.
        match self.sql(&format!("SELECT pg_promote(true, {PROMOTION_SECONDS})"))?.as_str() {
            "t" => Ok(()),
            _ => Err(Error::TooSlow {
                what: "take writes",
                seconds: PROMOTION_SECONDS,
                log: self.log.tail(),
            }),
        }
    }

    fn sql(&self, sql: &str) -> Result<String, Error> {
        psql::run(&self.launcher.binaries.program("psql"), &self.url("postgres"), sql)
    }

    /// The directory of Postgres' programs, for `pgbench`, `pg_dump` and the like.
    pub fn bin_dir(&self) -> &Path {
        &self.launcher.binaries.directory
    }

    /// Postgres' data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The file with what Postgres prints.
    pub fn log_file(&self) -> &Path {
        self.log.path()
    }

    /// The process id of the postmaster, the parent of all of Postgres' processes. `None` while it's
    /// stopped; that of one that ended by itself until the next call of [`start`](Self::start).
    pub fn postmaster_pid(&self) -> Option<u32> {
        self.postmaster.as_ref().map(Postmaster::pid)
    }

    /// Starts Postgres again after [`stop`](Self::stop) or [`kill`](Self::kill), or after it ended by
    /// itself, and waits until it accepts connections. URLs stay valid. Does nothing while it runs.
    ///
    /// # Errors
    /// [`Error::Failed`] with its last words, [`Error::TooSlow`] after 30 s,
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
            // The first error is the one to tell.
            let _ = self.stop();
        }
        ready
    }

    /// Stops Postgres in an orderly way (SIGINT), which ends the sessions of its clients; after 10 s
    /// less orderly. The data and the URLs stay. Does nothing while it's stopped.
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

    /// Kills all processes of Postgres at once (SIGKILL), as a power cut would. They're gone on
    /// return; the next [`start`](Self::start) recovers the data. Clients see their connections close
    /// without a word.
    ///
    /// A cluster that isn't [durable](Builder::durable) may lose the commits of the last second;
    /// with the setting `synchronous_commit` at `on` it doesn't.
    ///
    /// A cluster that is dropped without being started again leaves a System V shared memory segment
    /// of a few bytes behind.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::TooSlow`], [`Error::Io`]
    pub fn kill(&mut self) -> Result<(), Error> {
        running(&mut self.postmaster)?.kill(&self.log)?;
        self.forget_postmaster()
    }

    /// Makes all processes of Postgres stand still (SIGSTOP), as if the machine had stopped
    /// answering: connections are still accepted, and nothing comes back.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::TooSlow`], [`Error::Io`]
    pub fn pause(&mut self) -> Result<(), Error> {
        running(&mut self.postmaster)?.pause(&self.log)
    }

    /// Lets them go on (SIGCONT).
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
        // There's nobody to tell, and `stop` has tried all there is.
        let _ = self.stop();
    }
}

fn running(postmaster: &mut Option<Postmaster>) -> Result<&mut Postmaster, Error> {
    let postmaster = postmaster.as_mut().ok_or(Error::NotRunning)?;
    if postmaster.is_running() { Ok(postmaster) } else { Err(Error::NotRunning) }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
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
