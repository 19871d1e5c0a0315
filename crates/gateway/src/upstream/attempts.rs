//! Counts the attempts at calls, by how they ended.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::failure::Failure;

/// The attempts at all calls. Clones share the counters.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    family: Family<Ended, Counter>,
    answered: Counter,
    unreached: Counter,
    lost: Counter,
    timed_out: Counter,
    given_up: Counter,
}

/// An attempt that goes on. One that is dropped was given up by its caller.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    has_ended: bool,
}

impl Attempt<'_> {
    /// Counts the attempt as ended.
    pub(super) fn end<R>(mut self, result: &Result<R, Failure>) {
        self.has_ended = true;
        self.attempts.ended(result);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.attempts.given_up.inc();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

impl Default for Attempts {
    fn default() -> Self {
        let family = Family::<Ended, Counter>::default();
        let counter = |result| family.get_or_create_owned(&Ended { result });
        let answered = counter("answered");
        let unreached = counter("unreached");
        let lost = counter("lost");
        let timed_out = counter("timed_out");
        let given_up = counter("given_up");
        Self { family, answered, unreached, lost, timed_out, given_up }
    }
}

impl Attempts {
    /// Begins an attempt.
    pub(super) fn begin(&self) -> Attempt<'_> {
        Attempt { attempts: self, has_ended: false }
    }

    fn ended<R>(&self, result: &Result<R, Failure>) {
        let counter = match result {
            Err(Failure::Unreached) => &self.unreached,
            Err(Failure::Lost) => &self.lost,
            Err(Failure::TimedOut) => &self.timed_out,
            Ok(_) | Err(Failure::Status(_) | Failure::Rejected(_)) => &self.answered,
        };
        counter.inc();
    }

    /// Registers the counters.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "upstream_attempts",
            "Attempts at calls to servers: answered, by a server or by what is in between; unreached; \
             lost, as the connection was; timed_out; or given_up by their callers",
            self.family.clone(),
        );
    }
}
