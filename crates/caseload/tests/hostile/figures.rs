//! What a case did to the honest callers, in figures.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use crate::{
    caller::{Outcome, Sample},
    deployment::Remains,
    latencies::Latencies,
    support::TestDatabase,
};

/// The most resident memory that each program may have had, as docs/OPERATIONS.md says: 32 MiB, and twice
/// the default of `--message-memory`, or four times that of `--body-memory`.
pub(crate) const MAX_SERVER_MIB: u64 = 32 + 2 * 256;
pub(crate) const MAX_GATEWAY_MIB: u64 = 32 + 4 * 64;

/// How much later than its caller was told that time was over a transaction may begin, or its statement
/// be seen: a statement that was sent before is noticed a moment later where all processors are busy.
const TOLERANCE: Duration = Duration::from_millis(250);

/// What honest callers may expect under an attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// A call that takes longer is stalled.
    pub(crate) answered: Duration,
    /// A call that takes longer is starved.
    pub(crate) fair: Option<Duration>,
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    calls: usize,
    p50: Duration,
    p99: Duration,
    max: Duration,
    pub(crate) stalled: u64,
    pub(crate) starved: u64,
    pub(crate) late: u64,
    server_mib: u64,
    gateway_mib: u64,
    /// What the figures don't say, each with how often it happened.
    notes: BTreeMap<String, u64>,
}

impl Figures {
    /// Judges the calls of the honest callers, and what the programs left.
    pub(crate) fn new(samples: &[Sample], bounds: Bounds, remains: &Remains) -> Self {
        let latencies = Latencies::of(samples);
        let mut figures = Self {
            calls: samples.len(),
            p50: latencies.quantile(50),
            p99: latencies.quantile(99),
            max: latencies.quantile(100),
            server_mib: remains.server_mib,
            gateway_mib: remains.gateway_mib,
            ..Self::default()
        };
        let slow = latencies.exceed(bounds.answered);
        let unfair = bounds.fair.map_or(Duration::MAX, |fair| fair.min(bounds.answered));
        let unfair = latencies.exceed(unfair);
        for sample in samples {
            match &sample.outcome {
                Outcome::Lost(_) => figures.stalled += 1,
                _ if slow.is_some_and(|bound| sample.latency > bound) => figures.stalled += 1,
                Outcome::Refused(_) | Outcome::TimeOver(_) => figures.starved += 1,
                Outcome::Created if unfair.is_some_and(|bound| sample.latency > bound) => {
                    figures.starved += 1;
                }
                Outcome::Created => {}
            }
        }
        if samples.is_empty() {
            figures.stalled += 1;
            figures.note("no neighbour made a call".to_owned());
        }
        for kind in samples.iter().filter_map(failure) {
            figures.note(kind.to_owned());
        }
        for defect in &remains.defects {
            figures.defect(defect.clone());
        }
        figures.late(samples, remains);
        figures
    }

    /// Counts the batches that were begun after their caller was told that time was over.
    pub(crate) fn late(&mut self, samples: &[Sample], remains: &Remains) {
        for late in late(remains, samples) {
            self.late += 1;
            self.note(format!("a batch begun {} ms too late", late.as_millis()));
        }
    }

    /// Adds something for the reader.
    pub(crate) fn note(&mut self, note: String) {
        *self.notes.entry(note).or_default() += 1;
    }

    /// Adds something that must not happen, and that no call shows.
    pub(crate) fn defect(&mut self, defect: String) {
        self.stalled += 1;
        self.note(defect);
    }

    fn peak_mib(&self) -> u64 {
        self.server_mib.max(self.gateway_mib)
    }

    /// Returns whether a program took more memory than it may.
    pub(crate) fn takes_too_much(&self) -> bool {
        self.server_mib > MAX_SERVER_MIB || self.gateway_mib > MAX_GATEWAY_MIB
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.stalled + self.starved + self.late == 0 && !self.takes_too_much()
    }

    /// Adds the figures of another case, except for latencies.
    pub(crate) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.stalled += other.stalled;
        self.starved += other.starved;
        self.late += other.late;
        self.server_mib = self.server_mib.max(other.server_mib);
        self.gateway_mib = self.gateway_mib.max(other.gateway_mib);
    }

    /// Returns the last line of a run.
    pub(crate) fn summary(&self) -> String {
        let Self { stalled, starved, late, .. } = self;
        let peak = self.peak_mib();
        format!("hostile: stalled={stalled} starved={starved} late={late} peak_rss_mib={peak}")
    }
}

/// Returns why a call was not served.
fn failure(sample: &Sample) -> Option<&str> {
    match &sample.outcome {
        Outcome::Created => None,
        Outcome::TimeOver(_) => Some("time over"),
        Outcome::Refused(kind) | Outcome::Lost(kind) => Some(kind),
    }
}

/// Returns by how much each late batch was begun more than [`TOLERANCE`] after its caller was told that
/// time was over. If a tap has seen the statements, that goes by when they were sent, otherwise by when
/// their transactions began.
fn late(remains: &Remains, samples: &[Sample]) -> Vec<Duration> {
    let told = samples.iter().filter_map(|sample| match sample.outcome {
        Outcome::TimeOver(at) => Some((sample.name.as_str(), at)),
        Outcome::Created | Outcome::Refused(_) | Outcome::Lost(_) => None,
    });
    let told: BTreeMap<&str, SystemTime> = told.collect();
    let names: Vec<&str> = told.keys().copied().collect();
    let mut late = Vec::new();
    for (name, begun) in begun(&remains.database, &names) {
        let begun = match &remains.tap {
            Some(tap) if begun > told[&*name] => tap.sent(&name).unwrap_or(begun),
            _ => begun,
        };
        let after = begun.duration_since(told[&*name]).unwrap_or_default();
        late.extend(after.checked_sub(TOLERANCE).filter(|late| !late.is_zero()));
    }
    late
}

/// Returns when the transactions began that wrote tasks with these descriptions.
fn begun(database: &TestDatabase, names: &[&str]) -> Vec<(String, SystemTime)> {
    let rows = database.query(&format!(
        "SELECT description, (extract(epoch FROM max(created_at)) * 1000000)::bigint
         FROM tasks WHERE description IN ('{}') GROUP BY description",
        names.join("','")
    ));
    let row = |row: &str| {
        let (name, micros) = row.split_once('|').unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(micros.parse().unwrap());
        (name.to_owned(), time)
    };
    rows.lines().map(row).collect()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(
            f,
            "calls={:<5} p50_ms={:<6.1} p99_ms={:<8.1} max_ms={:<8.1} stalled={:<4} starved={:<4} \
             late={:<3} server_mib={:<4} gateway_mib={}",
            self.calls,
            ms(self.p50),
            ms(self.p99),
            ms(self.max),
            self.stalled,
            self.starved,
            self.late,
            self.server_mib,
            self.gateway_mib,
        )?;
        self.notes.iter().try_for_each(|(note, count)| match count {
            1 => write!(f, "\n    {note}"),
            count => write!(f, "\n    {count} × {note}"),
        })
    }
}
