//! What is measured: a durable Postgres with data, and Caseload's programs.

use std::{net::SocketAddr, path::Path, sync::Arc};

use domain::ApiKey;
use localdb::Cluster;
use tempfile::TempDir;

use crate::{
    cell::Contender,
    load::{
        data::{self, SETTINGS, psql},
        guardian::Guardian,
        program::Program,
        usage::{self, Cpu},
    },
    work::{Batch, CASES, Spread, TENANTS, USERS, Work},
};

const DATABASE: &str = "bench";

/// A Postgres with data, a server with a gateway, and a server of the plain design, or of another build.
pub(crate) struct World {
    server: Program,
    gateway: Program,
    plain: Program,
    // Fields are dropped in order: Postgres after the programs that use it.
    cluster: Cluster,
    /// Has the logs, and the files of pgbench.
    directory: TempDir,
    /// Leaked, as the tasks of the loads borrow them.
    batches: Vec<((Work, Spread), &'static [Batch])>,
    batches_of_tenants: [&'static [Batch]; 3],
}

impl World {
    pub(crate) fn start(server_args: &[&str], beside: Option<&Path>) -> Self {
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
        let keys = load(&cluster, &url);

        let directory = tempfile::tempdir().unwrap();
        let guardian = Arc::new(Guardian::of(directory.path()));
        let program = |name: &str, log: &str, protocol| {
            Program::new(name, &directory.path().join(log), protocol, &guardian)
        };
        let mut server = program("caseload", "server.log", "gRPC");
        server.command.arg("serve").args(server_args);
        let other = beside.map_or("caseload", |path| path.to_str().unwrap());
        let mut plain = program(other, "plain.log", "gRPC");
        plain.command.arg("serve");
        match beside {
            Some(_) => plain.command.args(server_args),
            None => plain.command.args(["--plain-writes", "--readers", "16"]),
        };
        for program in [&mut server, &mut plain] {
            program.command.args(["--database-url", &url, "--grpc-addr", "127.0.0.1:0"]);
            program.start();
        }
        let mut gateway = program("caseload-gateway", "gateway.log", "REST");
        let upstream = format!("http://{}", server.addr());
        gateway.command.args(["--http-addr", "127.0.0.1:0", "--upstream", &upstream]);
        gateway.start();
        server.await_ready();
        plain.await_ready();

        let mut batches = Vec::new();
        for work in [Work::Sample, Work::Full] {
            for spread in [Spread::Tenants, Spread::OneTenant] {
                let all: &'static [Batch] = Batch::all(work, spread, &keys).leak();
                batches.push(((work, spread), all));
            }
        }
        let batches_of_tenants = [0, 1, 2].map(|tenant| {
            let batches: &'static [Batch] = Batch::of_tenant(tenant, &keys).leak();
            batches
        });
        Self { server, gateway, plain, cluster, directory, batches, batches_of_tenants }
    }

    pub(crate) fn batches(&self, work: Work, spread: Spread) -> &'static [Batch] {
        self.batches.iter().find(|(of, _)| *of == (work, spread)).unwrap().1
    }

    /// Returns sample batches of each of three tenants.
    pub(crate) fn batches_of_tenants(&self) -> [&'static [Batch]; 3] {
        self.batches_of_tenants
    }

    pub(crate) fn grpc_addr(&self) -> SocketAddr {
        self.server.addr()
    }

    pub(crate) fn plain_addr(&self) -> SocketAddr {
        self.plain.addr()
    }

    pub(crate) fn rest_addr(&self) -> SocketAddr {
        self.gateway.addr()
    }

    pub(crate) fn database_url(&self) -> String {
        self.cluster.url(DATABASE)
    }

    /// Returns a directory that is removed when the bench ends, even if it is killed.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn bin_dir(&self) -> &Path {
        self.cluster.bin_dir()
    }

    /// Returns the processor time used so far; the server is the one that the contender uses.
    pub(crate) fn cpu(&self, contender: Contender) -> Cpu {
        let server = match contender {
            Contender::Plain | Contender::Beside => &self.plain,
            Contender::Pgbench
            | Contender::Grpc
            | Contender::Keyed
            | Contender::Flood
            | Contender::Hammer
            | Contender::Rest => &self.server,
        };
        Cpu {
            server: usage::cpu_ms(server.pid()),
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
        SETTINGS
            .into_iter()
            .map(|name| format!("{name} = {}", self.psql(&format!("SHOW {name}"))))
            .collect()
    }

    /// Checks that the numbers of rows are exactly those of the acknowledged batches.
    pub(crate) fn check_rows(&self, (tasks, assignments, keys): (u64, u64, u64)) {
        let count =
            |table| self.psql(&format!("SELECT count(*) FROM {table}")).parse::<u64>().unwrap();
        let found = (count("tasks"), count("task_assignees"), count("idempotency_keys"));
        let acknowledged = (tasks, assignments, keys);
        assert_eq!(found, acknowledged, "rows don't match the acknowledged batches");
        println!(
            "rows: {tasks} tasks, {assignments} assignments, {keys} idempotency keys, exactly \
             those acknowledged"
        );
    }

    fn psql(&self, sql: &str) -> String {
        psql(&self.cluster, &self.database_url(), sql)
    }
}

/// Creates the tenants with their users, cases and an API key each.
fn load(cluster: &Cluster, url: &str) -> Vec<ApiKey> {
    let keys = data::create_tenants(url, TENANTS);
    psql(
        cluster,
        url,
        &format!(
            "INSERT INTO users (tenant_id, email, first_name, last_name)
             SELECT tenant, 'user' || n || '@example.com', 'First' || n, 'Last' || n
             FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {USERS}) AS n;
             INSERT INTO cases (tenant_id, id, name)
             SELECT tenant, (tenant - 1) * {CASES} + n, 'Case ' || n
             FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {CASES}) AS n"
        ),
    );
    psql(cluster, url, "VACUUM ANALYZE");
    psql(cluster, url, "CHECKPOINT");
    keys
}
