//! Decides when a connection is shut down or closed.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    activity::{Activity, ReachedLimit},
    deadline::after,
    limits::Limits,
};

/// Applies the limits to one connection.
#[derive(Debug)]
pub(crate) struct Lifetime<'a> {
    limits: &'a Limits,
    /// When to check the activity.
    check_at: Instant,
    /// When the maximum age is reached; `None` once it was.
    max_age_at: Option<Instant>,
    /// When an HTTP/2 connection is closed because its requests outlasted the grace.
    close_at: Option<Instant>,
    /// Whether the client was asked to close the connection because it was idle.
    was_idle: bool,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing yet.
    Wait,
    /// Accept no more requests, tell the client so, and complete the running ones.
    ShutDown(ReachedLimit),
    /// Close it, and abort running requests.
    Close(ReachedLimit),
}

impl<'a> Lifetime<'a> {
    /// Returns the lifetime of a connection that was opened now.
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            check_at: after(limits.shortest_timeout()),
            max_age_at: Some(after(jittered(limits.max_age.age, random()))),
            close_at: None,
            was_idle: false,
        }
    }

    /// Returns when to call [`step`](Self::step).
    pub(crate) fn next_step_at(&self) -> Instant {
        let others = [self.max_age_at, self.close_at].into_iter().flatten();
        others.fold(self.check_at, Instant::min)
    }

    /// Returns what to do now.
    pub(crate) fn step(&mut self, activity: &Activity) -> Step {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.close_at) {
            return Step::Close(ReachedLimit::MaxAge);
        }
        if is_due(self.max_age_at) {
            self.max_age_at = None;
            activity.close_with_next_response();
            if !activity.is_http2() {
                // The grace starts with a request, and may be over before the next check.
                self.check_at = self.check_at.min(after(self.limits.max_age.grace));
            }
        }
        // Whether it uses HTTP/2 may become known after the maximum age only.
        if self.max_age_at.is_none() && self.close_at.is_none() && activity.is_http2() {
            self.close_at = Some(after(self.limits.max_age.grace));
            return Step::ShutDown(ReachedLimit::MaxAge);
        }
        if now < self.check_at {
            return Step::Wait;
        }
        match activity.check(self.limits) {
            Ok(next) => {
                self.check_at = next;
                Step::Wait
            }
            Err(ReachedLimit::IdleTimeout) if !self.was_idle => {
                // The client learns of it first, so that it doesn't send a request that nobody
                // reads.
                self.was_idle = true;
                self.check_at = after(self.limits.header_timeout);
                Step::ShutDown(ReachedLimit::IdleTimeout)
            }
            Err(limit) => Step::Close(limit),
        }
    }
}

/// Returns an age that differs from `age` by at most a tenth: the least for 0, the most for 1.
fn jittered(age: Duration, fraction: f64) -> Duration {
    let tenth = age / 10;
    (age - tenth).saturating_add(tenth.mul_f64(2.0 * fraction))
}

