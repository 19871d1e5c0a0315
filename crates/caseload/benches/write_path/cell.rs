//! What is measured: who writes, what, for whom, and how many at once.

use std::{fmt, time::Duration};

use crate::{
    grpc::{self, Ids, Patience},
    pgbench, rest,
    tally::Tally,
    usage::Cpu,
    work::{Spread, Work},
    world::World,
};

/// Who takes the batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// pgbench, which sends the statement for one batch to Postgres itself.
    Pgbench,
    /// Caseload's server over gRPC.
    Grpc,
    /// The same, each batch with a request id.
    Keyed,
    /// Caseload's gateway over REST.
    Rest,
    /// Caseload's server over gRPC, and so many clients that it must refuse some. Those come back
    /// when they are told to.
    Flood,
    /// The same, and those come back much sooner.
    Hammer,
    /// A server of the plain design over gRPC.
    Plain,
}

/// One combination that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) contender: Contender,
    pub(crate) work: Work,
    pub(crate) spread: Spread,
    pub(crate) concurrency: usize,
}

/// One measurement of a cell.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) tally: Tally,
    pub(crate) cpu: Cpu,
}

const CONTENDERS: [Contender; 5] =
    [Contender::Pgbench, Contender::Grpc, Contender::Keyed, Contender::Rest, Contender::Plain];

/// Ten times the most that is measured otherwise.
const FLOOD: usize = 1280;

const CONCURRENCIES: [usize; 4] = [1, 8, 32, 128];

impl Cell {
    /// Every combination that means something: pgbench's best is that of 8 and 32 clients.
    pub(crate) fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for work in [Work::Sample, Work::Full] {
            for spread in [Spread::Tenants, Spread::OneTenant] {
                for concurrency in CONCURRENCIES {
                    for contender in CONTENDERS {
                        cells.push(Self { contender, work, spread, concurrency });
                    }
                }
            }
        }
        cells.extend([Contender::Flood, Contender::Hammer].map(|contender| Self {
            contender,
            work: Work::Sample,
            spread: Spread::Tenants,
            concurrency: FLOOD,
        }));
        cells
    }

    /// What the last line is made of.
    pub(crate) fn quick() -> Vec<Self> {
        let of = |contender, concurrency| Self {
            contender,
            work: Work::Sample,
            spread: Spread::Tenants,
            concurrency,
        };
        vec![
            of(Contender::Pgbench, 1),
            of(Contender::Grpc, 1),
            of(Contender::Rest, 1),
            of(Contender::Pgbench, 8),
            of(Contender::Grpc, 32),
            of(Contender::Keyed, 32),
            of(Contender::Pgbench, 32),
            of(Contender::Rest, 32),
            of(Contender::Grpc, 128),
            of(Contender::Rest, 128),
        ]
    }

    pub(crate) fn measure(&self, world: &World, seconds: f64) -> Measurement {
        let duration = Duration::from_secs_f64(seconds);
        let batches = world.batches(self.work, self.spread);
        let before = world.cpu(self.contender);
        let grpc = |addr, ids, patience| {
            grpc::run(addr, batches, ids, patience, self.concurrency, duration)
        };
        let tally = match self.contender {
            Contender::Pgbench => {
                pgbench::run(world, self.work, self.spread, self.concurrency, duration)
            }
            Contender::Grpc | Contender::Flood => {
                grpc(world.grpc_addr(), Ids::None, Patience::AsTold)
            }
            Contender::Hammer => grpc(world.grpc_addr(), Ids::None, Patience::Short),
            Contender::Keyed => grpc(world.grpc_addr(), Ids::New, Patience::AsTold),
            Contender::Plain => grpc(world.plain_addr(), Ids::None, Patience::AsTold),
            Contender::Rest => rest::run(world.rest_addr(), batches, self.concurrency, duration),
        };
        let may_refuse = matches!(self.contender, Contender::Flood | Contender::Hammer);
        assert!(may_refuse || tally.refused == 0, "{self}: not every batch was created");
        Measurement { tally, cpu: world.cpu(self.contender) - before }
    }
}

impl Measurement {
    /// Batches a second.
    pub(crate) fn rate(&self) -> f64 {
        self.tally.measured() as f64 / self.tally.elapsed.as_secs_f64()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            format!("{} {} {} c={}", self.contender, self.work, self.spread, self.concurrency);
        f.pad(&name)
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pgbench => "pgbench",
            Self::Grpc => "grpc",
            Self::Keyed => "keyed",
            Self::Flood => "flood",
            Self::Hammer => "hammer",
            Self::Rest => "rest",
            Self::Plain => "plain",
        })
    }
}
