//! Another session of the database holds a lock on a row that one tenant's calls need.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::{JoinSet, spawn_blocking},
    time::sleep,
};

use crate::{
    caller::{Caller, Path, Sample},
    deployment::{Deployment, Setup, Tenant},
    figures::{Bounds, Figures},
    neighbours::GRANTED,
    siege::{Siege, judge, remains},
    stage::Stage,
    support::Session,
};

/// The default of `--lock-timeout`.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Twice the time for which a lock is held at least: longer than a call may be answered.
const LEAST: Duration = Duration::from_millis(5000);

/// How many calls need the row at any time.
const VICTIMS: usize = 3;

/// The idempotency key whose row is locked.
const KEY: &str = "locked";

/// How long the calls of a tenant wait after one that failed.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let victim = Arc::clone(&deployment.tenants[0]);
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 8).await;
    let duration = stage.attack.max(LEAST) / 2;
    let locks = locks(&victim).into_iter().take(if stage.is_full { 3 } else { 1 });
    let caller = Caller::new(deployment.addresses(), &victim, Path::Grpc, GRANTED);
    let mut of_victims = vec![caller.create("v".to_owned(), Some(KEY)).await];
    for (number, (lock, key)) in locks.enumerate() {
        let session = spawn_blocking({
            let url = deployment.database.url().clone();
            move || {
                let mut session = Session::open(&url);
                session.query(&format!("BEGIN; {lock}"));
                session
            }
        });
        let session = session.await.unwrap();
        let calls = Calls::start(&deployment, &victim, number, key);
        sleep(duration).await;
        spawn_blocking(move || drop(session)).await.unwrap();
        of_victims.extend(calls.stop().await);
    }
    let (samples, failures) = siege.stop().await;
    let remains = remains(deployment).await;
    let slack = Duration::from_millis(if stage.is_full { 500 } else { 1000 });
    let bounds = Bounds { answered: LOCK_TIMEOUT + slack, fair: None };
    let mut figures = judge(&samples, failures, bounds, &remains);
    figures.late(&of_victims, &remains);
    figures
}

/// Returns statements that lock a row, each with the idempotency key of the calls that need it: a row
/// of a case, of a user, of an idempotency key (whose deletion is never committed).
fn locks(victim: &Tenant) -> [(String, Option<&'static str>); 3] {
    let Tenant { id, case_id, .. } = victim;
    [
        (format!("SELECT FROM cases WHERE tenant_id = {id} AND id = {case_id} FOR UPDATE"), None),
        (format!("SELECT FROM users WHERE tenant_id = {id} FOR UPDATE"), None),
        (
            format!("DELETE FROM idempotency_keys WHERE tenant_id = {id} AND key = '{KEY}'"),
            Some(KEY),
        ),
    ]
}

/// Calls of the tenant whose row is locked.
struct Calls {
    callers: JoinSet<Vec<Sample>>,
    is_over: Arc<AtomicBool>,
}

impl Calls {
    fn start(
        deployment: &Deployment,
        victim: &Arc<Tenant>,
        lock: usize,
        key: Option<&'static str>,
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for number in 0..VICTIMS {
            let path = [Path::Grpc, Path::Rest, Path::RestAnew][number % 3];
            let caller = Caller::new(deployment.addresses(), victim, path, GRANTED);
            let is_over = Arc::clone(&is_over);
            callers.spawn(async move {
                let mut samples = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let name = format!("v{lock}-{number}-{}", samples.len());
                    samples.push(caller.create(name, key).await);
                    sleep(PAUSE).await;
                }
                samples
            });
        }
        Self { callers, is_over }
    }

    async fn stop(self) -> Vec<Sample> {
        self.is_over.store(true, Ordering::Relaxed);
        self.callers.join_all().await.concat()
    }
}
