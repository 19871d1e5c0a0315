//! Fair use: how many batches a second a key, and a tenant, may ask for. Each server counts for
//! itself.

use std::{fmt, hash::Hash, num::NonZeroU32, str::FromStr, time::Duration};

use domain::{Error, KeyId, Principal, Quota, TenantId};
use governor::{
    NotUntil, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use tonic::metadata::MetadataMap;

use crate::LimitOptions;

/// A rate as it is configured: `100`, or `100:500` where up to 500 may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

/// A text that is no rate.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a rate is RATE or RATE:BURST, both whole numbers above 0")]
pub struct MalformedRate;

impl FromStr for Rate {
    type Err = MalformedRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rate, burst) = text.split_once(':').unwrap_or((text, text));
        let number = |text: &str| text.parse().map_err(|_| MalformedRate);
        Ok(Self { per_second: number(rate)?, burst: number(burst)? })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.per_second, self.burst)
    }
}

/// Who has used how much.
#[derive(Debug)]
pub(crate) struct Rates {
    key: Option<Limiter<(TenantId, KeyId)>>,
    tenant: Option<Limiter<TenantId>>,
}

#[derive(Debug)]
struct Limiter<K: Clone + Eq + Hash> {
    quota: Quota,
    rate: Rate,
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
}

/// What is left to a caller, for the caller to read.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    policy: Vec<String>,
    left: Vec<String>,
}

impl Rates {
    pub(crate) fn new(options: &LimitOptions) -> Self {
        Self {
            key: options.key_rate.map(|rate| Limiter::new(Quota::Key, rate)),
            tenant: options.tenant_rate.map(|rate| Limiter::new(Quota::Tenant, rate)),
        }
    }

    /// Takes one batch from the caller's shares, and notes what is left of them.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where one of them is used up.
    pub(crate) fn take(&self, caller: &Principal, allowance: &mut Allowance) -> Result<(), Error> {
        if let Some(limiter) = &self.key {
            limiter.take(&(caller.tenant, caller.key), allowance)?;
        }
        if let Some(limiter) = &self.tenant {
            limiter.take(&caller.tenant, allowance)?;
        }
        Ok(())
    }
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    fn new(quota: Quota, rate: Rate) -> Self {
        let rate_quota = governor::Quota::per_second(rate.per_second).allow_burst(rate.burst);
        let limiter = RateLimiter::dashmap(rate_quota).with_middleware();
        Self { quota, rate, limiter }
    }

    fn take(&self, key: &K, allowance: &mut Allowance) -> Result<(), Error> {
        let quota = self.quota;
        let Rate { per_second, burst } = self.rate;
        let window = burst.get().div_ceil(per_second.get());
        allowance.policy.push(format!("\"{quota}\";q={burst};w={window}"));
        match self.limiter.check_key(key) {
            Ok(state) => {
                allowance.left.push(format!("\"{quota}\";r={}", state.remaining_burst_capacity()));
                Ok(())
            }
            Err(refusal) => {
                let wait = wait(&refusal);
                allowance.left.push(format!("\"{quota}\";r=0;t={}", whole_seconds(wait)));
                Err(Error::RateLimited { quota, retry_after: wait })
            }
        }
    }
}

fn wait(refusal: &NotUntil<<DefaultClock as governor::clock::Clock>::Instant>) -> Duration {
    refusal.wait_time_from(DefaultClock::default().now())
}

/// Not too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl Allowance {
    /// Writes the fields of draft-ietf-httpapi-ratelimit-headers, where there is a limit.
    pub(crate) fn write_to(&self, metadata: &mut MetadataMap) {
        for (name, items) in [("ratelimit-policy", &self.policy), ("ratelimit", &self.left)] {
            // Words and numbers always are a legal value.
            if !items.is_empty()
                && let Ok(value) = items.join(", ").parse()
            {
                metadata.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_may_have_a_burst_and_has_no_zero() {
        assert_eq!("100".parse::<Rate>().unwrap().to_string(), "100:100");
        assert_eq!("5:50".parse::<Rate>().unwrap().to_string(), "5:50");
        for text in ["", "0", "1:0", "0:1", "-1", "1.5", "1:", ":1", "1:2:3", "4294967296"] {
            assert!(text.parse::<Rate>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_left_is_told_and_each_has_a_share_of_its_own() {
        let limiter = Limiter::new(Quota::Tenant, "1:2".parse().unwrap());
        let left = |key| {
            let mut allowance = Allowance::default();
            let is_granted = limiter.take(&key, &mut allowance).is_ok();
            assert_eq!(allowance.policy, ["\"tenant\";q=2;w=2"]);
            (is_granted, allowance.left.concat())
        };
        assert_eq!(left('a'), (true, "\"tenant\";r=1".to_owned()));
        assert_eq!(left('a'), (true, "\"tenant\";r=0".to_owned()));
        assert_eq!(left('a'), (false, "\"tenant\";r=0;t=1".to_owned()));
        assert_eq!(left('b'), (true, "\"tenant\";r=1".to_owned()));
    }

    #[test]
    fn seconds_are_not_too_few() {
        for (millis, seconds) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
