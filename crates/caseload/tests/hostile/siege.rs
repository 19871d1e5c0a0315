//! Honest callers and health checks around an attack.

use std::{sync::Arc, time::Duration};

use tokio::task::spawn_blocking;

use crate::{
    caller::Sample,
    deployment::{Deployment, Remains, Tenant},
    figures::{Bounds, Figures},
    health::Health,
    neighbours::Neighbours,
    stage::Stage,
};

/// How long a call may take where a case names no other bound.
const ANSWERED: Duration = Duration::from_millis(1500);

/// Returns what holds where a case names no other bound: nothing that an attacker does makes a call of
/// somebody else take longer. The short form runs in `cargo test`, on a machine that has more to do.
pub(crate) fn bounds(stage: &Stage) -> Bounds {
    let slack = if stage.is_full { 1 } else { 2 };
    Bounds { answered: ANSWERED * slack, fair: None }
}

/// What runs from before an attack until after it.
pub(crate) struct Siege {
    neighbours: Neighbours,
    health: Option<Health>,
}

impl Siege {
    /// Starts neighbours of these tenants, and health checks.
    pub(crate) async fn begin(
        deployment: &Deployment,
        tenants: &[Arc<Tenant>],
        neighbours: usize,
    ) -> Self {
        let neighbours = Neighbours::start(deployment, tenants, neighbours).await;
        Self { neighbours, health: Some(Health::watch(deployment)) }
    }

    /// The same without health checks, for attacks on what the programs need.
    pub(crate) async fn without_health(
        deployment: &Deployment,
        tenants: &[Arc<Tenant>],
        neighbours: usize,
    ) -> Self {
        Self { neighbours: Neighbours::start(deployment, tenants, neighbours).await, health: None }
    }

    /// Ends everything, and judges it.
    pub(crate) async fn end(self, deployment: Deployment, bounds: Bounds) -> Figures {
        let (samples, failures) = self.stop().await;
        let remains = remains(deployment).await;
        judge(&samples, failures, bounds, &remains)
    }

    /// Stops the neighbours and the checks. Returns what was sent, and the checks that failed.
    pub(crate) async fn stop(self) -> (Vec<Sample>, Vec<String>) {
        let failures = match self.health {
            Some(health) => health.stop().await,
            None => Vec::new(),
        };
        (self.neighbours.stop().await, failures)
    }
}

/// Stops the programs of a deployment.
pub(crate) async fn remains(deployment: Deployment) -> Remains {
    spawn_blocking(move || deployment.finish()).await.unwrap()
}

/// Judges the calls of neighbours. Each failed check counts as a call that is stalled.
pub(crate) fn judge(
    samples: &[Sample],
    failures: Vec<String>,
    bounds: Bounds,
    remains: &Remains,
) -> Figures {
    let mut figures = Figures::new(samples, bounds, remains);
    for failure in failures {
        figures.defect(failure);
    }
    figures
}
