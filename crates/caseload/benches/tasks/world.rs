//! What is measured: a durable Postgres with tasks, a server and a gateway.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

use localdb::Cluster;
use tempfile::TempDir;

use crate::load::{
    data::{self, SETTINGS, psql},
    guardian::Guardian,
    pgbench,
    program::Program,
    usage::{self, Cpu},
};

pub(crate) const TENANTS: i64 = 10;
/// The cases of each tenant.
pub(crate) const CASES: i64 = 200;
/// The tasks of each case.
pub(crate) const TASKS: i64 = 100;
/// The assignees of each task.
pub(crate) const ASSIGNEES: usize = 2;
/// The users of each tenant.
const USERS: i64 = 1000;

const DATABASE: &str = "bench";

/// A Postgres with tasks, a server and a gateway.
pub(crate) struct World {
    server: Program,
    gateway: Program,
    // Fields are dropped in order: Postgres after the programs that use it.
    cluster: Cluster,
    url: String,
    /// Has the logs, and the files of pgbench.
    directory: TempDir,
    /// Leaked, as the tasks of the loads borrow them.
    keys: &'static [String],
}

impl World {
    pub(crate) fn start(server_args: &[&str]) -> Self {
        // Checkpoints are rare and spread out, so that they slow down no contender more than
        // another.
        let cluster = Cluster::temporary()
            .durable(true)
            .setting("max_wal_size", "16GB")
            .setting("checkpoint_timeout", "1h")
            .start()
            .unwrap();
        cluster.create_database(DATABASE, None).unwrap();
        let url = cluster.url(DATABASE);
        let keys = data::create_tenants(&url, TENANTS);
        let keys: Vec<String> = keys.iter().map(|key| key.expose().to_owned()).collect();
        for statement in load_tasks().split(';') {
            psql(&cluster, &url, statement);
        }
        if server_args.contains(&"--row-level-security") {
            secure(&cluster, &url);
        }

        let directory = tempfile::tempdir().unwrap();
        let guardian = Arc::new(Guardian::of(directory.path()));
        let program = |name: &str, log: &str, protocol| {
            Program::new(name, &directory.path().join(log), protocol, &guardian)
        };
        let mut server = program("caseload", "server.log", "gRPC");
        server.command.args(["serve", "--database-url", &url, "--grpc-addr", "127.0.0.1:0"]);
        server.command.args(server_args);
        server.start();
        let mut gateway = program("caseload-gateway", "gateway.log", "REST");
        let upstream = format!("http://{}", server.addr());
        gateway.command.args(["--http-addr", "127.0.0.1:0", "--upstream", &upstream]);
        gateway.start();
        server.await_ready();
        Self { server, gateway, cluster, url, directory, keys: keys.leak() }
    }

    /// Returns the API key of each tenant.
    pub(crate) fn keys(&self) -> &'static [String] {
        self.keys
    }

    pub(crate) fn grpc_addr(&self) -> SocketAddr {
        self.server.addr()
    }

    pub(crate) fn rest_addr(&self) -> SocketAddr {
        self.gateway.addr()
    }

    pub(crate) fn pgbench_target(&self) -> pgbench::Target<'_> {
        pgbench::Target {
            bin_dir: self.cluster.bin_dir(),
            database_url: &self.url,
            directory: self.directory.path(),
        }
    }

    /// Returns the processor time used so far.
    pub(crate) fn cpu(&self) -> Cpu {
        Cpu {
            server: usage::cpu_ms(self.server.pid()),
            gateway: usage::cpu_ms(self.gateway.pid()),
            postgres: usage::tree_cpu_ms(self.cluster.postmaster_pid().unwrap()),
        }
    }

    /// Returns the memory of server, gateway (their peaks) and Postgres (now), in MiB.
    pub(crate) fn memory_mib(&self) -> [f64; 3] {
        [
            usage::peak_rss_mib(self.server.pid()),
            usage::peak_rss_mib(self.gateway.pid()),
            usage::tree_pss_mib(self.cluster.postmaster_pid().unwrap()),
        ]
    }

    /// Returns the settings of Postgres that matter here, as it reports them.
    pub(crate) fn settings(&self) -> Vec<String> {
        let show = |name| psql(&self.cluster, &self.url, &format!("SHOW {name}"));
        SETTINGS.into_iter().map(|name| format!("{name} = {}", show(name))).collect()
    }
}

/// Returns the statements that create users, cases and tasks.
fn load_tasks() -> String {
    format!(
        "INSERT INTO users (tenant_id, id, email, first_name, last_name)
         SELECT tenant, n, 'user' || n || '@example.com', 'First' || n, 'Last' || n
         FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {USERS}) AS n;
         INSERT INTO cases (tenant_id, id, name)
         SELECT (n - 1) / {CASES} + 1, n, 'Case ' || n
         FROM generate_series(1, {TENANTS} * {CASES}) AS n;
         INSERT INTO tasks (tenant_id, id, case_id, description)
         SELECT c.tenant_id, (c.id - 1) * {TASKS} + n, c.id, 'Review security logs ' || n
         FROM cases AS c, generate_series(1, {TASKS}) AS n;
         INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
         SELECT t.tenant_id, t.id, 1 + (t.id * 7 + n) % {USERS}, n
         FROM tasks AS t, generate_series(0, {ASSIGNEES} - 1) AS n;
         VACUUM ANALYZE;
         CHECKPOINT"
    )
}

/// Sets the database up for row-level security.
fn secure(cluster: &Cluster, url: &str) {
    for file in ["roles.sql", "row_level_security.sql"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file);
        let mut psql = Command::new(cluster.bin_dir().join("psql"));
        let status = psql.args(["--no-psqlrc", "--quiet", "--file"]).arg(file).arg(url).status();
        assert!(status.unwrap().success());
    }
}
