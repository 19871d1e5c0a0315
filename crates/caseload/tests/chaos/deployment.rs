//! What is broken runs here: Postgres, two servers, two gateways, and a link before each.
//!
//! ```text
//! clients ─┬─ link ─► server 1, 2 ── link ──► Postgres
//!          └─ link ─► gateway 1, 2 ─ link ─► either server
//! ```
//!
//! A link takes a connection also where what is behind it is down. Some ways go around the links, so
//! that it's met too that nobody listens.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use domain::{ApiKey, Scope, TenantId};
use localdb::Cluster;
use store::{Database, DatabaseUrl, NewKey, PoolSettings};

use crate::{
    batch::{CASES, TENANTS, USERS},
    guardian::Guardian,
    port::ReservedPort,
    program::Program,
    proxy::{Link, Place},
    report::Tally,
};

const DATABASE: &str = "chaos";
const SOCKET: &str = ".s.PGSQL.5432";

pub(crate) struct World {
    pub(crate) programs: Vec<Program>,
    pub(crate) cluster: Cluster,
    pub(crate) links: Vec<Arc<Link>>,
    /// Where clients reach servers and gateways through links, and without.
    pub(crate) linked: Addresses,
    pub(crate) direct: Addresses,
    pub(crate) keys: Vec<ApiKey>,
    pub(crate) database: Psql,
    _ports: Vec<ReservedPort>,
    _guardian: Arc<Guardian>,
}

#[derive(Default)]
pub(crate) struct Addresses {
    pub(crate) grpc: Vec<SocketAddr>,
    pub(crate) rest: Vec<SocketAddr>,
}

/// The way to the database beside the links.
pub(crate) struct Psql {
    program: PathBuf,
    url: String,
}

impl World {
    /// Starts it all. Logs and sockets go to the directory.
    pub(crate) async fn start(directory: &Path, is_durable: bool, tally: &Arc<Tally>) -> Self {
        let mut builder = Cluster::temporary().durable(true);
        if !is_durable {
            // Nothing but a full buffer makes the log be written soon.
            builder =
                builder.setting("synchronous_commit", "off").setting("wal_writer_delay", "10s");
        }
        let cluster = builder.start().unwrap();
        cluster.create_database(DATABASE, None).unwrap();
        let url = cluster.url(DATABASE);
        let database = Psql { program: cluster.bin_dir().join("psql"), url: url.clone() };
        let keys = load(&database).await;

        let guardian = Arc::new(Guardian::of(directory));
        let start = |name: String, program: &str, args: &[&str]| {
            Program::start(name, program, args, directory, &guardian, tally)
        };
        let sockets = sockets_of(&url);
        let mut world = Self {
            programs: Vec::new(),
            cluster,
            links: Vec::new(),
            linked: Addresses::default(),
            direct: Addresses::default(),
            keys,
            database,
            _ports: Vec::new(),
            _guardian: Arc::clone(&guardian),
        };
        let mut servers = Vec::new();
        for number in ["1", "2"] {
            let place = directory.join(number);
            fs::create_dir(&place).unwrap();
            let (here, there) = (place.join(SOCKET), sockets.join(SOCKET));
            world.links.push(Link::unix("server to Postgres", &here, there, tally));
            let url = url.replace(&escape(&sockets), &escape(&place));
            let addr = world.reserve();
            let args = ["serve", "--database-url", &url, "--grpc-addr", &addr.to_string()];
            world.programs.push(start(format!("server {number}"), "caseload", &args));
            let front = world.link("client to server", &[addr], tally).await;
            world.linked.grpc.push(front);
            world.direct.grpc.push(addr);
            servers.push(addr);
        }
        for number in ["1", "2"] {
            let upstream = if number == "1" {
                let first = world.link("gateway to server", &servers[..1], tally).await;
                format!("http://{first},http://{}", servers[1])
            } else {
                format!("http://{}", world.link("gateway to server", &servers, tally).await)
            };
            let addr = world.reserve();
            let args = ["--http-addr", &addr.to_string(), "--upstream", &upstream];
            world.programs.push(start(format!("gateway {number}"), "caseload-gateway", &args));
            let front = world.link("client to gateway", &[addr], tally).await;
            world.linked.rest.push(front);
            world.direct.rest.push(addr);
        }
        world
    }

    /// Puts a link before one or more places. Returns where it listens.
    async fn link(
        &mut self,
        name: &'static str,
        places: &[SocketAddr],
        tally: &Arc<Tally>,
    ) -> SocketAddr {
        let places = places.iter().copied().map(Place::Tcp).collect();
        let (link, front) = Link::tcp(name, places, tally).await;
        self.links.push(link);
        front
    }

    /// An address that stays a program's own while it is down.
    fn reserve(&mut self) -> SocketAddr {
        let port = ReservedPort::reserve();
        let addr = port.addr();
        self._ports.push(port);
        addr
    }
}

impl Psql {
    pub(crate) fn command(&self, sql: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args([&self.url, "-XAtqv", "ON_ERROR_STOP=1", "-c", sql]).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, sql: &str) -> String {
        let output = self.command(sql).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Migrates, and loads the tenants with their users, cases and a key each.
async fn load(psql: &Psql) -> Vec<ApiKey> {
    let checkout_timeout = Duration::from_secs(10);
    let settings = PoolSettings { writers: 0, readers: 1, checkout_timeout };
    let database = Database::open(&psql.url.parse::<DatabaseUrl>().unwrap(), &settings);
    database.migrate().await.unwrap();
    let mut keys = Vec::new();
    for number in 1..=TENANTS {
        let tenant = database.create_tenant(format!("Tenant {number}")).await.unwrap();
        assert_eq!(usize::try_from(tenant.id).unwrap(), number);
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).unwrap();
        let key = ApiKey::from_random_bytes(bytes);
        let new = NewKey {
            name: "chaos".to_owned(),
            digest: key.digest(),
            scopes: [Scope::TasksWrite].into_iter().collect(),
            expires_at: None,
        };
        database.create_key(TenantId::new(tenant.id).unwrap(), new).await.unwrap();
        keys.push(key);
    }
    psql.run(&format!(
        "INSERT INTO users (tenant_id, email, first_name, last_name)
         SELECT tenant, 'user' || n || '@example.com', 'First' || n, 'Last' || n
         FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {USERS}) AS n;
         INSERT INTO cases (tenant_id, id, name)
         SELECT tenant, (tenant - 1) * {CASES} + n, 'Case ' || n
         FROM generate_series(1, {TENANTS}) AS tenant, generate_series(1, {CASES}) AS n"
    ));
    keys
}

/// The directory of Postgres' socket, as its URL names it.
fn sockets_of(url: &str) -> PathBuf {
    let (_, host) = url.split_once("?host=").unwrap();
    PathBuf::from(host.replace("%2F", "/"))
}

fn escape(path: &Path) -> String {
    path.to_str().unwrap().replace('/', "%2F")
}
