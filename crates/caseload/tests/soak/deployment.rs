//! The system under load: Postgres, two servers, two gateways. Faults spare one of each.
//!
//! ```text
//! callers ─┬─► server 1, 2 ─► Postgres (durable)
//!          ├─► gateway 1 ─► server 1, 2
//!          └─► gateway 2 ─ proxy ─► either server
//! ```

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::ApiKey;
use localdb::Cluster;
use tokio::time::sleep;

use crate::{
    clients::Addresses,
    guardian::Guardian,
    knowledge::{CASES, TENANTS, USERS},
    port::ReservedPort,
    processes::Processes,
    program::Program,
    proxy::{Proxy, Upstream},
    psql::Psql,
    report::Report,
    sabotage::Sabotage,
    tenants,
};

const DATABASE: &str = "soak";

/// How long keys and events are kept: so short that they expire during the run, as fast as they are made.
const RETENTION: [&str; 4] = ["--idempotency-ttl", "5m", "--event-retention", "10m"];

/// How long all programs together may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) const POSTGRES: &str = "Postgres";
pub(crate) const SERVERS: [&str; 2] = ["server 1", "server 2"];
pub(crate) const GATEWAYS: [&str; 2] = ["gateway 1", "gateway 2"];

pub(crate) struct Deployment {
    pub(crate) spared: Vec<Running>,
    /// Those that faults are injected into.
    pub(crate) server: Running,
    pub(crate) gateway: Running,
    // Fields are dropped in order: Postgres after the programs that use it.
    pub(crate) cluster: Cluster,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) addresses: Addresses,
    pub(crate) psql: Psql,
    pub(crate) processes: Arc<Processes>,
    _ports: Vec<ReservedPort>,
    _guardian: Arc<Guardian>,
}

/// A program, and where it serves metrics.
pub(crate) struct Running {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) admin: SocketAddr,
}

/// What all programs are started with.
struct Starter<'a> {
    directory: &'a Path,
    guardian: Arc<Guardian>,
    report: &'a Arc<Report>,
    processes: Arc<Processes>,
    ports: Vec<ReservedPort>,
}

impl Deployment {
    /// Starts everything, and returns once it is ready, with a key for each tenant.
    pub(crate) async fn start(
        directory: &Path,
        sabotage: Option<Sabotage>,
        report: &Arc<Report>,
    ) -> (Self, Vec<ApiKey>) {
        let cluster = Cluster::temporary().durable(true).setting("shared_buffers", "256MB");
        let cluster = cluster.start().unwrap();
        cluster.create_database(DATABASE, None).unwrap();
        let psql = Psql::new(&cluster, DATABASE);
        let keys = load(&psql).await;
        let processes = Arc::new(Processes::default());
        processes.started(POSTGRES, cluster.postmaster_pid().unwrap(), None);
        let guardian = Arc::new(Guardian::of(directory));
        let mut starter = Starter { directory, guardian, report, processes, ports: Vec::new() };
        let [server_1, server_2, gateway_1, gateway_2] = [0; 4].map(|_| starter.reserve());
        let servers = [server_1, server_2].map(Upstream::Tcp);
        let (proxy, proxy_addr) =
            Proxy::tcp("gateway 2 to servers", servers.to_vec(), report).await;
        let (upstream, proxied) =
            (format!("http://{server_1},http://{server_2}"), format!("http://{proxy_addr}"));
        let args = sabotage.map_or(&[][..], Sabotage::server_args);
        let spared = vec![
            starter.server(SERVERS[0], server_1, &psql, args),
            starter.gateway(GATEWAYS[0], gateway_1, &upstream),
        ];
        let deployment = Self {
            spared,
            server: starter.server(SERVERS[1], server_2, &psql, &[]),
            gateway: starter.gateway(GATEWAYS[1], gateway_2, &proxied),
            cluster,
            proxy,
            addresses: Addresses {
                grpc: vec![server_1, server_2],
                rest: vec![gateway_1, gateway_2],
            },
            psql,
            processes: starter.processes,
            _ports: starter.ports,
            _guardian: starter.guardian,
        };
        await_ready(&deployment.admins(), report).await;
        (deployment, keys)
    }

    /// Returns where the programs serve metrics.
    pub(crate) fn admins(&self) -> Vec<SocketAddr> {
        self.spared.iter().chain([&self.server, &self.gateway]).map(|it| it.admin).collect()
    }

    /// Stops all programs in order.
    pub(crate) fn stop(&mut self) {
        for running in self.spared.iter_mut().chain([&mut self.server, &mut self.gateway]) {
            running.program.stop();
            running.program.check_log();
        }
    }
}

impl Starter<'_> {
    fn server(
        &mut self,
        name: &'static str,
        addr: SocketAddr,
        psql: &Psql,
        args: &[&str],
    ) -> Running {
        let addr = addr.to_string();
        let own = ["serve", "--database-url", &psql.url, "--grpc-addr", &addr];
        self.start(name, "caseload", &[&own[..], &RETENTION[..], args].concat())
    }

    fn gateway(&mut self, name: &'static str, addr: SocketAddr, upstream: &str) -> Running {
        let args = ["--http-addr", &addr.to_string(), "--upstream", upstream];
        self.start(name, "caseload-gateway", &args)
    }

    fn start(&mut self, name: &'static str, program: &str, args: &[&str]) -> Running {
        let admin = self.reserve();
        let admin_arg = admin.to_string();
        let args = [args, &["--admin-addr", &admin_arg][..]].concat();
        let Self { directory, guardian, report, .. } = self;
        let program = Program::start(name.to_owned(), program, &args, directory, guardian, report);
        self.processes.started(name, program.pid().unwrap(), Some(admin));
        Running { name, program, admin }
    }

    /// Returns an address that stays reserved for a program, also while it is down.
    fn reserve(&mut self) -> SocketAddr {
        let port = ReservedPort::reserve();
        let addr = port.addr();
        self.ports.push(port);
        addr
    }
}

/// Waits until all programs are ready.
pub(crate) async fn await_ready(admins: &[SocketAddr], report: &Report) {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(1));
    let http = http.build().unwrap();
    let deadline = Instant::now() + READY_TIMEOUT;
    for admin in admins {
        loop {
            let response = http.get(format!("http://{admin}/readyz")).send().await;
            if response.is_ok_and(|response| response.status().is_success()) {
                break;
            }
            if Instant::now() > deadline {
                report.unexpected(format!("not ready within {READY_TIMEOUT:?}: {admin}"));
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Migrates the database, and creates the tenants with users and cases. Returns a key for each tenant.
async fn load(psql: &Psql) -> Vec<ApiKey> {
    let keys = tenants::create(&psql.url, TENANTS, "soak").await;
    psql.run(&format!(
        "INSERT INTO users (tenant_id, email, first_name, last_name)
         SELECT tenant, 'user' || n || '@example.com', 'First' || n, 'Last' || n
         FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {USERS}) AS n;
         INSERT INTO cases (tenant_id, id, name)
         SELECT tenant, (tenant - 1) * {CASES} + n, 'Case ' || n
         FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {CASES}) AS n;
         SELECT setval('cases_id_seq', {TENANTS} * {CASES})"
    ));
    keys
}
