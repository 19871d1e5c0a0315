//! What a run came to.

use std::collections::BTreeMap;

use crate::{
    analysis::{
        Allowance, Drift, Growth, LEAST_SECONDS, MOST_SLOWDOWN, Point, drift, growth, is_judged,
    },
    audit::Audit,
    deployment::{GATEWAYS, POSTGRES, SERVERS},
    faultless::{Fault, is_faultless, without_faults},
    kind::Kind,
    recorder::{Calls, quantiles, together},
    sampler::{Life, Measure, Series},
};

/// The most calls of 10,000 that may be given up while no fault has an effect.
const MOST_FAILED: f64 = 10.0;

pub(crate) struct Figures {
    pub(crate) seed: u64,
    pub(crate) minutes: f64,
    /// The most calls a second that the system answered; `None` if the rate was given.
    pub(crate) highest: Option<f64>,
    /// The calls a second on the schedule.
    pub(crate) rate: f64,
    pub(crate) windows: Vec<(f64, Calls)>,
    pub(crate) kinds: BTreeMap<Kind, Calls>,
    pub(crate) failures: BTreeMap<(u64, String), u64>,
    pub(crate) attempts: BTreeMap<String, u64>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) series: Series,
    pub(crate) audit: Audit,
    pub(crate) unexpected: u64,
    /// Why the run was stopped before its time.
    pub(crate) stopped: Option<String>,
    /// Of the machine and of Postgres.
    pub(crate) settings: Vec<String>,
}

/// One thing that must hold.
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) before: f64,
    pub(crate) after: f64,
    pub(crate) limit: f64,
    /// How much it has grown in an hour, if that is known.
    pub(crate) per_hour: Option<f64>,
    pub(crate) is_good: bool,
}

/// The programs that faults spare.
pub(crate) const SPARED: [Life; 2] = [(SERVERS[0], 0), (GATEWAYS[0], 0)];

/// What must not grow, and by how much it may differ.
const JUDGED: [(Measure, &str, Allowance); 6] = [
    (Measure::MemoryMib, "memory, MiB", Allowance { ratio: 1.1, extra: 1.0 }),
    (Measure::Files, "open files", Allowance { ratio: 1.1, extra: 8.0 }),
    (Measure::Threads, "threads", Allowance { ratio: 1.0, extra: 4.0 }),
    (Measure::ClientConnections, "connections of clients", Allowance { ratio: 1.1, extra: 8.0 }),
    (Measure::DatabaseConnections, "connections to Postgres", Allowance { ratio: 1.0, extra: 4.0 }),
    (Measure::WaitingBatches, "waiting batches", Allowance { ratio: 1.1, extra: 16.0 }),
];

/// A run that lasts for so many times the least time must come to a verdict. At its begin and end are windows with faults.
const LONG: f64 = 1.2;

/// What only servers have.
const OF_SERVERS: [Measure; 2] = [Measure::DatabaseConnections, Measure::WaitingBatches];

