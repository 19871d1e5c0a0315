//! What a quiet tenant's calls take while others flood the server.

use std::{fmt, thread, time::Duration};

use hdrhistogram::Histogram;

use crate::{
    grpc::{self, IdempotencyKeys, RetryDelay},
    tally::{Tally, quantile_ms},
    work::Batch,
    world::World,
};

/// The callers of each of the two tenants that flood the server: more than the queue has room for.
const FLOOD: usize = 300;

/// The calls of a tenant with one caller, over all rounds: alone, and while two others have
/// [`FLOOD`] callers each.
pub(crate) struct Fairness {
    alone: Tally,
    beside_floods: Tally,
    floods: Tally,
}

impl Fairness {
    pub(crate) fn new() -> Self {
        Self { alone: Tally::new(), beside_floods: Tally::new(), floods: Tally::new() }
    }

    /// Measures one round.
    pub(crate) fn measure(&mut self, world: &World, seconds: f64) {
        let duration = Duration::from_secs_f64(seconds);
        let addr = world.grpc_addr();
        let run = move |batches: &'static [Batch], concurrency| {
            let (keys, delay) = (IdempotencyKeys::None, RetryDelay::Pushback);
            grpc::run(addr, batches, keys, delay, concurrency, duration)
        };
        let [one, two, quiet] = world.batches_of_tenants();
        self.alone.merge(&run(quiet, 1));
        // A thread each, so that the load of one does not delay that of another.
        thread::scope(|scope| {
            let floods = [one, two].map(|batches| scope.spawn(move || run(batches, FLOOD)));
            self.beside_floods.merge(&run(quiet, 1));
            for flood in floods {
                self.floods.merge(&flood.join().unwrap());
            }
        });
    }

    /// Returns the number of batches that were acknowledged, all of them sample batches.
    pub(crate) fn created(&self) -> u64 {
        self.alone.created + self.beside_floods.created + self.floods.created
    }
}

impl fmt::Display for Fairness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantiles = |latencies: &Histogram<u64>| {
            [quantile_ms(latencies, 0.5), quantile_ms(latencies, 0.99)]
        };
        let alone = quantiles(&self.alone.latencies);
        let beside = quantiles(&self.beside_floods.latencies);
        write!(
            f,
            "fairness: p50_alone_ms={:.2} p99_alone_ms={:.2} p50_ms={:.2} p99_ms={:.2} \
             p99_ratio={:.2} refused={} (a tenant with one caller, alone and while two others have \
             {FLOOD} callers each, whose p50 is {:.2} ms)",
            alone[0],
            alone[1],
            beside[0],
            beside[1],
            beside[1] / alone[1],
            self.beside_floods.refused,
            quantile_ms(&self.floods.latencies, 0.5),
        )
    }
}
