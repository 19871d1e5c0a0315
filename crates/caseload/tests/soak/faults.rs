//! Injects one fault a minute, and repairs it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use clap::ValueEnum;
use domain::{KeyId, TenantId};
use tokio::runtime::Handle;

use crate::{
    caller::Callers,
    deployment::{Deployment, POSTGRES, Running, await_ready},
    faultless::Fault,
    knowledge::TENANTS,
    processes::Processes,
    random::Random,
    tenants,
};

/// How long a program is paused, so that calls wait rather than fail.
const PAUSE: Duration = Duration::from_millis(1500);

/// How long a rotated key goes on working, and how long rows are locked.
const OVERLAP: Duration = Duration::from_secs(3);
const LOCKED_SECONDS: u64 = 2;

/// The time after a repair in which calls do not count as undisturbed.
const SETTLING: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    KillServer,
    StopServer,
    PauseServer,
    KillGateway,
    StopGateway,
    KillPostgres,
    StopPostgres,
    PausePostgres,
    EndSessions,
    CutConnections,
    LockRows,
    Vacuum,
    RotateKey,
}

pub(crate) struct Faults {
    pub(crate) deployment: Deployment,
    pub(crate) callers: Arc<Callers>,
    pub(crate) runtime: Handle,
    pub(crate) random: Random,
    pub(crate) start: Instant,
    pub(crate) ended: Arc<AtomicBool>,
    admins: Vec<SocketAddr>,
    injected: Vec<Fault>,
    kinds: Vec<Kind>,
    /// The kinds that come next.
    bag: Vec<Kind>,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::KillServer => "server 2 killed",
            Self::StopServer => "server 2 restarted in order",
            Self::PauseServer => "server 2 paused",
            Self::KillGateway => "gateway 2 killed",
            Self::StopGateway => "gateway 2 restarted in order",
            Self::KillPostgres => "Postgres killed",
            Self::StopPostgres => "Postgres restarted in order",
            Self::PausePostgres => "Postgres paused",
            Self::EndSessions => "all sessions of Postgres ended",
            Self::CutConnections => "connections of gateway 2 to servers cut",
            Self::LockRows => "cases of a tenant locked",
            Self::Vacuum => "VACUUM ANALYZE",
            Self::RotateKey => "a key rotated, the old one revoked",
        }
    }
}

impl Faults {
    /// Faults of these kinds, of all if there are none.
    pub(crate) fn new(
        deployment: Deployment,
        callers: Arc<Callers>,
        (kinds, random): (&[Kind], Random),
        (start, ended): (Instant, Arc<AtomicBool>),
    ) -> Self {
        let kinds = if kinds.is_empty() { Kind::value_variants() } else { kinds }.to_vec();
        let admins = deployment.admins();
        let (injected, bag, runtime) = (Vec::new(), Vec::new(), Handle::current());
        Self { deployment, callers, runtime, random, start, ended, admins, injected, kinds, bag }
    }

    /// Injects a fault in each period, a fifth to a third of it after its beginning. Returns the system as it is
    /// then, repaired, and the faults.
    pub(crate) fn run(mut self, periods: u32, period: Duration) -> (Deployment, Vec<Fault>) {
        for number in 0..periods {
            let millis = u64::try_from(period.as_millis()).unwrap();
            let at = self.start + period * number + self.random.millis(millis / 5, millis / 3);
            if !self.wait_until(at) {
                break;
            }
            let kind = self.next();
            let from = self.start.elapsed().as_secs_f64();
            self.callers.report.fault(kind.name().to_owned());
            self.callers.recorder.set_disturbed(true);
            self.inject(kind);
            self.runtime.block_on(await_ready(&self.admins, &self.callers.report));
            let to = self.start.elapsed().as_secs_f64();
            self.injected.push(Fault { what: kind.name().to_owned(), from, to });
            let settled = Instant::now() + SETTLING;
            if !self.wait_until(settled) {
                break;
            }
            self.callers.recorder.set_disturbed(false);
        }
        (self.deployment, self.injected)
    }

    /// Blocks until a time. Returns false if the run ends before.
    fn wait_until(&self, at: Instant) -> bool {
        while Instant::now() < at && !self.ended.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
        !self.ended.load(Ordering::Relaxed)
    }

    /// Returns the next kind. Each comes once before any comes again.
    fn next(&mut self) -> Kind {
        if self.bag.is_empty() {
            self.bag.clone_from(&self.kinds);
        }
        let index = self.random.below(self.bag.len());
        self.bag.swap_remove(index)
    }

    /// Injects a fault, and repairs it.
    fn inject(&mut self, kind: Kind) {
        let downtime = self.random.millis(500, 2000);
        let tenant = self.random.below(TENANTS);
        let Deployment { server, gateway, cluster, psql, processes, proxy, .. } =
            &mut self.deployment;
        match kind {
            Kind::KillServer | Kind::KillGateway => {
                let it = if matches!(kind, Kind::KillServer) { server } else { gateway };
                it.program.kill();
                thread::sleep(downtime);
                restart(it, processes);
            }
            Kind::StopServer | Kind::StopGateway => {
                let it = if matches!(kind, Kind::StopServer) { server } else { gateway };
                it.program.stop();
                restart(it, processes);
            }
            Kind::PauseServer => {
                server.program.freeze();
                thread::sleep(PAUSE);
                server.program.resume();
            }
            Kind::KillPostgres | Kind::StopPostgres => {
                match kind {
                    Kind::KillPostgres => cluster.kill().unwrap(),
                    _ => cluster.stop().unwrap(),
                }
                cluster.start().unwrap();
                processes.started(POSTGRES, cluster.postmaster_pid().unwrap(), None);
            }
            Kind::PausePostgres => {
                cluster.pause().unwrap();
                thread::sleep(PAUSE);
                cluster.resume().unwrap();
            }
            Kind::EndSessions => {
                psql.run(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE application_name LIKE 'caseload%'",
                );
            }
            Kind::CutConnections => proxy.cut_all(),
            Kind::LockRows => {
                psql.run(&format!(
                    "BEGIN; SELECT 1 FROM cases WHERE tenant_id = {} FOR UPDATE;
                     SELECT pg_sleep({LOCKED_SECONDS}); ROLLBACK",
                    tenant + 1
                ));
            }
            Kind::Vacuum => {
                psql.run("VACUUM ANALYZE");
            }
            Kind::RotateKey => self.rotate_key(tenant),
        }
    }

    /// Gives a tenant another key, and revokes the old one once callers have changed over. No call may fail.
    fn rotate_key(&self, tenant: usize) {
        let number = i64::try_from(tenant + 1).unwrap();
        let old = self.deployment.psql.run(&format!(
            "SELECT id FROM api_keys WHERE tenant_id = {number} AND revoked_at IS NULL
             ORDER BY id DESC LIMIT 1"
        ));
        let (id, old) = (TenantId::new(number).unwrap(), KeyId::new(old.parse().unwrap()).unwrap());
        let key = tenants::random_key();
        self.runtime.block_on(async {
            let database = tenants::open(&self.deployment.psql.url);
            let until = SystemTime::now() + OVERLAP * 10;
            database.rotate_api_key(id, old, key.digest(), until).await.unwrap();
            self.callers.knowledge.tenants[tenant].set_key(key);
            tokio::time::sleep(OVERLAP).await;
            database.revoke_api_key(id, old).await.unwrap();
        });
    }
}

/// Starts a program that has ended.
fn restart(it: &mut Running, processes: &Processes) {
    it.program.restart();
    processes.started(it.name, it.program.pid().unwrap(), Some(it.admin));
}
