//! Looks at programs and Postgres from the side while a load runs.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::world::World;

/// The pause between two health checks: they must not be a load themselves.
const PAUSE: Duration = Duration::from_millis(4);

/// The age of the oldest statement that runs, in seconds, each hundredth of a second.
const AGES: &str = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)
    FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() \\watch 0.01
";

/// Checks the health of a server again and again on one connection. Returns the latencies in
/// microseconds.
pub(crate) fn health(addr: SocketAddr, duration: Duration) -> Histogram<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
        let mut client = HealthClient::new(endpoint.connect().await.unwrap());
        let mut latencies = Histogram::new(3).unwrap();
        let end = Instant::now() + duration;
        while Instant::now() < end {
            let sent = Instant::now();
            client.check(HealthCheckRequest::default()).await.unwrap();
            latencies.record(u64::try_from(sent.elapsed().as_micros()).unwrap()).unwrap();
            tokio::time::sleep(PAUSE).await;
        }
        latencies
    })
}

/// Samples how long statements have been running. Returns the longest time.
pub(crate) fn longest_statement(world: &World, duration: Duration) -> Duration {
    let mut psql = Command::new(world.bin_dir().join("psql"))
        .args([&world.database_url(), "-XAtq"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin.as_mut().unwrap().write_all(AGES.as_bytes()).unwrap();
    let output = BufReader::new(psql.stdout.take().unwrap());
    let reading = std::thread::spawn(move || {
        let ages = output.lines().map_while(Result::ok).filter_map(|line| line.parse().ok());
        ages.fold(0.0, f64::max)
    });
    sleep(duration);
    psql.kill().unwrap();
    psql.wait().unwrap();
    Duration::from_secs_f64(reading.join().unwrap())
}
