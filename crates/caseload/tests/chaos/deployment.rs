//! The deployment under test: Postgres, two servers, two gateways, and proxies between them.
//!
//! ```text
//! clients ─┬─ proxy ─► server 1, 2 ── proxy ──► Postgres
//!          └─ proxy ─► gateway 1, 2 ─ proxy ─► either server
//! ```
//!
//! With `--envoy`, there is one proxy more:
//!
//! ```text
//! clients ─┬──────────────► Envoy ── proxy ──► server 1, 2
//!          └─► gateway 2 ─► Envoy
//! ```
//!
//! A proxy accepts connections even while its upstream is down. Some clients, and one of gateway 1's
//! two connections, bypass the proxies, so that refused connections occur as well.

use std::{
    fs, mem,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::ApiKey;
use localdb::Cluster;

use crate::{
    batch::{CASES, LAST_CASE, TENANTS, USERS},
    envoy::Envoy,
    guardian::Guardian,
    port::ReservedPort,
    program::Program,
    proxy::{Proxy, Upstream},
    psql::Psql,
    report::Report,
    statements::SentStatements,
    tenants,
};

const DATABASE: &str = "chaos";
const SOCKET: &str = ".s.PGSQL.5432";

/// The name of each tenant's API key. The keys are numbered as the tenants are.
pub(crate) const KEY_NAME: &str = "chaos";

pub(crate) struct Deployment {
    pub(crate) programs: Vec<Program>,
    pub(crate) cluster: Cluster,
    pub(crate) proxies: Vec<Arc<Proxy>>,
    /// Where clients reach servers and gateways through proxies.
    pub(crate) proxied: Addresses,
    /// Where clients reach servers and gateways without proxies.
    pub(crate) direct: Addresses,
    /// One for each tenant.
    pub(crate) api_keys: Vec<ApiKey>,
    pub(crate) database: Psql,
    /// What the servers sent to Postgres.
    pub(crate) sent: SentStatements,
    _envoy: Option<Envoy>,
    directory: PathBuf,
    report: Arc<Report>,
    ports: Vec<ReservedPort>,
    guardian: Arc<Guardian>,
}

#[derive(Default)]
pub(crate) struct Addresses {
    pub(crate) grpc: Vec<SocketAddr>,
    pub(crate) rest: Vec<SocketAddr>,
}

impl Deployment {
    /// Starts everything, also Envoy if there is a program. Logs and sockets are created in the directory.
    pub(crate) async fn start(
        directory: &Path,
        is_durable: bool,
        envoy: Option<&Path>,
        report: &Arc<Report>,
    ) -> Self {
        let mut builder = Cluster::temporary().durable(true);
        if !is_durable {
            // Commits are acknowledged at once, and the log is written only every ten seconds or
            // when its buffer is full.
            builder =
                builder.setting("synchronous_commit", "off").setting("wal_writer_delay", "10s");
        }
        let cluster = builder.start().unwrap();
        cluster.create_database(DATABASE, None).unwrap();
        let database = Psql::new(&cluster, DATABASE);
        let api_keys = load(&database).await;
        let mut deployment = Self {
            programs: Vec::new(),
            cluster,
            proxies: Vec::new(),
            proxied: Addresses::default(),
            direct: Addresses::default(),
            api_keys,
            database,
            sent: SentStatements::default(),
            _envoy: None,
            directory: directory.to_owned(),
            report: Arc::clone(report),
            ports: Vec::new(),
            guardian: Arc::new(Guardian::of(directory)),
        };
        for number in [1, 2] {
            deployment.start_server(number).await;
        }
        let servers = deployment.direct.grpc.clone();
        let proxy = deployment.proxy("gateway to server", &servers[..1]).await;
        deployment.start_gateway(1, &format!("http://{proxy},http://{}", servers[1])).await;
        let proxy = match envoy {
            Some(program) => deployment.start_envoy(program),
            None => deployment.proxy("gateway to server", &servers).await,
        };
        deployment.start_gateway(2, &format!("http://{proxy}")).await;
        deployment
    }

    async fn start_server(&mut self, number: usize) {
        let directory = self.directory.join(number.to_string());
        fs::create_dir(&directory).unwrap();
        let sockets = socket_directory(&self.database.url);
        let (listened, upstream) = (directory.join(SOCKET), sockets.join(SOCKET));
        self.proxies.push(Proxy::unix(
            "server to Postgres",
            &listened,
            upstream,
            &self.report,
            &self.sent,
        ));
        let url = self.database.url.replace(&escape(&sockets), &escape(&directory));
        let addr = self.reserve();
        let addr_arg = addr.to_string();
        let mut args = vec!["serve", "--database-url", &url, "--grpc-addr", &addr_arg];
        if number == 2 {
            // Its clients wait longer than this, so they get the response that their time is over.
            args.extend(["--call-timeout", "1s"]);
        }
        self.start_program(format!("server {number}"), "caseload", &args);
        let proxy = self.proxy("client to server", &[addr]).await;
        self.proxied.grpc.push(proxy);
        self.direct.grpc.push(addr);
    }

    /// Starts Envoy between clients and the proxies before the servers, and returns its address.
    fn start_envoy(&mut self, program: &Path) -> SocketAddr {
        let addr = self.reserve();
        let servers = mem::replace(&mut self.proxied.grpc, vec![addr]);
        let envoy = Envoy::start(program, addr, &servers, &self.directory, &self.guardian);
        self._envoy = Some(envoy);
        addr
    }

    async fn start_gateway(&mut self, number: usize, upstream: &str) {
        let addr = self.reserve();
        let args = ["--http-addr", &addr.to_string(), "--upstream", upstream];
        self.start_program(format!("gateway {number}"), "caseload-gateway", &args);
        let proxy = self.proxy("client to gateway", &[addr]).await;
        self.proxied.rest.push(proxy);
        self.direct.rest.push(addr);
    }

    fn start_program(&mut self, name: String, program: &str, args: &[&str]) {
        let program =
            Program::start(name, program, args, &self.directory, &self.guardian, &self.report);
        self.programs.push(program);
    }

    /// Adds a proxy before one or more addresses, and returns its own address.
    async fn proxy(&mut self, name: &'static str, upstreams: &[SocketAddr]) -> SocketAddr {
        let upstreams = upstreams.iter().copied().map(Upstream::Tcp).collect();
        let (proxy, addr) = Proxy::tcp(name, upstreams, &self.report).await;
        self.proxies.push(proxy);
        addr
    }

    /// Returns an address that stays reserved for a program, also while the program is down.
    fn reserve(&mut self) -> SocketAddr {
        let port = ReservedPort::reserve();
        let addr = port.addr();
        self.ports.push(port);
        addr
    }
}

/// Migrates the database, and creates the tenants with users and cases. Returns an API key for each.
async fn load(psql: &Psql) -> Vec<ApiKey> {
    let keys = tenants::create(&psql.url, TENANTS, KEY_NAME).await;
    psql.run(&format!(
        "INSERT INTO users (tenant_id, email, first_name, last_name)
         SELECT tenant, 'user' || n || '@example.com', 'First' || n, 'Last' || n
         FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {USERS}) AS n;
         INSERT INTO cases (tenant_id, id, name)
         SELECT tenant, (tenant - 1) * {CASES} + n, 'Case ' || n
         FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {CASES}) AS n;
         SELECT setval('cases_id_seq', {LAST_CASE})"
    ));
    keys
}

/// Returns the directory of Postgres' socket, which the URL names.
fn socket_directory(url: &str) -> PathBuf {
    let (_, host) = url.split_once("?host=").unwrap();
    PathBuf::from(host.replace("%2F", "/"))
}

fn escape(path: &Path) -> String {
    path.to_str().unwrap().replace('/', "%2F")
}
