//! Limits the work in flight by time: while the process is behind with what it has, it takes less.
//!
//! A limit by count alone bounds memory, but no time: if a machine is short of processors, two thousand
//! requests in flight may be several seconds of work. Each of them then ends after its caller has left, is
//! made again, and nothing is ever done in time. How far behind the process is shows in a timer: it fires late
//! by as long as a request that is ready waits for its thread. A slow database does not make it late.
//!
//! The limit is adapted as TCP does with its window: it falls by a quarter or more at each check that finds
//! the timer late again, and grows by a sixteenth at each one that does not.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    metrics::counter::Counter,
    registry::{Registry, Unit},
};
use telemetry::Throttle;
use tokio::time::{Instant, sleep};

/// The time from one check of how late the process is to the next, which itself is late by as much.
const INTERVAL: Duration = Duration::from_millis(100);

/// The least that a limit falls to: what is in flight must outlast the time until the next requests come.
const LEAST: usize = 128;

/// The shortest interval between two log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Counts how often, and for how long, a process was late. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct LateMetrics {
    checks: Counter,
    /// A check that is late is itself made later. So a process that is seconds late is checked rarely, and only the
    /// time says how late it is.
    seconds: Counter<f64, AtomicU64>,
}

impl LateMetrics {
    /// Registers both, with a name that says which process is late.
    pub fn register(&self, name: &'static str, registry: &mut Registry) {
        let help = "Checks, up to ten a second, that found the program late by more than --max-lag";
        registry.register(name, help, self.checks.clone());
        let help = "By how much checks found the program late, where that was more than --max-lag";
        registry.register_with_unit(name, help, Unit::Seconds, self.seconds.clone());
    }

    fn late_by(&self, late: Duration) {
        self.checks.inc();
        self.seconds.inc_by(late.as_secs_f64());
    }
}

/// Adapts a limit of `total` for as long as the future lives, so that the process is late by `most` at most. If that is
/// zero, the limit stays. `used` returns what is in flight, and `set` sets what may be. The metrics count when the
/// process is late.
pub async fn adapt(
    total: usize,
    (most, metrics): (Duration, LateMetrics),
    used: impl Fn() -> usize + Send,
    set: impl Fn(usize) + Send,
) {
    if most.is_zero() {
        return;
    }
    let log = Throttle::new(LOG_INTERVAL);
    let mut adaptation = Adaptation { total, limit: total, most, was_late: false };
    loop {
        let due = Instant::now() + INTERVAL;
        sleep(INTERVAL).await;
        let late = due.elapsed();
        let before = adaptation.limit;
        let is_late_again = adaptation.check(late, used());
        if adaptation.limit != before {
            set(adaptation.limit);
        }
        if late > most {
            metrics.late_by(late);
        }
        if is_late_again && let Some(suppressed) = log.allow(Instant::now().into_std()) {
            let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
            let limit = adaptation.limit;
            tracing::warn!(
                late_ms,
                limit,
                suppressed,
                "late with the work in flight; lowering its limit"
            );
        }
    }
}

/// How a limit changes from one check to the next.
#[derive(Debug)]
struct Adaptation {
    total: usize,
    limit: usize,
    most: Duration,
    was_late: bool,
}

