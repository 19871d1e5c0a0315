//! The combinations that are measured: by what, which query, and how many at a time.

use std::{fmt, time::Duration};

use crate::{
    callers::{self, Protocol, Service},
    load::{pgbench, tally::Tally, usage::Cpu},
    query::Query,
    world::World,
};

/// What sends the queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// pgbench, which sends the statement for one call directly to Postgres.
    Pgbench,
    /// Callers of Caseload.
    Caseload(Protocol),
}

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) contender: Contender,
    pub(crate) query: Query,
    pub(crate) concurrency: usize,
}

/// One measurement of a cell.
pub(crate) struct Measurement {
    pub(crate) tally: Tally,
    pub(crate) cpu: Cpu,
}

/// What is measured of each query. A list over REST has the number of all tasks, so it is compared
/// with a statement that counts them.
const PAIRS: [(Query, &[Protocol]); 4] = [
    (Query::Get, &[Protocol::Grpc, Protocol::Rest]),
    (Query::List, &[Protocol::Grpc]),
    (Query::CountedList, &[Protocol::Rest]),
    (Query::Update, &[Protocol::Grpc, Protocol::Rest]),
];

impl Cell {
    /// Returns all combinations.
    pub(crate) fn all() -> Vec<Self> {
        Self::at(&[1, 8, 32, 128])
    }

    /// Returns the combinations that the summary line needs.
    pub(crate) fn quick() -> Vec<Self> {
        Self::at(&[32])
    }

    fn at(concurrencies: &[usize]) -> Vec<Self> {
        let mut cells = Vec::new();
        for (query, protocols) in PAIRS {
            for &concurrency in concurrencies {
                cells.push(Self { contender: Contender::Pgbench, query, concurrency });
                for &protocol in protocols {
                    let contender = Contender::Caseload(protocol);
                    cells.push(Self { contender, query, concurrency });
                }
            }
        }
        cells
    }

    /// Runs the load for some time.
    pub(crate) fn measure(&self, world: &World, duration: Duration) -> Measurement {
        let Self { contender, query, concurrency } = *self;
        let before = world.cpu();
        let tally = match contender {
            Contender::Pgbench => {
                pgbench::run(&world.pgbench_target(), &query.script(), concurrency, duration)
            }
            Contender::Caseload(protocol) => {
                let addr = match protocol {
                    Protocol::Grpc => world.grpc_addr(),
                    Protocol::Rest => world.rest_addr(),
                };
                let service = Service { protocol, addr, keys: world.keys() };
                callers::run(service, query, concurrency, duration)
            }
        };
        assert_eq!(tally.refused, 0, "{self}: some calls were refused");
        Measurement { tally, cpu: world.cpu() - before }
    }
}

impl Measurement {
    /// Returns the calls per second.
    pub(crate) fn rate(&self) -> f64 {
        self.tally.measured() as f64 / self.tally.elapsed.as_secs_f64()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {} c={}", self.contender, self.query, self.concurrency))
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pgbench => "pgbench",
            Self::Caseload(Protocol::Grpc) => "grpc",
            Self::Caseload(Protocol::Rest) => "rest",
        })
    }
}
