//! Honest callers that call all the time while something attacks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinSet, time::sleep};

use crate::{
    caller::{Caller, Outcome, Path, Sample},
    deployment::{Deployment, Tenant},
};

/// The pause of a caller between two calls.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// How long a call of a neighbour may take at most, as it tells the service.
pub(crate) const GRANTED: Duration = Duration::from_secs(10);

/// The callers, while they run.
pub(crate) struct Neighbours {
    callers: JoinSet<Vec<Sample>>,
    is_over: Arc<AtomicBool>,
}

impl Neighbours {
    /// Starts callers of these tenants in turn, a third of them on each path. Returns once every one
    /// of them was served: from then on their API keys and connections are known.
    pub(crate) async fn start(
        deployment: &Deployment,
        tenants: &[Arc<Tenant>],
        count: usize,
    ) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let is_over = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for number in 0..count {
            let path = [Path::Grpc, Path::Rest, Path::RestAnew][number % 3];
            let (addresses, is_over) = (deployment.addresses(), Arc::clone(&is_over));
            let tenant = Arc::clone(&tenants[number % tenants.len()]);
            let name = format!("n{}", NEXT.fetch_add(1, Ordering::Relaxed));
            let (served, first) = oneshot::channel();
            let run = async move {
                let caller = Caller::new(addresses, &tenant, path, GRANTED);
                let first = caller.create(format!("{name}-0"), None).await;
                // The receiver waits for it.
                let _sent = served.send(first.outcome);
                call(caller, name, is_over).await
            };
            callers.spawn_on(run, &deployment.honest);
            let first = first.await.unwrap();
            assert!(matches!(first, Outcome::Created), "before the attack: {first:?}");
        }
        Self { callers, is_over }
    }

    /// Lets each finish its call, and returns all that they sent.
    pub(crate) async fn stop(self) -> Vec<Sample> {
        self.is_over.store(true, Ordering::Relaxed);
        self.callers.join_all().await.concat()
    }
}

/// Calls until it is over. Every other batch has an idempotency key. Callers over REST also work on single
/// tasks, every third time.
async fn call(caller: Caller, name: String, is_over: Arc<AtomicBool>) -> Vec<Sample> {
    let mut samples = Vec::new();
    for number in 1.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{name}-{number}");
        let key = (number % 2 == 0).then_some(&*name);
        if number % 3 == 0 {
            samples.extend(caller.work(&format!("{name}-task")).await);
        } else {
            samples.push(caller.create(name.clone(), key).await);
        }
        sleep(PAUSE).await;
    }
    samples
}
