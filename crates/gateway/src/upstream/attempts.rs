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
        Self { family, answered, unreached, lost, timed_out }
    }
}

impl Attempts {
    /// Counts an attempt that has ended.
    pub(super) fn ended<R>(&self, result: &Result<R, Failure>) {
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
             lost, as the connection was; or timed_out",
            self.family.clone(),
        );
    }
}
