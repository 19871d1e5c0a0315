//! The options of a cluster, and its first start.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    Cluster, Error,
    account::Account,
    binaries::Binaries,
    cluster::PORT,
    guardian::{Guardian, Shutdown},
    home::Home,
    initdb::{self, Origin},
    launcher::Launcher,
    leftover,
    log::Log,
};

/// The parent of socket directories. The path of a socket is limited to about 100 bytes, so it is
/// not the system's temporary directory, whose path is long on macOS.
const SOCKET_PARENT: &str = "/tmp";

/// Creates and starts a [`Cluster`]. [`Cluster::temporary`], [`Cluster::persistent`] and
/// [`Cluster::standby_of`] return one.
#[derive(Debug, Clone)]
#[must_use = "nothing runs before `start`"]
pub struct Builder {
    /// `None` for a temporary cluster.
    path: Option<PathBuf>,
    durable: bool,
    settings: Vec<(String, String)>,
    /// `None` unless the cluster is a standby.
    primary: Option<Primary>,
    /// The port on the loopback interface; `None` to listen on the socket only.
    loopback_port: Option<u16>,
}

/// The cluster that a standby follows.
#[derive(Debug, Clone)]
struct Primary {
    url: String,
    binaries: Binaries,
}

impl Builder {
    pub(crate) fn temporary() -> Self {
        let builder = Self::new(None, false, Vec::new(), None);
        // Tests run in parallel, each with its own connection pool.
        builder.setting("max_connections", "200").setting("shared_buffers", "64MB")
    }

    pub(crate) fn persistent(path: PathBuf) -> Self {
        Self::new(Some(path), true, Vec::new(), None).setting("shared_buffers", "128MB")
    }

    /// A standby needs limits at least as high as its primary's, so it has the same settings. They
    /// include those for durability.
    pub(crate) fn standby(
        url: String,
        binaries: Binaries,
        settings: Vec<(String, String)>,
    ) -> Self {
        Self::new(None, true, settings, Some(Primary { url, binaries }))
    }

    fn new(
        path: Option<PathBuf>,
        durable: bool,
        settings: Vec<(String, String)>,
        primary: Option<Primary>,
    ) -> Self {
        Self { path, durable, settings, primary, loopback_port: None }
    }

    /// Sets whether committed data survive a power cut. If not, `fsync`, `synchronous_commit` and
    /// `full_page_writes` are off, which is faster. By default a persistent cluster is durable, and
    /// a temporary one is not; a bench needs a temporary one that is.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Sets a parameter of Postgres, as `postgres -c name=value` does. It overrides defaults of
    /// this crate; the last value of a name wins. `listen_addresses`, `port` and
    /// `unix_socket_directories` can't be changed.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Sets a free port on which the server also listens, on 127.0.0.1: there is no TLS on a Unix socket. Every
    /// local user can connect there without a password until the test replaces `pg_hba.conf`.
    pub fn loopback_port(mut self, port: u16) -> Self {
        self.loopback_port = Some(port);
        self
    }

    /// Creates the cluster if it does not exist, starts it, and blocks until it accepts
    /// connections. That takes about a second for a new cluster, and much less for an existing one.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], [`Error::IncompleteBinaries`], [`Error::TooOld`] or
    /// [`Error::OtherMajor`] if no usable Postgres is found; [`Error::InUse`], [`Error::NotOurs`]
    /// or [`Error::CannotEnter`] if the directory can't be used; [`Error::NoAccount`];
    /// [`Error::Failed`] or [`Error::TooSlow`] if Postgres doesn't start; [`Error::Io`].
    pub fn start(self) -> Result<Cluster, Error> {
        let home = match &self.path {
            Some(path) => Home::persistent(path)?,
            None => Home::temporary()?,
        };
        let data_dir = home.data_dir();
        let major = home.major()?;
        let binaries = match &self.primary {
            Some(primary) => primary.binaries.clone(),
            None => Binaries::find(major.map(|major| (data_dir.as_path(), major)))?,
        };
        let launcher = Launcher { binaries, account: Account::choose(&data_dir)? };
        leftover::stop(&data_dir)?;

        let sockets = socket_directory(&launcher)?;
        let mut guardian = guard(&home, &sockets)?;
        let mut log = Log::start(home.log_file());
        if major.is_none() {
            let origin = match &self.primary {
                Some(primary) => Origin::Primary(&primary.url),
                None => Origin::Empty,
            };
            initdb::create(&home, &launcher, &mut log, &mut guardian, origin, self.durable)?;
        }
        let port = self.loopback_port.unwrap_or(PORT);
        let settings = self.all_settings(sockets.path());
        let mut cluster = Cluster::new(launcher, settings, log, (sockets, port), home, guardian);
        cluster.start()?;
        Ok(cluster)
    }

    /// Returns all parameters. Of several values for a name, Postgres uses the last.
    fn all_settings(self, sockets: &Path) -> Vec<(String, String)> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut settings = Vec::new();
        if !self.durable {
            // The last one keeps shared memory in files of the data directory, so that a killed and
            // then removed cluster leaves nothing in /dev/shm.
            let relaxed = [
                ("fsync", "off"),
                ("synchronous_commit", "off"),
                ("full_page_writes", "off"),
                ("dynamic_shared_memory_type", "mmap"),
            ];
            settings.extend(relaxed.map(owned));
        }
        settings.extend(self.settings);
        let sockets = sockets.display().to_string();
        let port = self.loopback_port.unwrap_or(PORT).to_string();
        let address = if self.loopback_port.is_some() { "127.0.0.1" } else { "" };
        let listeners = [
            ("listen_addresses", address),
            ("unix_socket_directories", sockets.as_str()),
            ("port", port.as_str()),
        ];
        settings.extend(listeners.map(owned));
        settings
    }
}

/// Creates a directory that only root and the user that runs Postgres can enter: connections need
/// no password.
fn socket_directory(launcher: &Launcher) -> Result<TempDir, Error> {
    let sockets = tempfile::Builder::new()
        .prefix("caseload-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(SOCKET_PARENT)
        .map_err(Error::io(format!("create a directory in {SOCKET_PARENT}")))?;
    launcher.take_ownership(sockets.path())?;
    Ok(sockets)
}

fn guard(home: &Home, sockets: &TempDir) -> Result<Guardian, Error> {
    let data_dir = home.data_dir();
    if home.is_temporary() {
        let directories = [sockets.path(), home.directory()];
        Guardian::start(&data_dir, Shutdown::Immediate, &directories)
    } else {
        Guardian::start(&data_dir, Shutdown::Fast, &[sockets.path()])
    }
}
