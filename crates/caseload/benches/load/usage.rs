//! Processor time and memory of processes, from Linux' /proc.

use std::{fs, ops::Sub, path::PathBuf};

/// Processor time in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) server: f64,
    pub(crate) gateway: f64,
    pub(crate) postgres: f64,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            gateway: self.gateway - before.gateway,
            postgres: self.postgres - before.postgres,
        }
    }
}

/// Returns the processor time of a process and of its children that have ended.
pub(crate) fn cpu_ms(pid: u32) -> f64 {
    // Linux reports in units of 10 ms, whatever the kernel's tick is.
    const TICK_MS: f64 = 10.0;
    stat(pid).map_or(0.0, |fields| fields[11..15].iter().sum::<u64>() as f64 * TICK_MS)
}

/// Returns the processor time of a process and its children.
pub(crate) fn tree_cpu_ms(pid: u32) -> f64 {
    cpu_ms(pid) + children(pid).into_iter().map(cpu_ms).sum::<f64>()
}

/// Returns the peak memory of a process, in MiB.
pub(crate) fn peak_rss_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024.0
}

/// Returns the current memory of a process and its children, in MiB; shared pages are counted once.
pub(crate) fn tree_pss_mib(pid: u32) -> f64 {
    let mut pids = children(pid);
    pids.push(pid);
    let kib: f64 = pids
        .into_iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok())
        .filter_map(|rollup| {
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().trim_end_matches(" kB").parse::<f64>().ok()
        })
        .sum();
    kib / 1024.0
}

/// Returns the fields of /proc/PID/stat after the name; `None` if the process has ended.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have spaces.
    let (_, fields) = stat.rsplit_once(") ")?;
    // The state is a letter; some fields may be negative.
    Some(fields.split(' ').map(|field| field.trim().parse().unwrap_or(0)).collect())
}

fn children(pid: u32) -> Vec<u32> {
    let tasks: PathBuf = format!("/proc/{pid}/task").into();
    let Ok(tasks) = fs::read_dir(tasks) else { return Vec::new() };
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|children| {
            children.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()
        })
        .collect()
}
