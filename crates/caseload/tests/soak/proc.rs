//! What Linux tells about a process, in /proc.

use std::fs;

/// A process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// The memory that it has (RSS), in MiB; of Postgres the part that is not shared.
    pub(crate) memory_mib: f64,
    /// The processor time that it has used, in seconds.
    pub(crate) cpu_seconds: f64,
    pub(crate) threads: f64,
    pub(crate) files: f64,
}

/// Returns what a process uses; `None` if it has ended.
pub(crate) fn of_process(pid: u32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Usage {
        memory_mib: number(&status, "VmRSS:")? / 1024.0,
        cpu_seconds: cpu_seconds(pid)?,
        threads: number(&status, "Threads:")?,
        files: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as f64,
    })
}

/// Returns what a process and its children use, of which each counts as a thread.
pub(crate) fn of_family(pid: u32) -> Option<Usage> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    let mut family = Usage::default();
    for member in children.chain([pid]) {
        // One that ends meanwhile does not count.
        let Ok(status) = fs::read_to_string(format!("/proc/{member}/status")) else { continue };
        let Some(private) = number(&status, "RssAnon:") else { continue };
        family.memory_mib += private / 1024.0;
        family.cpu_seconds += cpu_seconds(member).unwrap_or_default();
        family.threads += 1.0;
        let files = fs::read_dir(format!("/proc/{member}/fd"));
        family.files += files.map_or(0, Iterator::count) as f64;
    }
    Some(family)
}

fn number(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Returns the processor time of a process and of its children that have ended.
fn cpu_seconds(pid: u32) -> Option<f64> {
    // Linux reports in units of 10 ms, whatever the kernel's tick is.
    const TICK: f64 = 0.01;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have spaces.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields = fields.split(' ').skip(11).take(4);
    Some(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * TICK)
}
