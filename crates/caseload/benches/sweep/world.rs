//! What is measured: a durable Postgres with expired rows, a server that writes, and one that sweeps.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use domain::ApiKey;
use localdb::Cluster;
use tempfile::TempDir;

use crate::{
    fill,
    grpc::{self, IdempotencyKeys, RetryDelay},
    load::{
        data::{self, SETTINGS, psql},
        guardian::Guardian,
        program::Program,
        tally::Tally,
        usage,
    },
    table::{TABLES, Table},
    work::{Batch, Spread, TENANTS, Work},
};

const DATABASE: &str = "bench";

/// For the server that writes, nothing expires.
const KEPT: [&str; 4] = ["--idempotency-ttl", "365d", "--event-retention", "365d"];
/// For the server that sweeps, all that was filled has expired, and nothing that is written.
const EXPIRED: [&str; 4] = ["--idempotency-ttl", "1d", "--event-retention", "1d"];

/// A Postgres with expired rows, and a server for which they have not expired.
pub(crate) struct World {
    /// `None` after the load.
    server: Option<Program>,
    server_args: Vec<String>,
    guardian: Arc<Guardian>,
    // Fields are dropped in order: Postgres after the programs that use it.
    cluster: Cluster,
    url: String,
    /// Has the logs.
    directory: TempDir,
    /// Leaked, as the tasks of the loads borrow them.
    batches: &'static [Batch],
}

impl World {
    pub(crate) fn start(rows: u64, server_args: &[&str]) -> Self {
        // Checkpoints come as often as they do in an installation; a day's keys don't fit into less memory.
        let cluster = Cluster::temporary()
            .durable(true)
            .setting("shared_buffers", "2GB")
            .setting("max_wal_size", "8GB")
            .start()
            .unwrap();
        cluster.create_database(DATABASE, None).unwrap();
        let url = cluster.url(DATABASE);
        let keys: Vec<ApiKey> = data::create_tenants(&url, TENANTS);
        psql(&cluster, &url, &fill::directory());
        thread::scope(|scope| {
            for statement in fill::expired(rows) {
                let (cluster, url) = (&cluster, &url);
                scope.spawn(move || psql(cluster, url, &statement));
            }
        });
        psql(&cluster, &url, "VACUUM ANALYZE");
        psql(&cluster, &url, "CHECKPOINT");

        let directory = tempfile::tempdir().unwrap();
        let guardian = Arc::new(Guardian::of(directory.path()));
        let log = directory.path().join("server.log");
        let mut server = Program::new("caseload", &log, "gRPC", &guardian);
        let server_args: Vec<_> = server_args.iter().map(|arg| (*arg).to_owned()).collect();
        serve(&mut server, &url, &KEPT, &server_args);
        server.await_ready();
        let batches = Batch::all(Work::Sample, Spread::Tenants, &keys).leak();
        Self { server: Some(server), server_args, guardian, cluster, url, directory, batches }
    }

