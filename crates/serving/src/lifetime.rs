//! How long a connection lives.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Limits,
    activity::{Activity, Expired},
};

/// The age at which a connection makes way for a new one, so that clients spread over servers that
/// were added.
#[derive(Clone, Copy, Debug)]
pub struct MaxAge {
    /// When its client is told to open another one; give or take a tenth, so that connections that
    /// were opened together don't all come back together (gRPC proposal A9).
    pub age: Duration,
    /// How long, from then on, what runs on it may take.
    pub grace: Duration,
}

/// When something is to be done about a connection, and what.
#[derive(Debug)]
pub(crate) struct Lifetime<'a> {
    limits: &'a Limits,
    looks_at: Instant,
    ages_at: Option<Instant>,
    cut_at: Option<Instant>,
    was_idle: bool,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing yet.
    Wait,
    /// The client is to be told that no more requests are taken; what runs is finished.
    Tell(Why),
    /// It is to be closed.
    Cut(Why),
}

/// Why something is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It has reached its age.
    Aged,
    /// It rests.
    Idle,
    /// It owes a request, or the opening of HTTP/2.
    Slow,
}

impl<'a> Lifetime<'a> {
    /// That of a connection which begins now.
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            looks_at: after(limits.shortest()),
            ages_at: Some(after(jittered(limits.max_age.age, random()))),
            cut_at: None,
            was_idle: false,
        }
    }

    /// When to ask for the next step.
    pub(crate) fn next(&self) -> Instant {
        let others = [self.ages_at, self.cut_at].into_iter().flatten();
        others.fold(self.looks_at, Instant::min)
    }

    pub(crate) fn step(&mut self, activity: &Activity) -> Step {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.cut_at) {
            return Step::Cut(Why::Aged);
        }
        if is_due(self.ages_at) {
            self.ages_at = None;
            // Over HTTP/1.1 there is no word for it that a request could not cross.
            if activity.is_http2() {
                self.cut_at = Some(after(self.limits.max_age.grace));
                return Step::Tell(Why::Aged);
            }
        }
        if now < self.looks_at {
            return Step::Wait;
        }
        match activity.look(self.limits) {
            Ok(next) => {
                self.looks_at = next;
                Step::Wait
            }
            Err(Expired::Slow) => Step::Cut(Why::Slow),
            Err(Expired::Idle) if self.was_idle => Step::Cut(Why::Idle),
            Err(Expired::Idle) => {
                // It is told first, so that it sends no request that nobody would read.
                self.was_idle = true;
                self.looks_at = after(self.limits.header_timeout);
                Step::Tell(Why::Idle)
            }
        }
    }
}

/// The moment after so much time from now; in a year at the latest, since the clock ends somewhere.
pub(crate) fn after(time: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    Instant::now() + time.min(YEAR)
}

/// An age, give or take a tenth: the least for 0, the most for 1.
fn jittered(age: Duration, fraction: f64) -> Duration {
    let tenth = age / 10;
    (age - tenth).saturating_add(tenth.mul_f64(2.0 * fraction))
}

/// Anything from 0 to 1. The keys of a hasher are random, and new each time.
fn random() -> f64 {
    let bits = RandomState::new().hash_one(()) >> 32;
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
    let fraction = bits as f64 / f64::from(u32::MAX);
    fraction
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Version;

    use super::*;

    const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    const LIMITS: Limits = Limits {
        max_connections: 1,
        header_timeout: secs(10),
        idle_timeout: secs(60),
        max_age: MaxAge { age: secs(1000), grace: secs(30) },
    };

    /// Waits until there is something to do, and returns what, and after how long.
    async fn next_step(lifetime: &mut Lifetime<'_>, activity: &Activity) -> (Step, Duration) {
        let start = Instant::now();
        loop {
            tokio::time::sleep_until(lifetime.next()).await;
            match lifetime.step(activity) {
                Step::Wait => {}
                step => return (step, start.elapsed()),
            }
        }
    }

    #[test]
    fn ages_differ_by_a_tenth_at_the_most() {
        let ages: Vec<Duration> = (0..1000).map(|_| jittered(secs(100), random())).collect();
        assert!(ages.iter().all(|age| (secs(90)..=secs(110)).contains(age)));
        let (least, most) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
        assert!(*least < secs(92) && *most > secs(108), "{least:?} to {most:?}");
        assert_eq!((jittered(secs(100), 0.0), jittered(secs(100), 1.0)), (secs(90), secs(110)));
        assert_eq!(jittered(Duration::MAX, 1.0), Duration::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn an_aged_connection_is_told_and_what_never_ends_is_cut_after_the_grace() {
        let activity = Arc::new(Activity::new());
        let mut lifetime = Lifetime::new(&LIMITS);
        let _running = Activity::begin(&activity, Version::HTTP_2);
        let (step, age) = next_step(&mut lifetime, &activity).await;
        assert_eq!(step, Step::Tell(Why::Aged));
        assert!((secs(900)..=secs(1101)).contains(&age), "{age:?}");
        let (step, grace) = next_step(&mut lifetime, &activity).await;
        assert_eq!(step, Step::Cut(Why::Aged));
        assert!((secs(30)..secs(31)).contains(&grace), "{grace:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_over_http_1_has_no_age() {
        let activity = Arc::new(Activity::new());
        let mut lifetime = Lifetime::new(&LIMITS);
        let running = Activity::begin(&activity, Version::HTTP_11);
        let waited = tokio::time::timeout(secs(2000), next_step(&mut lifetime, &activity)).await;
        assert!(waited.is_err(), "{waited:?}");
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_told_and_then_cut_unless_something_came_all_the_same() {
        let activity = Arc::new(Activity::new());
        drop(Activity::begin(&activity, Version::HTTP_2));
        let mut lifetime = Lifetime::new(&LIMITS);
        let (step, rest) = next_step(&mut lifetime, &activity).await;
        assert_eq!((step, rest.as_secs()), (Step::Tell(Why::Idle), 60));
        // A request that crossed the message has its time, beyond the time to go.
        let running = Activity::begin(&activity, Version::HTTP_2);
        let waited = tokio::time::timeout(secs(50), next_step(&mut lifetime, &activity)).await;
        assert!(waited.is_err(), "{waited:?}");
        drop(running);
        let (step, rest) = next_step(&mut lifetime, &activity).await;
        assert_eq!((step, rest.as_secs()), (Step::Cut(Why::Idle), 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_beyond_what_the_clock_tells_is_none() {
        let max_age = MaxAge { age: Duration::MAX, grace: Duration::MAX };
        let limits = Limits { idle_timeout: Duration::MAX, max_age, ..LIMITS };
        let activity = Arc::new(Activity::new());
        drop(Activity::begin(&activity, Version::HTTP_2));
        let mut lifetime = Lifetime::new(&limits);
        tokio::time::advance(secs(24 * 3600)).await;
        assert_eq!(lifetime.step(&activity), Step::Wait);
    }
}
