//! Neighbours whose calls may take little longer under an attack than without it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};

use crate::{
    deployment::{Deployment, Tenant},
    figures::{Bounds, Figures},
    latencies::Latencies,
    siege::{Siege, bounds, judge, remains},
    stage::Stage,
    support::Session,
};

/// How much longer than alone a call of a neighbour may take, besides one statement's time.
const FACTOR: u32 = 3;

/// A bound below this would be one of the processors, which the callers use as well.
const LEAST: Duration = Duration::from_millis(60);

/// How often the statements are looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// Honest callers and health checks around an attack, once it is known how long calls take without it.
pub(crate) struct FairSiege {
    siege: Siege,
    /// The 99th percentile of the neighbours alone.
    alone: Duration,
    statements: Statements,
}

impl FairSiege {
    /// Starts neighbours of these tenants alone for half the time of an attack, then again for the attack, with
    /// health checks.
    pub(crate) async fn begin(
        stage: &Stage,
        deployment: &Deployment,
        tenants: &[Arc<Tenant>],
        neighbours: usize,
    ) -> Self {
        let alone = Siege::begin(deployment, tenants, neighbours).await;
        sleep(stage.attack / 2).await;
        let (alone, _) = alone.stop().await;
        let alone = Latencies::of(&alone).quantile(99);
        let siege = Siege::begin(deployment, tenants, neighbours).await;
        Self { siege, alone, statements: Statements::watch(deployment) }
    }

    /// Ends everything, and judges it.
    pub(crate) async fn end(self, stage: &Stage, deployment: Deployment) -> Figures {
        let Self { siege, alone, statements } = self;
        let (samples, failures) = siege.stop().await;
        let statement = statements.stop().await;
        let remains = remains(deployment).await;
        let fair = (alone * FACTOR + statement).max(LEAST);
        // A short attack has too few calls to judge by a ratio of times.
        let bounds = Bounds { fair: stage.is_full.then_some(fair), ..bounds(stage) };
        let mut figures = judge(&samples, failures, bounds, &remains);
        figures.note(format!(
            "p99 alone {alone:.1?}, longest statement {statement:.1?}, bound {fair:.1?}"
        ));
        figures
    }
}

/// Samples how long the statements of the server have been running.
struct Statements {
    longest: JoinHandle<Duration>,
    is_over: Arc<AtomicBool>,
}

impl Statements {
    fn watch(deployment: &Deployment) -> Self {
        const AGE: &str =
            "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)
            FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()";
        let url = deployment.database.url().clone();
        let is_over = Arc::new(AtomicBool::new(false));
        let watching = Arc::clone(&is_over);
        let longest = spawn_blocking(move || {
            let mut session = Session::open(&url);
            let mut longest: f64 = 0.0;
            while !watching.load(Ordering::Relaxed) {
                longest = longest.max(session.query(AGE).parse().unwrap());
                std::thread::sleep(PAUSE);
            }
            Duration::from_secs_f64(longest)
        });
        Self { longest, is_over }
    }

    /// Returns the longest time.
    async fn stop(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        self.longest.await.unwrap()
    }
}
