//! Rate limits: how many calls a second an API key, and a tenant, may make. Each server counts for
//! itself.

use std::{fmt, hash::Hash, num::NonZeroU32, str::FromStr, time::Duration};

use domain::{Error, KeyId, Principal, Quota, TenantId};
use governor::{
    NotUntil, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use proto::wire::header;
use tonic::metadata::MetadataMap;

/// A rate limit, as it is configured: `100` for 100 calls a second, `100:500` with a burst of 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

/// The largest rate and the largest burst. The limiter counts in nanoseconds, so above one call a
/// nanosecond there would be no time between two calls.
const MAX: u32 = 1_000_000;

/// A text that is not a rate limit.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a rate is RATE or RATE:BURST, both whole numbers of at least 1 and at most {}", MAX)]
pub struct MalformedRate;

impl FromStr for Rate {
    type Err = MalformedRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rate, burst) = text.split_once(':').unwrap_or((text, text));
        let number = |text: &str| {
            let number = text.parse().ok().filter(|number: &NonZeroU32| number.get() <= MAX);
            number.ok_or(MalformedRate)
        };
        Ok(Self { per_second: number(rate)?, burst: number(burst)? })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.per_second, self.burst)
    }
}

/// The rate limits of a server, and what has been used of them.
#[derive(Debug)]
pub(crate) struct RateLimits {
    key: Option<Limiter<(TenantId, KeyId)>>,
    tenant: Option<Limiter<TenantId>>,
}

#[derive(Debug)]
struct Limiter<K: Clone + Eq + Hash> {
    quota: Quota,
    rate: Rate,
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
}

/// What is left of a caller's rate limits, for the caller to read.
#[derive(Debug, Default)]
pub(crate) struct RateLimitReport {
    policies: Vec<String>,
    remaining: Vec<String>,
}

impl RateLimits {
    /// Creates limits for each key and each tenant; `None` means no limit.
    pub(crate) fn new(key: Option<Rate>, tenant: Option<Rate>) -> Self {
        Self {
            key: key.map(|rate| Limiter::new(Quota::Key, rate)),
            tenant: tenant.map(|rate| Limiter::new(Quota::Tenant, rate)),
        }
    }

    /// Counts one call of the caller, and reports what is left.
    ///
    /// # Errors
    /// [`Error::RateLimited`] if a limit is reached.
    pub(crate) fn check(
        &self,
        caller: &Principal,
        report: &mut RateLimitReport,
    ) -> Result<(), Error> {
        if let Some(limiter) = &self.key {
            limiter.check(&(caller.tenant, caller.key), report)?;
        }
        if let Some(limiter) = &self.tenant {
            limiter.check(&caller.tenant, report)?;
        }
        Ok(())
    }
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    fn new(quota: Quota, rate: Rate) -> Self {
        let per_second = governor::Quota::per_second(rate.per_second).allow_burst(rate.burst);
        let limiter = RateLimiter::dashmap(per_second).with_middleware();
        Self { quota, rate, limiter }
    }

    fn check(&self, key: &K, report: &mut RateLimitReport) -> Result<(), Error> {
        let quota = self.quota;
        let Rate { per_second, burst } = self.rate;
        let window = burst.get().div_ceil(per_second.get());
        report.policies.push(format!("\"{quota}\";q={burst};w={window}"));
        match self.limiter.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                report.remaining.push(format!("\"{quota}\";r={remaining}"));
                Ok(())
            }
            Err(rejection) => {
                let retry_after = retry_after(&rejection);
                let seconds = whole_seconds(retry_after);
                report.remaining.push(format!("\"{quota}\";r=0;t={seconds}"));
                Err(Error::RateLimited { quota, retry_after })
            }
        }
    }
}

fn retry_after(
    rejection: &NotUntil<<DefaultClock as governor::clock::Clock>::Instant>,
) -> Duration {
    rejection.wait_time_from(DefaultClock::default().now())
}

/// Rounds up, so that nobody retries too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

impl RateLimitReport {
    /// Writes the fields of draft-ietf-httpapi-ratelimit-headers, if there is a limit.
    pub(crate) fn write_to(&self, metadata: &mut MetadataMap) {
        for (name, items) in
            [(&header::RATELIMIT_POLICY, &self.policies), (&header::RATELIMIT, &self.remaining)]
        {
            // Words and numbers are always a valid value.
            if !items.is_empty()
                && let Ok(value) = items.join(", ").parse()
            {
                metadata.insert(name.as_str(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_may_have_a_burst_and_neither_is_zero() {
        assert_eq!("100".parse::<Rate>().unwrap().to_string(), "100:100");
        assert_eq!("5:50".parse::<Rate>().unwrap().to_string(), "5:50");
        assert_eq!("1:1000000".parse::<Rate>().unwrap().to_string(), "1:1000000");
        for text in [
            "",
            "0",
            "1:0",
            "0:1",
            "-1",
            "1.5",
            "1:",
            ":1",
            "1:2:3",
            "1000001",
            "1:1000001",
            "4294967295",
            "4294967296",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_remaining_quota_is_reported_and_each_caller_has_its_own() {
        let limiter = Limiter::new(Quota::Tenant, "1:2".parse().unwrap());
        let check = |key| {
            let mut report = RateLimitReport::default();
            let is_allowed = limiter.check(&key, &mut report).is_ok();
            assert_eq!(report.policies, ["\"tenant\";q=2;w=2"]);
            (is_allowed, report.remaining.concat())
        };
        assert_eq!(check('a'), (true, "\"tenant\";r=1".to_owned()));
        assert_eq!(check('a'), (true, "\"tenant\";r=0".to_owned()));
        assert_eq!(check('a'), (false, "\"tenant\";r=0;t=1".to_owned()));
        assert_eq!(check('b'), (true, "\"tenant\";r=1".to_owned()));
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
