//! The choices before a cluster is started.

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

/// Where socket directories are made. A socket's whole path may have only about 100 bytes, so it's
/// not the system's temporary directory, which is a long path on macOS.
const SOCKET_PLACE: &str = "/tmp";

/// Makes and starts a [`Cluster`]; begin with [`Cluster::temporary`], [`Cluster::persistent`] or
/// [`Cluster::standby_of`].
#[derive(Debug, Clone)]
#[must_use = "nothing runs before `start`"]
pub struct Builder {
    /// `None` for a temporary one.
    path: Option<PathBuf>,
    durable: bool,
    settings: Vec<(String, String)>,
    /// Of a standby.
    primary: Option<Primary>,
}

/// The cluster that a standby follows.
#[derive(Debug, Clone)]
struct Primary {
    url: String,
    binaries: Binaries,
}

impl Builder {
    pub(crate) fn temporary() -> Self {
        let builder = Self { path: None, durable: false, settings: Vec::new(), primary: None };
        // Tests run in parallel, and each has a pool of its own.
        builder.setting("max_connections", "200").setting("shared_buffers", "64MB")
    }

    pub(crate) fn persistent(path: PathBuf) -> Self {
        Self { path: Some(path), durable: true, settings: Vec::new(), primary: None }
            .setting("shared_buffers", "128MB")
    }

    /// A standby must allow as much as its primary does, so it takes over the settings: also those
    /// that make it less durable, which is why it adds none.
    pub(crate) fn standby(
        url: String,
        binaries: Binaries,
        settings: Vec<(String, String)>,
    ) -> Self {
        Self { path: None, durable: true, settings, primary: Some(Primary { url, binaries }) }
    }

    /// Whether what is committed survives a power cut, at the price that has. Without it `fsync`,
    /// `synchronous_commit` and `full_page_writes` are off. By default a persistent cluster is
    /// durable, and a temporary one is not; a bench wants a temporary one that is.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Sets one of Postgres' parameters, as `postgres -c name=value` does, over a default of this
    /// crate too; the last of several values for one name counts. Where Postgres listens
    /// (`listen_addresses`, `port`, `unix_socket_directories`) can't be changed.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Makes the cluster if there's none, starts it, and waits until it accepts connections. That
    /// takes about a second for a new one, and much less for an old one.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], [`Error::IncompleteBinaries`], [`Error::TooOld`] or
    /// [`Error::OtherMajor`] where no Postgres is found that will do; [`Error::InUse`],
    /// [`Error::NotOurs`] or [`Error::CannotEnter`] where the directory won't; [`Error::NoAccount`];
    /// [`Error::Failed`] or [`Error::TooSlow`] where Postgres doesn't start; [`Error::Io`].
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
        leftover::settle(&data_dir)?;

        let sockets = socket_directory(&launcher)?;
        let mut guardian = guard(&home, &sockets)?;
        let mut log = Log::start(home.log_file());
        if major.is_none() {
            let origin = match &self.primary {
                Some(primary) => Origin::Primary(&primary.url),
                None => Origin::Nothing,
            };
            initdb::create(&home, &launcher, &mut log, &mut guardian, origin, self.durable)?;
        }
        let settings = self.all_settings(sockets.path());
        let mut cluster = Cluster::new(launcher, settings, log, sockets, home, guardian);
        cluster.start()?;
        Ok(cluster)
    }

    /// All parameters, in the order that makes the right ones count: the last does.
    fn all_settings(self, sockets: &Path) -> Vec<(String, String)> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut settings = Vec::new();
        if !self.durable {
            // The last one puts shared memory into files of the data directory, so that nothing
            // stays behind in /dev/shm when a cluster that was killed is thrown away.
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
        let port = PORT.to_string();
        let place = [
            ("listen_addresses", ""),
            ("unix_socket_directories", sockets.as_str()),
            ("port", port.as_str()),
        ];
        settings.extend(place.map(owned));
        settings
    }
}

/// Only the user that Postgres runs as can enter it, and root; that's why no password is asked for.
fn socket_directory(launcher: &Launcher) -> Result<TempDir, Error> {
    let sockets = tempfile::Builder::new()
        .prefix("caseload-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(SOCKET_PLACE)
        .map_err(Error::io(format!("make a directory in {SOCKET_PLACE}")))?;
    launcher.own(sockets.path())?;
    Ok(sockets)
}

fn guard(home: &Home, sockets: &TempDir) -> Result<Guardian, Error> {
    let data_dir = home.data_dir();
    if home.is_temporary() {
        let litter = [sockets.path(), home.directory()];
        Guardian::start(&data_dir, Shutdown::Immediate, &litter)
    } else {
        Guardian::start(&data_dir, Shutdown::Fast, &[sockets.path()])
    }
}
