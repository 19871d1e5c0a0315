//! Measures one cell.

use std::time::Duration;

use crate::{
    cell::{Cell, Contender},
    grpc::{self, IdempotencyKeys, RetryDelay},
    load::{tally::Tally, usage::Cpu},
    pgbench, rest,
    world::World,
};

/// One measurement of a cell.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) tally: Tally,
    pub(crate) cpu: Cpu,
}

impl Measurement {
    /// Runs the load of a cell for some seconds.
    pub(crate) fn of(cell: &Cell, world: &World, seconds: f64) -> Self {
        let Cell { contender, work, spread, concurrency } = *cell;
        let duration = Duration::from_secs_f64(seconds);
        let batches = world.batches(work, spread);
        let before = world.cpu(contender);
        let grpc = |addr, keys, delay| grpc::run(addr, batches, keys, delay, concurrency, duration);
        let tally = match contender {
            Contender::Pgbench => pgbench::run(world, work, spread, concurrency, duration),
            Contender::Grpc | Contender::Flood => {
                grpc(world.grpc_addr(), IdempotencyKeys::None, RetryDelay::Pushback)
            }
            Contender::Hammer => grpc(world.grpc_addr(), IdempotencyKeys::None, RetryDelay::Short),
            Contender::Keyed => grpc(world.grpc_addr(), IdempotencyKeys::New, RetryDelay::Pushback),
            Contender::Plain | Contender::Beside => {
                grpc(world.plain_addr(), IdempotencyKeys::None, RetryDelay::Pushback)
            }
            Contender::Rest => rest::run(world.rest_addr(), batches, concurrency, duration),
        };
        let may_refuse = matches!(contender, Contender::Flood | Contender::Hammer);
        assert!(may_refuse || tally.refused == 0, "{cell}: not every batch was created");
        Self { tally, cpu: world.cpu(contender) - before }
    }

    /// Returns the batches per second.
    pub(crate) fn rate(&self) -> f64 {
        self.tally.measured() as f64 / self.tally.elapsed.as_secs_f64()
    }
}
