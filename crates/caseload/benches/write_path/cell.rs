//! The combinations that are measured: by what, which batches, for how many tenants, and how many
//! at a time.

use std::fmt;

use crate::work::{Spread, Work};

/// What writes the batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// pgbench, which sends the statement for one batch directly to Postgres.
    Pgbench,
    /// Caseload's server over gRPC.
    Grpc,
    /// The same, each batch with an idempotency key.
    Keyed,
    /// Caseload's gateway over REST.
    Rest,
    /// Caseload's server over gRPC, with so many clients that it must refuse some. A refused client
    /// waits as long as the server asks it to.
    Flood,
    /// The same, but a refused client waits much less.
    Hammer,
    /// A server that runs one transaction for each batch, over gRPC.
    Plain,
    /// The server of another build, over gRPC, which takes the place of the plain one.
    Beside,
}

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) contender: Contender,
    pub(crate) work: Work,
    pub(crate) spread: Spread,
    pub(crate) concurrency: usize,
}

const CONTENDERS: [Contender; 5] =
    [Contender::Pgbench, Contender::Grpc, Contender::Keyed, Contender::Rest, Contender::Plain];

/// The concurrency of the loads that must be refused in part: ten times the highest of the others.
const FLOOD: usize = 1280;

const CONCURRENCIES: [usize; 4] = [1, 8, 32, 128];

impl Cell {
    /// Returns all combinations.
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

    /// Returns those that compare another build.
    pub(crate) fn beside() -> Vec<Self> {
        let mut cells = Vec::new();
        for concurrency in [1, 32, 128] {
            for contender in [Contender::Grpc, Contender::Beside] {
                let (work, spread) = (Work::Sample, Spread::Tenants);
                cells.push(Self { contender, work, spread, concurrency });
            }
        }
        cells
    }

    /// Returns the combinations that the summary line needs.
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
            Self::Beside => "beside",
        })
    }
}
