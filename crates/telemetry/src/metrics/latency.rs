//! Histograms of how long requests take, with the traces of single ones.
//!
//! Nobody waits to record a time: the counts are atomics, and who finds the place of an exemplar in use
//! leaves it. The library's histograms lock, and its exemplars can be made by itself alone, so these are
//! written here.

use std::{
    fmt::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::trace_context::TraceId;

/// The upper bounds of the buckets, as they are written in seconds, and in nanoseconds: from a read of one
/// task to the longest deadline. Whatever takes longer is in one bucket more.
const BOUNDS: [(&str, u64); 15] = [
    ("0.0005", 500_000),
    ("0.001", 1_000_000),
    ("0.0025", 2_500_000),
    ("0.005", 5_000_000),
    ("0.01", 10_000_000),
    ("0.025", 25_000_000),
    ("0.05", 50_000_000),
    ("0.1", 100_000_000),
    ("0.25", 250_000_000),
    ("0.5", 500_000_000),
    ("1.0", 1_000_000_000),
    ("2.5", 2_500_000_000),
    ("5.0", 5_000_000_000),
    ("10.0", 10_000_000_000),
    ("30.0", 30_000_000_000),
];

/// The times of one kind of request. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Latency(Arc<[Bucket; BOUNDS.len() + 1]>);

#[derive(Debug, Default)]
struct Bucket {
    count: AtomicU64,
    nanos: AtomicU64,
    exemplar: Mutex<Option<(TraceId, u64)>>,
}

impl Latency {
    /// Records a request that took so long, and its trace.
    pub fn observe(&self, time: Duration, trace: Option<TraceId>) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let index = BOUNDS.partition_point(|(_, bound)| *bound < nanos);
        let Some(bucket) = self.0.get(index) else { return };
        bucket.count.fetch_add(1, Relaxed);
        bucket.nanos.fetch_add(nanos, Relaxed);
        if let Some(trace) = trace
            && let Ok(mut exemplar) = bucket.exemplar.try_lock()
        {
            *exemplar = Some((trace, nanos));
        }
    }
}

/// The histograms of a metric, by their labels. Clones are of the same metric.
#[derive(Clone, Debug)]
pub struct Latencies(Arc<Family>);

#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    series: Mutex<Vec<(String, Latency)>>,
}

impl Latencies {
    /// Returns a metric with this name, which ends with `_seconds`.
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self(Arc::new(Family { name, help, series: Mutex::default() }))
    }

    /// Returns a new histogram with these labels, whose values need no escapes.
    #[must_use]
    pub fn with(&self, labels: &[(&str, &str)]) -> Latency {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let latency = Latency::default();
        let mut series = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.push((labels.join(","), latency.clone()));
        latency
    }

    /// Writes the metric in the text format of OpenMetrics.
    pub(super) fn encode(&self, text: &mut String) -> fmt::Result {
        let Family { name, help, series } = &*self.0;
        let series = series.lock().unwrap_or_else(PoisonError::into_inner);
        if series.is_empty() {
            return Ok(());
        }
        writeln!(text, "# HELP {name} {help}.\n# TYPE {name} histogram\n# UNIT {name} seconds")?;
        for (labels, latency) in &*series {
            encode_series(text, name, labels, latency)?;
        }
        Ok(())
    }
}

fn encode_series(text: &mut String, name: &str, labels: &str, latency: &Latency) -> fmt::Result {
    let (mut count, mut nanos) = (0, 0_u64);
    let bounds = BOUNDS.iter().map(|(text, _)| *text).chain(["+Inf"]);
    for (bucket, bound) in latency.0.iter().zip(bounds) {
        count += bucket.count.load(Relaxed);
        nanos = nanos.saturating_add(bucket.nanos.load(Relaxed));
        write!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}")?;
        if let Some((trace, nanos)) =
            &*bucket.exemplar.lock().unwrap_or_else(PoisonError::into_inner)
        {
            write!(text, " # {{trace_id=\"{}\"}} {}", trace.as_str(), seconds(*nanos))?;
        }
        text.push('\n');
    }
    writeln!(text, "{name}_sum{{{labels}}} {}", seconds(nanos))?;
    writeln!(text, "{name}_count{{{labels}}} {count}")
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn times_are_in_the_bucket_of_their_bound_and_name_their_traces() {
        let latencies = Latencies::new("a_seconds", "A");
        let latency = latencies.with(&[("b", "c")]);
        let trace = TraceId::parse(ID);
        for (millis, trace) in [(5, trace), (6, None), (40_000, trace)] {
            latency.observe(Duration::from_millis(millis), trace);
        }
        let mut text = String::new();
        latencies.encode(&mut text).unwrap();
        for line in [
            "# HELP a_seconds A.",
            "# TYPE a_seconds histogram",
            "# UNIT a_seconds seconds",
            r#"a_seconds_bucket{b="c",le="0.0025"} 0"#,
            &format!(r#"a_seconds_bucket{{b="c",le="0.005"}} 1 # {{trace_id="{ID}"}} 0.005"#),
            r#"a_seconds_bucket{b="c",le="0.01"} 2"#,
            r#"a_seconds_bucket{b="c",le="30.0"} 2"#,
            &format!(r#"a_seconds_bucket{{b="c",le="+Inf"}} 3 # {{trace_id="{ID}"}} 40"#),
            r#"a_seconds_sum{b="c"} 40.011"#,
            r#"a_seconds_count{b="c"} 3"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(Latencies::new("a_seconds", "A").encode(&mut String::new()).is_ok());
    }

    #[test]
    fn an_exemplar_that_is_being_read_keeps_nobody_waiting() {
        let latency = Latency::default();
        let _read = latency.0[0].exemplar.lock().unwrap();
        latency.observe(Duration::ZERO, TraceId::parse(ID));
        assert_eq!(latency.0[0].count.load(Relaxed), 1);
    }
}