/// Returns a random number from 0 to 1. The keys of each hasher are random.
fn random() -> f64 {
    let bits = RandomState::new().hash_one(()) >> 32;
    #[expect(clippy::cast_precision_loss, reason = "an f64 holds 32 bits exactly")]
    let fraction = bits as f64 / f64::from(u32::MAX);
    fraction
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Version;
    use prometheus_client::metrics::gauge::Gauge;

    use crate::limits::MaxAge;

    use super::*;

    const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    const LIMITS: Limits = Limits {
        max_connections: 1,
        header_timeout: secs(10),
        idle_timeout: secs(60),
        http1_idle_timeout: secs(60),
        send_timeout: secs(30),
        max_age: MaxAge { age: secs(1000), grace: secs(30) },
    };

    /// Lets a connection be idle for longer than its maximum age.
    const LONG_IDLE: Limits =
        Limits { idle_timeout: secs(5000), http1_idle_timeout: secs(5000), ..LIMITS };

    /// Waits until there is something to do. Returns it, and after how long.
    async fn next_step(lifetime: &mut Lifetime<'_>, activity: &Activity) -> (Step, Duration) {
        let start = Instant::now();
        loop {
            tokio::time::sleep_until(lifetime.next_step_at()).await;
            match lifetime.step(activity) {
                Step::Wait => {}
                step => return (step, start.elapsed()),
            }
        }
    }

    #[test]
    fn maximum_ages_differ_by_a_tenth_at_most() {
        let ages: Vec<Duration> = (0..1000).map(|_| jittered(secs(100), random())).collect();
        assert!(ages.iter().all(|age| (secs(90)..=secs(110)).contains(age)));
        let (least, most) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
        assert!(*least < secs(92) && *most > secs(108), "{least:?} to {most:?}");
        assert_eq!((jittered(secs(100), 0.0), jittered(secs(100), 1.0)), (secs(90), secs(110)));
        assert_eq!(jittered(Duration::MAX, 1.0), Duration::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn an_http_2_connection_is_shut_down_at_the_max_age_and_closed_after_the_grace() {
        let activity = Arc::new(Activity::new(Gauge::default()));
        let mut lifetime = Lifetime::new(&LIMITS);
        let _request = Activity::start_request(&activity, Version::HTTP_2);
        let (step, age) = next_step(&mut lifetime, &activity).await;
        assert_eq!(step, Step::ShutDown(ReachedLimit::MaxAge));
        assert!((secs(900)..=secs(1101)).contains(&age), "{age:?}");
        let (step, grace) = next_step(&mut lifetime, &activity).await;
        assert_eq!(step, Step::Close(ReachedLimit::MaxAge));
        assert!((secs(30)..secs(31)).contains(&grace), "{grace:?}");
    }

    /// Waits until the connection of this lifetime has reached its maximum age, and no longer.
    async fn reach_max_age(lifetime: &mut Lifetime<'_>, activity: &Activity) {
        while lifetime.max_age_at.is_some() {
            tokio::time::sleep_until(lifetime.next_step_at()).await;
            assert_eq!(lifetime.step(activity), Step::Wait);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_http_1_connection_past_its_max_age_is_closed_with_its_next_response() {
        let activity = Arc::new(Activity::new(Gauge::default()));
        let mut lifetime = Lifetime::new(&LONG_IDLE);
        let mut request = Activity::start_request(&activity, Version::HTTP_11);
        assert!(!request.start_response());
        drop(request);
        reach_max_age(&mut lifetime, &activity).await;
        // While it is idle, nothing happens: a request may be on its way.
        let idle = tokio::time::timeout(secs(1000), next_step(&mut lifetime, &activity)).await;
        assert!(idle.is_err(), "{idle:?}");
        let mut request = Activity::start_request(&activity, Version::HTTP_11);
        assert!(request.start_response());
        drop(request);
        // The client reads nothing of it.
        let (step, grace) = next_step(&mut lifetime, &activity).await;
        assert_eq!(step, Step::Close(ReachedLimit::MaxAge));
        assert!((secs(29)..secs(31)).contains(&grace), "{grace:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_runs_at_the_max_age_over_http_1_is_aborted_after_the_grace() {
        let activity = Arc::new(Activity::new(Gauge::default()));
        let mut lifetime = Lifetime::new(&LIMITS);
        let _request = Activity::start_request(&activity, Version::HTTP_11);
        reach_max_age(&mut lifetime, &activity).await;
        let (step, grace) = next_step(&mut lifetime, &activity).await;
        assert_eq!(step, Step::Close(ReachedLimit::MaxAge));
        assert!((secs(29)..secs(31)).contains(&grace), "{grace:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_after_the_max_age_over_http_1_has_the_grace_for_itself() {
        let activity = Arc::new(Activity::new(Gauge::default()));
        let mut lifetime = Lifetime::new(&LONG_IDLE);
        let mut request = Activity::start_request(&activity, Version::HTTP_11);
        assert!(!request.start_response());
        reach_max_age(&mut lifetime, &activity).await;
        // Its head did not announce the end of the connection, so a request may follow.
        tokio::time::sleep(secs(20)).await;
        drop(request);
        let _request = Activity::start_request(&activity, Version::HTTP_11);
        let (step, grace) = next_step(&mut lifetime, &activity).await;
        assert_eq!(step, Step::Close(ReachedLimit::MaxAge));
        assert!((secs(29)..secs(31)).contains(&grace), "{grace:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_turns_out_to_use_http_2_after_its_max_age_is_shut_down() {
        let activity = Arc::new(Activity::new(Gauge::default()));
        let limits = Limits { header_timeout: secs(2000), ..LONG_IDLE };
        let mut lifetime = Lifetime::new(&limits);
        reach_max_age(&mut lifetime, &activity).await;
        let mut request = Activity::start_request(&activity, Version::HTTP_2);
        assert!(!request.start_response());
        let (step, _) = next_step(&mut lifetime, &activity).await;
        assert_eq!(step, Step::ShutDown(ReachedLimit::MaxAge));
        let (step, grace) = next_step(&mut lifetime, &activity).await;
        assert_eq!(step, Step::Close(ReachedLimit::MaxAge));
        assert!((secs(30)..secs(31)).contains(&grace), "{grace:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_shut_down_and_then_closed_unless_a_request_arrives() {
        let activity = Arc::new(Activity::new(Gauge::default()));
        drop(Activity::start_request(&activity, Version::HTTP_2));
        let mut lifetime = Lifetime::new(&LIMITS);
        let (step, idle) = next_step(&mut lifetime, &activity).await;
        assert_eq!((step, idle.as_secs()), (Step::ShutDown(ReachedLimit::IdleTimeout), 60));
        // A request that crossed the GOAWAY frame is completed, even after the header timeout.
        let request = Activity::start_request(&activity, Version::HTTP_2);
        let waited = tokio::time::timeout(secs(50), next_step(&mut lifetime, &activity)).await;
        assert!(waited.is_err(), "{waited:?}");
        drop(request);
        let (step, idle) = next_step(&mut lifetime, &activity).await;
        assert_eq!((step, idle.as_secs()), (Step::Close(ReachedLimit::IdleTimeout), 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_the_clock_cannot_represent_is_never_reached() {
        let max_age = MaxAge { age: Duration::MAX, grace: Duration::MAX };
        let limits = Limits { idle_timeout: Duration::MAX, max_age, ..LIMITS };
        let activity = Arc::new(Activity::new(Gauge::default()));
        drop(Activity::start_request(&activity, Version::HTTP_2));
        let mut lifetime = Lifetime::new(&limits);
        tokio::time::advance(secs(24 * 3600)).await;
        assert_eq!(lifetime.step(&activity), Step::Wait);
    }
}