impl Figures {
    /// Returns what must hold, as far as the run was long enough to tell.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for (measure, what, allowance) in JUDGED {
            for (life, points) in self.lives_of(measure) {
                if let Some(growth) = growth(points, allowance) {
                    checks.push(Check::of_growth(
                        &format!("{}: {what}", name(life)),
                        growth,
                        allowance,
                    ));
                }
            }
        }
        let processes = Allowance { ratio: 1.0, extra: 4.0 };
        for (life, points) in self.lives_of_postgres() {
            if let Some(growth) = growth(points, processes) {
                checks.push(Check::of_growth(
                    &format!("{}: processes", name(life)),
                    growth,
                    processes,
                ));
            }
        }
        checks.extend(drift(&self.faultless(0.99)).map(Check::of_drift));
        checks
    }

    /// Returns whether the run was long enough to tell whether anything grows.
    pub(crate) fn is_long_enough(&self) -> bool {
        let grown = |life| growth(self.of(life, Measure::MemoryMib), JUDGED[0].2).is_some();
        SPARED.into_iter().all(grown) && drift(&self.faultless(0.99)).is_some()
    }

    /// Returns what should have been judged and was not, though the run was long enough: the programs that faults spare
    /// did not tell it, or not often enough.
    pub(crate) fn missing(&self) -> Vec<String> {
        if !self.is_long_enough() {
            return Vec::new();
        }
        let mut missing = Vec::new();
        for life in SPARED {
            let has = |measure| life.0 == SERVERS[0] || !OF_SERVERS.contains(&measure);
            for (measure, what, allowance) in JUDGED.into_iter().filter(|(it, ..)| has(*it)) {
                let memory = self.of(life, Measure::MemoryMib);
                if !is_judged(self.of(life, measure), allowance, memory) {
                    missing.push(format!("{}: {what}", name(life)));
                }
            }
        }
        missing
    }

    fn of(&self, life: Life, measure: Measure) -> &[Point] {
        self.series.get(&(life, measure)).map_or(&[], Vec::as_slice)
    }

    /// Returns how many calls of 10,000 were given up while no fault had an effect.
    pub(crate) fn failed_without_faults(&self) -> f64 {
        let calls = self.calls_without_faults();
        10_000.0 * calls.failed as f64 / (calls.count().max(1)) as f64
    }

    pub(crate) fn calls_without_faults(&self) -> Calls {
        together(self.windows.iter().filter(|(at, _)| is_faultless(*at, &self.faults)))
    }

    /// Returns whether everything is as it must be.
    pub(crate) fn is_good(&self) -> bool {
        self.audit.is_clean()
            && self.unexpected == 0
            && self.stopped.is_none()
            && !self.faults.is_empty()
            && self.failed_without_faults() <= MOST_FAILED
            && (self.is_long_enough() || self.minutes * 60.0 < LONG * LEAST_SECONDS)
            && self.missing().is_empty()
            && self.checks().iter().all(|check| check.is_good)
    }

    /// Returns a quantile of the time of calls, of the windows in which no fault has an effect.
    fn faultless(&self, quantile: f64) -> Vec<Point> {
        without_faults(&quantiles(&self.windows, quantile), &self.faults)
    }

    /// Returns the series of a measure, of programs.
    pub(crate) fn lives_of(&self, measure: Measure) -> impl Iterator<Item = (Life, &[Point])> {
        let of_measure = self.series.iter().filter(move |((_, other), _)| *other == measure);
        let lives = of_measure.map(|((life, _), points)| (*life, points.as_slice()));
        lives.filter(|((name, _), _)| *name != POSTGRES)
    }

    fn lives_of_postgres(&self) -> impl Iterator<Item = (Life, &[Point])> {
        let threads = self.series.iter().filter(|((_, measure), _)| *measure == Measure::Threads);
        let lives = threads.map(|((life, _), points)| (*life, points.as_slice()));
        lives.filter(|((name, _), _)| *name == POSTGRES)
    }

    /// Returns the summary line.
    pub(crate) fn summary(&self) -> String {
        let grown = if self.is_long_enough() && self.missing().is_empty() {
            self.checks().iter().filter(|check| !check.is_good).count().to_string()
        } else {
            "not-judged".to_owned()
        };
        format!(
            "soak: {} unexpected={} growing={grown} failed_per_10000={:.1}",
            self.audit,
            self.unexpected,
            self.failed_without_faults()
        )
    }
}

impl Check {
    fn of_growth(what: &str, growth: Growth, allowance: Allowance) -> Self {
        let Growth { before, after, per_hour, is_flat } = growth;
        let limit = before * allowance.ratio + allowance.extra;
        let what = what.to_owned();
        Self { what, before, after, limit, per_hour: Some(per_hour), is_good: is_flat }
    }

    fn of_drift(drift: Drift) -> Self {
        let Drift { before, after, is_flat } = drift;
        let what = "p99 of calls without faults, ms".to_owned();
        let limit = before * MOST_SLOWDOWN;
        Self { what, before, after, limit, per_hour: None, is_good: is_flat }
    }
}

/// Returns the name of a process, with its number if there were others before.
pub(crate) fn name((name, life): Life) -> String {
    if life == 0 { name.to_owned() } else { format!("{name} (start {})", life + 1) }
}
