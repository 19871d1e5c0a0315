//! Attackers that run side by side until an attack is over.

use std::time::{Duration, Instant};

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// The pause before an attacker tries again what was refused.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// How much longer an attack lasts at most, on a machine that is so slow that it has had too little effect.
const LONGER: Duration = Duration::from_secs(20);

/// A set of attackers. They end when it is dropped.
#[derive(Default)]
pub(crate) struct Swarm {
    attackers: JoinSet<()>,
}

impl Swarm {
    /// Adds an attacker, who repeats an action as long as the attack lasts, with a short pause
    /// between.
    pub(crate) fn add<A, F>(&mut self, mut act: A)
    where
        A: FnMut() -> F + Send + 'static,
        F: Future<Output = ()> + Send,
    {
        self.attackers.spawn(async move {
            loop {
                act().await;
                sleep(PAUSE).await;
            }
        });
    }

    /// Waits until the attack has lasted this long, and ends it.
    pub(crate) async fn attack_for(self, duration: Duration) {
        self.attack_until(duration, || true).await;
    }

    /// Waits until the attack has lasted this long and has had its effect, and ends it; without that effect
    /// after a while, too.
    pub(crate) async fn attack_until(mut self, duration: Duration, has_effect: impl Fn() -> bool) {
        let begun = Instant::now();
        let mut next = duration;
        loop {
            // An attacker ends only if it panics, which is a defect of this suite.
            if let Ok(Some(ended)) = timeout(next, self.attackers.join_next()).await {
                ended.unwrap();
            }
            if has_effect() || begun.elapsed() > duration + LONGER {
                break;
            }
            next = PAUSE;
        }
        self.attackers.shutdown().await;
    }
}
