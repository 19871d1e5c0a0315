//! What the process uses of the system. The names are those that Prometheus' own clients use.

use std::{
    fmt, fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

/// Reads what the process uses, each time that metrics are read. Linux has files that say so; on other
/// systems only the start is known.
#[derive(Debug)]
pub(super) struct Process {
    started: SystemTime,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Usage {
    cpu_seconds: f64,
    resident_bytes: u64,
    threads: u64,
}

impl Process {
    /// Returns the process that started at this time.
    pub(super) fn started(started: SystemTime) -> Self {
        Self { started }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let help = "When the process was started, since the epoch.";
        gauge(&mut encoder, ("process_start_time", Some(&Unit::Seconds)), help, started)?;
        if let Some(usage) = Usage::read() {
            let counter = ConstCounter::new(usage.cpu_seconds);
            let help = "The time of processors that all threads have used.";
            let kind = counter.metric_type();
            let cpu = encoder.encode_descriptor("process_cpu", help, Some(&Unit::Seconds), kind)?;
            counter.encode(cpu)?;
            let help = "The memory that is in use (RSS).";
            let bytes = ("process_resident_memory", Some(&Unit::Bytes));
            gauge(&mut encoder, bytes, help, usage.resident_bytes)?;
            gauge(&mut encoder, ("process_threads", None), "Threads.", usage.threads)?;
        }
        if let Some(open) = open_files() {
            let help = "Open files, connections among them.";
            gauge(&mut encoder, ("process_open_fds", None), help, open)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let help = "The most files that may be open.";
            gauge(&mut encoder, ("process_max_fds", None), help, most)?;
        }
        Ok(())
    }
}

fn gauge<V>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, unit): (&str, Option<&Unit>),
    help: &str,
    value: V,
) -> fmt::Result
where
    ConstGauge<V>: EncodeMetric,
{
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)
}

impl Usage {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// Parses what proc_pid_stat(5) describes. The second field is a name that may have spaces and
    /// parentheses, so that fields are counted from behind it, where the third one is the first.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = field(14)? + field(15)?;
        Some(Self {
            cpu_seconds: ticks as f64 / clock_ticks_per_second() as f64,
            threads: field(20)?,
            resident_bytes: field(24)? * page_size() as u64,
        })
    }
}

/// Returns the number of open files, without the one that it takes to count them.
fn open_files() -> Option<u64> {
    let files = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(files).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_have_spaces_and_parentheses() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15 16 12 18 19 20 1000 22";
        let usage = Usage::parse(&format!("4711 (a ) b (c) {rest}")).unwrap();
        assert_eq!(usage.threads, 12);
        assert_eq!(usage.resident_bytes, 1000 * page_size() as u64);
        assert_eq!(usage.cpu_seconds, 300.0 / clock_ticks_per_second() as f64);
        assert_eq!(Usage::parse("4711 (a) S 1 2"), None);
        assert_eq!(Usage::parse(""), None);
    }
}
