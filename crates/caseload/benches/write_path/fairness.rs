//! What a quiet tenant's calls take while others flood the server.

use std::{fmt, thread, time::Duration};

use hdrhistogram::Histogram;

use crate::{
    grpc::{self, IdempotencyKeys, RetryDelay},
    load::tally::{Tally, quantile_ms},
    probe,
    work::Batch,
    world::World,
};

/// The callers of each of the two tenants that flood the server: more than the queue has room for.
const CALLERS: usize = 300;

/// The calls of a tenant with one caller, over all rounds: alone, and beside floods.
pub(crate) struct Fairness {
    alone: Tally,
    floods: [Flood; 2],
}

/// Two other tenants have [`CALLERS`] callers each.
struct Flood {
    name: &'static str,
    /// How long they wait after a refusal.
    delay: RetryDelay,
    /// The calls of the tenant with one caller.
    quiet: Tally,
    others: Tally,
    /// Health checks of the server, which wait for nothing but its network thread.
    health: Histogram<u64>,
    /// Health checks of another server that does nothing else, which wait for a processor only.
    idle_health: Histogram<u64>,
    /// The longest time of a statement.
    statement: Duration,
}

impl Fairness {
    pub(crate) fn new() -> Self {
        let floods = [("flood", RetryDelay::Pushback), ("hammer", RetryDelay::Short)].map(
            |(name, delay)| Flood {
                name,
                delay,
                quiet: Tally::new(),
                others: Tally::new(),
                health: Histogram::new(3).unwrap(),
                idle_health: Histogram::new(3).unwrap(),
                statement: Duration::ZERO,
            },
        );
        Self { alone: Tally::new(), floods }
    }

    /// Measures one round.
    pub(crate) fn measure(&mut self, world: &World, seconds: f64) {
        let duration = Duration::from_secs_f64(seconds);
        let [_, _, quiet] = world.batches_of_tenants();
        self.alone.merge(&run(world, quiet, RetryDelay::Pushback, 1, duration));
        for flood in &mut self.floods {
            flood.measure(world, duration);
        }
    }

    /// Returns the number of batches that were acknowledged, all of them sample batches.
    pub(crate) fn created(&self) -> u64 {
        let floods = self.floods.iter().map(|flood| flood.quiet.created + flood.others.created);
        self.alone.created + floods.sum::<u64>()
    }
}

fn run(
    world: &World,
    batches: &'static [Batch],
    delay: RetryDelay,
    concurrency: usize,
    duration: Duration,
) -> Tally {
    grpc::run(world.grpc_addr(), batches, IdempotencyKeys::None, delay, concurrency, duration)
}

impl Flood {
    fn measure(&mut self, world: &World, duration: Duration) {
        let [one, two, quiet] = world.batches_of_tenants();
        let delay = self.delay;
        // A thread each, so that the load of one does not delay that of another.
        thread::scope(|scope| {
            let others = [one, two]
                .map(|batches| scope.spawn(move || run(world, batches, delay, CALLERS, duration)));
            let health = [world.grpc_addr(), world.plain_addr()]
                .map(|addr| scope.spawn(move || probe::health(addr, duration)));
            let statement = scope.spawn(move || probe::longest_statement(world, duration));
            self.quiet.merge(&run(world, quiet, delay, 1, duration));
            for tally in others {
                self.others.merge(&tally.join().unwrap());
            }
            for (sum, health) in [&mut self.health, &mut self.idle_health].into_iter().zip(health) {
                sum.add(health.join().unwrap()).unwrap();
            }
            self.statement = self.statement.max(statement.join().unwrap());
        });
    }
}

impl fmt::Display for Fairness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = quantiles(&self.alone.latencies);
        write!(
            f,
            "fairness: a tenant with one caller, alone (p50_ms={p50:.2} p99_ms={p99:.2}), and while \
             two others have {CALLERS} callers each"
        )?;
        for flood in &self.floods {
            flood.write(f, p99)?;
        }
        Ok(())
    }
}

impl Flood {
    fn write(&self, f: &mut fmt::Formatter<'_>, p99_alone: f64) -> fmt::Result {
        let [p50, p99] = quantiles(&self.quiet.latencies);
        let statement = self.statement.as_secs_f64() * 1000.0;
        let bound = 3.0 * p99_alone + statement;
        write!(
            f,
            "\nfairness: {:<6} p50_ms={p50:.2} p99_ms={p99:.2} p99_ratio={:.2} bound_ms={bound:.2} \
             statement_ms={statement:.2} refused={} health_p99_ms={:.2} idle_health_p99_ms={:.2} \
             (others: {} created, p50 {:.2} ms; {} refused)",
            self.name,
            p99 / p99_alone,
            self.quiet.refused,
            quantile_ms(&self.health, 0.99),
            quantile_ms(&self.idle_health, 0.99),
            self.others.created,
            quantile_ms(&self.others.latencies, 0.5),
            self.others.refused,
        )
    }
}

fn quantiles(latencies: &Histogram<u64>) -> [f64; 2] {
    [0.5, 0.99].map(|quantile| quantile_ms(latencies, quantile))
}
