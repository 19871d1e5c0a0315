//! Samples what each process has, every few seconds.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::spawn_blocking, time::sleep_until};

use crate::{
    analysis::Point,
    disk, exposition, proc,
    processes::{Process, Processes},
};

/// How long a process may take to tell its metrics.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    MemoryMib,
    Files,
    Threads,
    ClientConnections,
    DatabaseConnections,
    WaitingBatches,
    CpuPercent,
    DiskMib,
}

/// The process of a series, and which of those with its name it is.
pub(crate) type Life = (&'static str, usize);

/// What each process had, over the time of the run, in seconds.
pub(crate) type Series = BTreeMap<(Life, Measure), Vec<Point>>;

pub(crate) struct Sampler {
    pub(crate) processes: Arc<Processes>,
    /// Postgres' data.
    pub(crate) data: PathBuf,
    pub(crate) start: Instant,
    pub(crate) interval: Duration,
    /// Set once samples are enough, or once the disk has no room left.
    pub(crate) ended: Arc<AtomicBool>,
}

impl Sampler {
    /// Samples until the end. Returns what was seen, and why the run must stop, if it must.
    pub(crate) async fn run(self) -> (Series, Option<String>) {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        let http = http.timeout(PATIENCE).build().unwrap();
        let mut series = Series::new();
        let mut used: BTreeMap<Life, (Instant, f64)> = BTreeMap::new();
        let mut next = self.start;
        while !self.ended.load(Ordering::Relaxed) {
            sleep_until(next.into()).await;
            next += self.interval;
            let at = self.start.elapsed().as_secs_f64();
            for process in self.processes.running() {
                let life = (process.name, process.life);
                let mut add = |measure, value| {
                    series.entry((life, measure)).or_default().push((at, value));
                };
                let Some(usage) = usage(&process) else { continue };
                add(Measure::MemoryMib, usage.memory_mib);
                add(Measure::Files, usage.files);
                add(Measure::Threads, usage.threads);
                let now = (Instant::now(), usage.cpu_seconds);
                if let Some(before) = used.insert(life, now) {
                    let seconds = (now.0 - before.0).as_secs_f64();
                    add(Measure::CpuPercent, 100.0 * (now.1 - before.1) / seconds);
                }
                for (measure, value) in metrics(&http, &process).await {
                    add(measure, value);
                }
            }
            if let Some(reason) = self.disk(at, &mut series).await {
                self.ended.store(true, Ordering::Relaxed);
                return (series, Some(reason));
            }
        }
        (series, None)
    }

    /// Samples the disk. Returns why the run must stop, if it must.
    async fn disk(&self, at: f64, series: &mut Series) -> Option<String> {
        let data = self.data.clone();
        let sampled = spawn_blocking(move || (disk::used(&data), disk::left(&data)));
        let (used, left) = sampled.await.unwrap();
        let points = series.entry((("Postgres", 0), Measure::DiskMib)).or_default();
        points.push((at, used as f64 / (1024.0 * 1024.0)));
        disk::exceeded(used, left)
    }
}

fn usage(process: &Process) -> Option<proc::Usage> {
    match process.admin {
        Some(_) => proc::of_process(process.pid),
        None => proc::of_family(process.pid),
    }
}

/// Returns what a process tells about itself: nothing while it does not answer.
async fn metrics(http: &reqwest::Client, process: &Process) -> Vec<(Measure, f64)> {
    let Some(admin) = process.admin else { return Vec::new() };
    let Ok(response) = http.get(format!("http://{admin}/metrics")).send().await else {
        return Vec::new();
    };
    let text = response.text().await.unwrap_or_default();
    let wanted = [
        (Measure::ClientConnections, "caseload_connections"),
        (Measure::DatabaseConnections, "caseload_database_connections"),
        (Measure::WaitingBatches, "caseload_write_waiting_batches"),
    ];
    let value = |(measure, metric)| Some((measure, exposition::sum(&text, metric)?));
    wanted.into_iter().filter_map(value).collect()
}
