//! A Postgres that speaks TLS on a port, and accepts nothing else there.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
};

use localdb::Cluster;
use store::DatabaseUrl;
use tempfile::TempDir;

use crate::support::{
    Authority, CASELOAD, Exited, Holder, Program, ReservedPort, polling::wait_until, psql,
};

/// The password of both roles.
pub(super) const PASSWORD: &str = "hunter2";

/// Who may connect over TLS, with the password. `mutual` needs a certificate of its name as well.
pub(super) const APP: &str = "app";
pub(super) const MUTUAL: &str = "mutual";

const RULES: &str = "\
local all all trust
hostssl all mutual 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all all 127.0.0.1/32 scram-sha-256
";

/// A Postgres whose certificate is for `localhost`, with a database `caseload` that is empty.
pub(super) struct SecurePostgres {
    pub(super) cluster: Cluster,
    pub(super) authority: Authority,
    port: ReservedPort,
    /// What clients have.
    files: TempDir,
}

impl SecurePostgres {
    pub(super) fn start() -> Self {
        let port = ReservedPort::reserve();
        let cluster = Cluster::temporary()
            .loopback_port(port.addr().port())
            .setting("shared_buffers", "4MB")
            .setting("max_connections", "60")
            .setting("password_encryption", "scram-sha-256")
            .setting("ssl_ca_file", "ca.pem")
            .start()
            .unwrap();
        let (authority, files) = (Authority::create("Acme"), tempfile::tempdir().unwrap());
        let postgres = Self { cluster, authority, port, files };
        let library = postgres.query("SELECT current_setting('ssl_library')");
        assert_ne!(
            library, "",
            "this Postgres was built without TLS: name one by CASELOAD_POSTGRES_BIN"
        );
        postgres.write("ca.pem", &postgres.authority.certificate());
        for role in [APP, MUTUAL] {
            postgres.query(&format!("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{PASSWORD}'"));
        }
        postgres.cluster.create_database("caseload", None).unwrap();
        postgres.install("ca.pem", &postgres.authority.certificate());
        postgres.install("pg_hba.conf", RULES);
        postgres.serve(&postgres.authority, Holder { names: &["localhost"], ..Holder::default() });
        postgres.query("ALTER SYSTEM SET ssl = on");
        postgres.reload();
        wait_until("TLS", || postgres.query("SHOW ssl") == "on");
        postgres
    }

    /// Replaces the server's certificate. It is used from the next reload on.
    pub(super) fn serve(&self, authority: &Authority, holder: Holder<'_>) {
        let issued = authority.issue(holder);
        self.install("server.key", &issued.key);
        self.install("server.crt", &issued.certificate);
    }

    /// Has Postgres read its files again.
    pub(super) fn reload(&self) {
        self.query("SELECT pg_reload_conf()");
    }

    /// Runs SQL as the superuser, through the socket.
    pub(super) fn query(&self, sql: &str) -> String {
        psql(&self.cluster.url("postgres").parse().unwrap(), sql)
    }

    /// Writes a file that only Postgres can read, into its data directory.
    fn install(&self, name: &str, content: &str) {
        let path = self.cluster.data_dir().join(name);
        let temporary = path.with_extension("new");
        fs::write(&temporary, content).unwrap();
        fs::set_permissions(&temporary, Permissions::from_mode(0o600)).unwrap();
        let owner = fs::metadata(self.cluster.data_dir()).unwrap();
        if fs::metadata(&temporary).unwrap().uid() != owner.uid() {
            chown(&temporary, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        fs::rename(temporary, path).unwrap();
    }

    /// Writes a file that only clients can read. Returns its path.
    pub(super) fn write(&self, name: &str, content: &str) -> String {
        let path = self.files.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Returns the URL of the database for a role, with parameters, at the address that `localhost` has here.
    pub(super) fn url(&self, role: &str, host: &str, parameters: &str) -> DatabaseUrl {
        let port = self.port.addr().port();
        format!(
            "postgresql://{role}:{PASSWORD}@{host}:{port}/caseload?hostaddr=127.0.0.1&{parameters}"
        )
        .parse()
        .unwrap()
    }

    /// Returns the parameters that docs/OPERATIONS.md names, with a file of authorities.
    pub(super) fn verified_by(&self, file: &str) -> String {
        let path = self.files.path().join(file);
        format!("sslmode=verify-full&sslrootcert={}", path.display())
    }

    /// Returns the URL as docs/OPERATIONS.md says.
    pub(super) fn good_url(&self) -> DatabaseUrl {
        self.url(APP, "localhost", &self.verified_by("ca.pem"))
    }
}

/// Runs a command on a database.
pub(super) fn run(url: &DatabaseUrl, args: &[&str]) -> Exited {
    start(url, args).wait_for_exit()
}

/// Starts a command on a database.
pub(super) fn start(url: &DatabaseUrl, args: &[&str]) -> Program {
    Program::start_with_env(CASELOAD, args, &[("CASELOAD_DATABASE_URL", url.expose())])
}