    /// Starts a server that sweeps, and nothing else.
    pub(crate) fn sweep(&self) -> Sweeping<'_> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let sessions = self.sessions();
        let name = format!("sweep-{}.log", NEXT.fetch_add(1, Ordering::Relaxed));
        let log = self.directory.path().join(name);
        let mut server = Program::new("caseload", &log, "gRPC", &self.guardian);
        let before = self.tables();
        serve(&mut server, &self.url, &EXPIRED, &self.server_args);
        Sweeping { world: self, server, sessions, before, begin: Instant::now() }
    }

    /// Has callers create sample batches with idempotency keys.
    pub(crate) fn write(&self, callers: usize, duration: Duration) -> Tally {
        let (keys, delay) = (IdempotencyKeys::New, RetryDelay::Pushback);
        let addr = self.server.as_ref().expect("the load is not over").addr();
        let tally = grpc::run(addr, self.batches, keys, delay, callers, duration);
        assert_eq!(tally.refused, 0, "not every batch was created");
        tally
    }

    /// Ends the server that writes. It looks for expired rows once a minute, too. A sweep that meets it takes it for one that
    /// sweeps, and goes on a minute later.
    pub(crate) fn end_load(&mut self) {
        self.server = None;
        // The one that asks.
        self.await_sessions(1);
    }

    /// Holds a snapshot, in which everything can be seen that is there now, until the result is dropped.
    pub(crate) fn hold_snapshot(&self) -> Snapshot {
        let holding = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tenants; SELECT pg_sleep(86400)";
        let mut psql = Command::new(self.cluster.bin_dir().join("psql"));
        psql.args([&self.url, "-XAtqc", holding]).stdout(Stdio::null()).stderr(Stdio::null());
        let snapshot = Snapshot(psql.spawn().unwrap());
        let is_held = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        wait_until("the snapshot", || self.psql(is_held) == "1");
        snapshot
    }

    pub(crate) fn tables(&self) -> [Table; 2] {
        TABLES.map(|name| Table::of(name, &self.psql(&Table::statement(name))))
    }

    /// Returns how many bytes were written to the write-ahead log so far.
    pub(crate) fn wal(&self) -> f64 {
        self.psql("SELECT pg_current_wal_insert_lsn() - '0/0'").parse().unwrap()
    }

    /// Returns the processor time of Postgres, in milliseconds.
    pub(crate) fn postgres_cpu_ms(&self) -> f64 {
        usage::tree_cpu_ms(self.cluster.postmaster_pid().unwrap())
    }

    /// Returns the settings of Postgres that matter here, as it reports them.
    pub(crate) fn settings(&self) -> Vec<String> {
        let more = ["autovacuum", "autovacuum_naptime", "maintenance_work_mem"];
        let names = SETTINGS.into_iter().chain(more);
        names.map(|name| format!("{name} = {}", self.psql(&format!("SHOW {name}")))).collect()
    }

    /// Checks that what is left is exactly what was acknowledged.
    pub(crate) fn check_rows(&self, created: u64) {
        for table in TABLES {
            let rows = self.psql(&format!("SELECT count(*) FROM {table}"));
            assert_eq!(rows, created.to_string(), "{table} has what was acknowledged");
        }
        println!("rows: {created} in each table are left, exactly those of acknowledged batches");
    }

    pub(crate) fn psql(&self, sql: &str) -> String {
        psql(&self.cluster, &self.url, sql)
    }

    /// Waits until there are so many sessions at most.
    fn await_sessions(&self, most: usize) {
        wait_until("the end of sessions", || self.sessions() <= most);
    }

    fn sessions(&self) -> usize {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
        self.psql(count).parse().unwrap()
    }
}

/// Waits until the condition holds. Panics after a minute.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(60), "timed out while waiting for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn serve(server: &mut Program, url: &str, retention: &[&str], more: &[String]) {
    let args = ["serve", "--database-url", url, "--grpc-addr", "127.0.0.1:0"];
    server.command.args(args).args(retention).args(more);
    server.start();
}

/// A server that sweeps.
pub(crate) struct Sweeping<'a> {
    world: &'a World,
    server: Program,
    /// How many sessions there were before.
    sessions: usize,
    before: [Table; 2],
    begin: Instant,
}

impl Sweeping<'_> {
    /// Returns how many rows it has deleted so far of each table. Postgres counts them a second later.
    pub(crate) fn deleted(&self) -> [f64; 2] {
        let now = self.world.tables();
        [0, 1].map(|table| now[table].deleted - self.before[table].deleted)
    }

    /// Ends the server. Returns how many rows of each table it has deleted, and how long it ran.
    pub(crate) fn end(self) -> ([f64; 2], Duration) {
        let Self { world, server, sessions, before, begin } = self;
        let elapsed = begin.elapsed();
        drop(server);
        // Each session reports at its end what it has done.
        world.await_sessions(sessions);
        let now = world.tables();
        ([0, 1].map(|table| now[table].deleted - before[table].deleted), elapsed)
    }
}

/// An open transaction.
pub(crate) struct Snapshot(Child);

impl Drop for Snapshot {
    fn drop(&mut self) {
        // An error can't be handled here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