impl Adaptation {
    /// Adapts the limit to how late the process is. Returns whether it is late for the second time in a row.
    fn check(&mut self, late: Duration, used: usize) -> bool {
        let is_late = late > self.most;
        // A process that was paused is late once, which says nothing of its load.
        let is_late_again = is_late && self.was_late;
        if is_late_again {
            let left = self.most.div_duration_f64(late).clamp(0.25, 0.75);
            // Somebody alone has half of the limit in flight at most.
            let fallen = (self.limit.min(used.saturating_mul(2)) as f64 * left) as usize;
            self.limit = fallen.max(LEAST).min(self.limit);
        } else if !is_late {
            self.limit = (self.limit + self.limit.div_ceil(16)).min(self.total);
        }
        self.was_late = is_late;
        is_late_again
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use tokio::time::advance;

    use super::*;

    const TOTAL: usize = 2048;

    const MOST: Duration = Duration::from_millis(100);

    const IN_TIME: Duration = Duration::from_millis(2);

    /// Late by so little that the limit falls as slowly as it does.
    const LATE: Duration = Duration::from_millis(110);

    fn adaptation(total: usize) -> Adaptation {
        Adaptation { total, limit: total, most: MOST, was_late: false }
    }

    /// Returns the limit after checks that found the process late by so much, with so much in flight.
    fn limit_after(checks: &[(Duration, usize)]) -> usize {
        let mut adaptation = adaptation(TOTAL);
        for (late, used) in checks {
            adaptation.check(*late, *used);
        }
        adaptation.limit
    }

    #[test]
    fn a_limit_falls_while_the_process_is_late_and_the_faster_the_later_it_is() {
        assert_eq!(limit_after(&[(LATE, TOTAL); 2]), 1536);
        assert_eq!(limit_after(&[(LATE, TOTAL); 3]), 1152);
        assert_eq!(limit_after(&[(2 * MOST, TOTAL); 2]), 1024);
        assert_eq!(limit_after(&[(100 * MOST, TOTAL); 2]), 512);
        assert_eq!(limit_after(&[(LATE, 400); 2]), 600, "of twice what is in flight");
        assert_eq!(limit_after(&[(LATE, 0); 2]), LEAST);
        assert_eq!(limit_after(&[(LATE, TOTAL); 99]), LEAST);
    }

    #[test]
    fn a_process_that_was_paused_once_takes_as_much_as_before() {
        assert_eq!(limit_after(&[(LATE, TOTAL)]), TOTAL);
        assert_eq!(limit_after(&[(LATE, TOTAL), (IN_TIME, 0), (LATE, TOTAL)]), TOTAL);
    }

    #[test]
    fn a_limit_grows_back_within_seconds() {
        let mut checks = vec![(LATE, 0); 9];
        checks.extend([(IN_TIME, 0); 20]);
        assert!((2 * LEAST..TOTAL).contains(&limit_after(&checks)));
        checks.extend([(IN_TIME, 0); 40]);
        assert_eq!(limit_after(&checks), TOTAL);
    }

    #[test]
    fn a_small_limit_stays() {
        let mut adaptation = adaptation(4);
        for late in [LATE, LATE, LATE, IN_TIME] {
            adaptation.check(late, 4);
            assert_eq!(adaptation.limit, 4);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_follows_how_late_the_timer_is() {
        let (limit, metrics) = (Arc::new(AtomicUsize::new(TOTAL)), LateMetrics::default());
        let set = {
            let limit = Arc::clone(&limit);
            move |to| limit.store(to, Relaxed)
        };
        let adaptation = tokio::spawn(adapt(TOTAL, (MOST, metrics.clone()), || TOTAL, set));
        sleep(INTERVAL * 5).await;
        assert_eq!((limit.load(Relaxed), metrics.checks.get()), (TOTAL, 0));
        assert_eq!(metrics.seconds.get(), 0.0, "being late by little is not counted");
        for _ in 0..20 {
            advance(INTERVAL * 9).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(limit.load(Relaxed), LEAST);
        let (checks, seconds) = (metrics.checks.get(), metrics.seconds.get());
        assert!(checks > 5, "{checks}");
        // The clock jumps over nine intervals at a time, of which one is no delay.
        assert!(seconds > 0.7 * checks as f64, "{seconds} s at {checks} checks");
        sleep(INTERVAL * 60).await;
        assert_eq!(limit.load(Relaxed), TOTAL);
        adaptation.abort();
    }

    #[tokio::test]
    async fn zero_turns_it_off() {
        let off = (Duration::ZERO, LateMetrics::default());
        adapt(1, off, || 1, |limit| panic!("{limit}")).await;
    }
}
