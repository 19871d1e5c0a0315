//! The deployment under attack: Postgres, a server and a gateway, and tenants with cases and keys.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use domain::{ApiKey, Email, Networks, Scope};
use store::{Database, NewApiKey, NewUser};
use tokio::runtime::Handle;

use crate::{
    guardian::Guardian,
    stage::Stage,
    support::{
        Program, ReservedPort, TestDatabase,
        polling::{eventually, wait_until},
    },
    tap::Tap,
};

const CASELOAD: &str = env!("CARGO_BIN_EXE_caseload");

/// Options of the server that make it tell clients apart by their addresses. By default it does not,
/// and takes each address of this machine for a proxy. The gateway is one.
const TOLD_APART: &[&str] = &["--trusted-proxies", "127.0.0.1", "--address-share", "25"];

/// Options of the gateway, which faces its clients.
const TOLD_APART_BY_GATEWAY: &[&str] = &["--trusted-proxies", "none"];

/// The number of tenants. The first ones are attackers where a case has attackers with keys.
pub(crate) const TENANTS: usize = 6;

/// How long no statement may run before the last one counts as ended.
const QUIET: Duration = Duration::from_millis(150);

/// The time limit of an orderly stop, longer than the programs' `--drain-timeout`.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// A shell script that becomes a program, whose log goes to a pipe.
const TO_PIPE: &str = r#"program=$1; shift; exec "$program" "$@" 2>"$0""#;

pub(crate) struct Deployment {
    pub(crate) database: TestDatabase,
    pub(crate) tenants: Vec<Arc<Tenant>>,
    pub(crate) grpc: SocketAddr,
    pub(crate) rest: SocketAddr,
    server: Program,
    gateway: Program,
    /// Where honest callers run.
    pub(crate) honest: Handle,
    guardian: Arc<Guardian>,
    tap: Option<Tap>,
    _ports: [ReservedPort; 2],
}

/// Where callers reach both programs.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) grpc: SocketAddr,
    pub(crate) rest: SocketAddr,
}

/// A tenant with one case, one user and one key.
pub(crate) struct Tenant {
    pub(crate) id: i64,
    pub(crate) case_id: i64,
    pub(crate) key: ApiKey,
}

/// The email of each tenant's user.
pub(crate) const EMAIL: &str = "user1@example.com";

/// How a deployment differs from one with default options.
#[derive(Default)]
pub(crate) struct Setup {
    /// Options of both programs.
    pub(crate) args: Vec<&'static str>,
    /// Options of the server alone.
    pub(crate) server_args: Vec<&'static str>,
    /// A pipe for the logs of both programs, instead of one that is read.
    pub(crate) log_pipe: Option<PathBuf>,
    /// A database to use.
    pub(crate) database: Option<TestDatabase>,
    /// What notes when the server sends statements to that database.
    pub(crate) tap: Option<Tap>,
}

/// What is left of a deployment once its programs have ended.
pub(crate) struct Remains {
    pub(crate) database: TestDatabase,
    pub(crate) tap: Option<Tap>,
    /// The largest resident memory of each program.
    pub(crate) server_mib: u64,
    pub(crate) gateway_mib: u64,
    /// Everything that must not happen in any program: panics, an end by itself.
    pub(crate) defects: Vec<String>,
    pub(crate) gateway_log: String,
}

impl Deployment {
    /// Starts both programs, by default on a database of their own. Returns once they are ready.
    pub(crate) async fn start(stage: &Stage, setup: Setup) -> Self {
        let database = setup.database.clone().unwrap_or_else(TestDatabase::create);
        let tenants = populate(&database.open()).await;
        let ports = [ReservedPort::reserve(), ReservedPort::reserve()];
        let [grpc, rest] = [0, 1].map(|index: usize| ports[index].addr());
        let url = database.url().expose();
        let guardian = Arc::clone(&stage.guardian);
        let addr = grpc.to_string();
        let args = [&["serve", "--grpc-addr", &addr], TOLD_APART, &setup.server_args].concat();
        let server = setup.run(CASELOAD, &args, url, &guardian);
        let upstream = format!("http://{grpc}");
        let addr = rest.to_string();
        let args =
            [&["--http-addr", &addr, "--upstream", &upstream], TOLD_APART_BY_GATEWAY].concat();
        let gateway = setup.run(&gateway_path(), &args, "", &guardian);
        await_ready(rest).await;
        let honest = stage.honest.clone();
        let tap = setup.tap;
        Self {
            database,
            tenants,
            grpc,
            rest,
            server,
            gateway,
            honest,
            guardian,
            tap,
            _ports: ports,
        }
    }

    /// Returns where callers reach both programs.
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses { grpc: self.grpc, rest: self.rest }
    }

    /// Stops the server with SIGSTOP. When this returns, it does nothing any more.
    pub(crate) fn freeze_server(&self) {
        self.server.freeze();
    }

    /// Continues it.
    pub(crate) fn resume_server(&self) {
        self.server.resume();
    }

    /// Waits until no statement runs any more, and stops both programs.
    pub(crate) fn finish(self) -> Remains {
        let Self { database, server, gateway, guardian, tap, .. } = self;
        wait_until_quiet(&database);
        let [server_mib, gateway_mib] = [&server, &gateway].map(|program| peak_mib(program.pid()));
        let mut defects = Vec::new();
        let mut gateway_log = String::new();
        for (name, mut program) in [("gateway", gateway), ("server", server)] {
            let pid = program.pid();
            signal(pid, "TERM");
            let end = Instant::now() + STOP_TIMEOUT;
            while !program.has_exited() && Instant::now() < end {
                thread::sleep(QUIET / 10);
            }
            // A program that has exited is not killed any more.
            let exited = program.kill();
            guardian.ended(pid);
            if exited.code() != Some(0) {
                defects.push(format!("{name} ended with {}", exited.status));
            }
            let mut lines = exited.stderr.lines();
            if let Some(line) = lines.find(|line| line.contains("panicked")) {
                defects.push(format!("{name}: {line}"));
            }
            if name == "gateway" {
                gateway_log = exited.stderr;
            }
        }
        Remains { database, tap, server_mib, gateway_mib, defects, gateway_log }
    }
}

/// Returns the path of `caseload-gateway`. Cargo puts all programs of a workspace into one directory.
pub(crate) fn gateway_path() -> String {
    let path = Path::new(CASELOAD).with_file_name("caseload-gateway");
    assert!(path.exists(), "{} does not exist: build it first", path.display());
    path.into_os_string().into_string().unwrap()
}

impl Setup {
    fn run(&self, path: &str, args: &[&str], url: &str, guardian: &Guardian) -> Program {
        let mut args = [args, &self.args, &["--drain-timeout", "3s"]].concat();
        let mut program = path;
        if let Some(pipe) = &self.log_pipe {
            args.splice(0..0, ["-c", TO_PIPE, pipe.to_str().unwrap(), path]);
            program = "sh";
        }
        let program = Program::start_with_env(program, &args, &[("CASELOAD_DATABASE_URL", url)]);
        guardian.started(program.pid());
        program
    }
}

/// Waits until the gateway reports that it can reach a server that is ready.
async fn await_ready(rest: SocketAddr) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{rest}/readyz");
    eventually("a ready gateway", async || {
        let response = http.get(&url).send().await.ok()?;
        response.status().is_success().then_some(())
    })
    .await;
}

async fn populate(database: &Database) -> Vec<Arc<Tenant>> {
    let mut tenants = Vec::new();
    for number in 1..=TENANTS {
        let id = database.create_tenant(format!("Tenant {number}")).await.unwrap().id;
        let user = NewUser {
            email: Email::parse(EMAIL.to_owned()).unwrap(),
            first_name: "John".to_owned(),
            last_name: "Doe".to_owned(),
        };
        database.create_user(id, user).await.unwrap();
        let case = database.create_case(id, "A case".to_owned()).await.unwrap();
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).unwrap();
        let key = ApiKey::from_random_bytes(bytes);
        let new = NewApiKey {
            name: "hostile".to_owned(),
            digest: key.digest(),
            scopes: Scope::ALL.into_iter().collect(),
            networks: Networks::default(),
            expires_at: None,
        };
        database.create_api_key(id, new).await.unwrap();
        tenants.push(Arc::new(Tenant { id: id.get(), case_id: case.id.get(), key }));
    }
    tenants
}

/// Waits until no session of the database has run a statement for a while: until then a batch may be
/// written.
fn wait_until_quiet(database: &TestDatabase) {
    const ACTIVE: &str = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
    let mut quiet = 0;
    wait_until("the end of the last statement", || {
        quiet = if database.query(ACTIVE) == "0" { quiet + 1 } else { 0 };
        thread::sleep(QUIET / 3);
        quiet == 3
    });
}

/// Returns the peak of a process's resident memory (VmHWM), rounded up.
pub(crate) fn peak_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kib.div_ceil(1024)
}

fn signal(pid: u32, name: &str) {
    let pid = pid.to_string();
    // This fails if the process has ended by itself, which its exit status tells.
    let _ = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
}
