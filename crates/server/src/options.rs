//! The options of the server. Each has a flag, an environment variable and a default.

use std::{io, net::SocketAddr, time::Duration};

use clap::Args;
use proto::wire::limits;
use runtime::command_line::{DAY, MILLISECOND, YEAR, count, duration};
use serving::ConnectionOptions;
use store::{Database, DatabaseUrl, PoolSettings, TaskReader, TaskWriter, WriterSettings};

use crate::Rate;

/// The options of the server.
#[derive(Args, Clone, Debug)]
pub struct ServerOptions {
    /// The address to serve gRPC on
    #[arg(
        long,
        env = "CASELOAD_GRPC_ADDR",
        default_value = "127.0.0.1:50051",
        value_name = "ADDR:PORT"
    )]
    pub grpc_addr: SocketAddr,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub writer: WriterOptions,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub pool: PoolOptions,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub auth: AuthOptions,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub idempotency: IdempotencyOptions,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub history: HistoryOptions,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub limits: LimitOptions,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub web: WebOptions,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub metrics: MetricsOptions,
}

/// The write path.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Write path")]
pub struct WriterOptions {
    /// Threads that write, each with its own database connection
    #[arg(long, env = "CASELOAD_WRITERS", default_value_t = 2, value_parser = count(1_usize..=1024), value_name = "COUNT")]
    pub writers: usize,

    /// The most batches in one statement and its transaction; 1 turns sharing off
    #[arg(long, env = "CASELOAD_BATCHES_PER_STATEMENT", default_value_t = 32, value_parser = count(1_usize..=1024), value_name = "COUNT")]
    pub batches_per_statement: usize,

    /// Let only calls of one tenant share a statement, for databases sharded by tenant
    #[arg(long, env = "CASELOAD_ONE_TENANT_PER_STATEMENT")]
    pub one_tenant_per_statement: bool,

    /// The most batches in the write queue; further ones are rejected with UNAVAILABLE
    #[arg(long, env = "CASELOAD_QUEUE_LENGTH", default_value_t = 256, value_parser = count(1_usize..=1_000_000), value_name = "COUNT")]
    pub queue_length: usize,

    /// The most batches of one tenant in the write queue, and no more than there is room left; further
    /// ones are rejected with RESOURCE_EXHAUSTED. Also the most other calls of one tenant that wait for
    /// a connection
    #[arg(long, env = "CASELOAD_TENANT_QUEUE_LENGTH", default_value_t = 128, value_parser = count(1_usize..=1_000_000), value_name = "COUNT")]
    pub tenant_queue_length: usize,

    /// Write each batch in a transaction of its own on a pooled connection: the plain design, for
    /// comparison in benches
    #[cfg(feature = "plain-writes")]
    #[arg(long, env = "CASELOAD_PLAIN_WRITES", hide = true)]
    pub plain_writes: bool,
}

/// The shortest time to wait for a lock: longer than others hold one in the ordinary course.
const MIN_LOCK_TIMEOUT: Duration = Duration::from_millis(10);

/// The longest time to wait for a lock: below the 10 s that a statement may take in all.
const MAX_LOCK_TIMEOUT: Duration = Duration::from_secs(9);

/// The least of `--max-statement-age`: above that of `--lock-timeout`.
const MIN_STATEMENT_AGE: Duration = Duration::from_millis(20);

/// The connections to the database.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Database")]
pub struct PoolOptions {
    /// Database connections for reads and look-ups of API keys. One tenant has at most half of them at a
    /// time
    #[arg(long, env = "CASELOAD_READERS", default_value_t = 4, value_parser = count(1_usize..=1024), value_name = "COUNT")]
    pub readers: usize,

    /// Database connections for updates and deletes. One tenant has at most half of them at a time. A
    /// quarter as many, rounded up, are for those that wait for locked tasks
    #[arg(long, env = "CASELOAD_CHANGERS", default_value_t = 16, value_parser = count(1_usize..=1024), value_name = "COUNT")]
    pub changers: usize,

    /// How long a query waits for a free connection
    #[arg(long, env = "CASELOAD_CHECKOUT_TIMEOUT", default_value = "2s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub checkout_timeout: Duration,

    /// How long a statement waits for a lock that another session holds; a quarter of it where batches
    /// may share the statement. A batch that has waited in vain is tried again, apart from all others,
    /// until its deadline
    #[arg(long, env = "CASELOAD_LOCK_TIMEOUT", default_value = "1s", value_parser = duration(MIN_LOCK_TIMEOUT..=MAX_LOCK_TIMEOUT), value_name = "DURATION")]
    pub lock_timeout: Duration,

    /// How long a statement that writes for callers may run, its commit included, before the server reports that it is not
    /// serving: a commit may wait for a synchronous standby without limit. Must be more than
    /// --lock-timeout
    #[arg(long, env = "CASELOAD_MAX_STATEMENT_AGE", default_value = "5s", value_parser = duration(MIN_STATEMENT_AGE..=DAY), value_name = "DURATION")]
    pub max_statement_age: Duration,

    /// Have Postgres restrict all queries for a tenant to the tenant's rows, except the creation of tasks. Needs
    /// deploy/row_level_security.sql to have been run on the database
    #[arg(long, env = "CASELOAD_ROW_LEVEL_SECURITY")]
    pub row_level_security: bool,
}

/// The caches of API keys.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "API keys")]
pub struct AuthOptions {
    /// How long a key is cached, and so how long a revoked key goes on working at most where the server is
    /// not told of the revocation
    #[arg(long, env = "CASELOAD_KEY_TTL", default_value = "30s", value_parser = duration(Duration::ZERO..=10 * YEAR), value_name = "DURATION")]
    pub key_ttl: Duration,

    /// How long it is cached that a key doesn't exist
    #[arg(long, env = "CASELOAD_UNKNOWN_KEY_TTL", default_value = "5s", value_parser = duration(Duration::ZERO..=10 * YEAR), value_name = "DURATION")]
    pub unknown_key_ttl: Duration,

    /// Look-ups at once of keys that were not found in the last hour; further ones wait for a
    /// quarter of a second, 256 times as many at most, or are rejected with UNAVAILABLE. Must be
    /// less than --readers, unless both are 1 [default: half of --readers, at least 1]
    #[arg(long, env = "CASELOAD_UNKNOWN_KEY_LOOK_UPS", value_parser = count(1_usize..=1023), value_name = "COUNT")]
    pub unknown_key_look_ups: Option<usize>,
}

/// The least that an idempotency key is kept: longer than the service itself repeats a batch whose
/// outcome is unknown, which takes half a minute and one more statement.
const MIN_IDEMPOTENCY_TTL: Duration = Duration::from_secs(60);

/// The records of idempotency keys.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Idempotency keys")]
pub struct IdempotencyOptions {
    /// How long an idempotency key is kept at least: within this time a repeated request returns
    /// the result of the first one
    #[arg(long, env = "CASELOAD_IDEMPOTENCY_TTL", default_value = "24h", value_parser = duration(MIN_IDEMPOTENCY_TTL..=10 * YEAR), value_name = "DURATION")]
    pub idempotency_ttl: Duration,
}

/// The least that an event is kept, so that whoever makes a change can read what became of it.
const MIN_EVENT_RETENTION: Duration = Duration::from_secs(60);

/// The history of tasks.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "History")]
pub struct HistoryOptions {
    /// How long it is kept at least what was done to tasks, and by whom
    #[arg(long, env = "CASELOAD_EVENT_RETENTION", default_value = "90d", value_parser = duration(MIN_EVENT_RETENTION..=10 * YEAR), value_name = "DURATION")]
    pub event_retention: Duration,
}

/// Rate limits and overload.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Rate limits and overload")]
pub struct LimitOptions {
    /// The calls a second that an API key may make, with an optional burst, as in 100:500; each
    /// server counts for itself [default: no limit]
    #[arg(long, env = "CASELOAD_KEY_RATE", value_name = "RATE[:BURST]")]
    pub key_rate: Option<Rate>,

    /// The calls a second that a tenant may make, with all of its keys [default: no limit]
    #[arg(long, env = "CASELOAD_TENANT_RATE", value_name = "RATE[:BURST]")]
    pub tenant_rate: Option<Rate>,

    /// The most calls that are worked on at once, from the last byte of their messages on; further
    /// ones are rejected with UNAVAILABLE. A tenant may make as many as it leaves for others: alone
    /// half, two tenants a third each
    #[arg(long, env = "CASELOAD_MAX_IN_FLIGHT", default_value_t = 2048, value_parser = count(1_usize..=1_000_000), value_name = "COUNT")]
    pub max_in_flight: usize,

    /// The most calls of a connection whose messages are not complete, and likewise of those whose
    /// API keys are being looked up; further ones are rejected with UNAVAILABLE
    #[arg(long, env = "CASELOAD_MAX_UNFINISHED_CALLS", default_value_t = 1024, value_parser = count(1_usize..=1_000_000), value_name = "COUNT")]
    pub max_unfinished_calls: usize,

    /// How long the message of a call may take to arrive, after its headers
    #[arg(long, env = "CASELOAD_MESSAGE_TIMEOUT", default_value = "10s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub message_timeout: Duration,

    /// Memory for the messages of all calls together, in MiB. A tenant gets no more of it than is
    /// left for others: alone half, two tenants a third each
    #[arg(long, env = "CASELOAD_MESSAGE_MEMORY", default_value_t = 256, value_parser = count(16_u32..=1024 * 1024), value_name = "MIB")]
    pub message_memory: u32,

    /// The most metadata of a status, in bytes, also for callers that ask for more: less where a proxy
    /// before the server takes less. Of many field violations, the first ones that fit are listed
    #[arg(long, env = "CASELOAD_MAX_STATUS_BYTES", default_value_t = limits::MAX_STATUS_BYTES, value_parser = count(limits::STATUS_BYTES..=limits::MAX_STATUS_BYTES), value_name = "BYTES")]
    pub max_status_bytes: usize,

    /// The longest deadline of a call, also for callers that give a longer one or none
    #[arg(long, env = "CASELOAD_CALL_TIMEOUT", default_value = "30s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub call_timeout: Duration,
}

/// Protocols besides gRPC, on its port.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Browsers")]
pub struct WebOptions {
    /// Serve gRPC-Web on the port of gRPC, too, over HTTP/2 and HTTP/1.1
    #[arg(long, env = "CASELOAD_GRPC_WEB")]
    pub grpc_web: bool,

    /// Serve unary calls of the Connect protocol on the port of gRPC, too, with JSON or protobuf, over
    /// HTTP/2 and HTTP/1.1
    #[arg(long, env = "CASELOAD_CONNECT")]
    pub connect: bool,
}

/// What metrics say.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Admin port")]
pub struct MetricsOptions {
    /// Count the calls of single tenants, by their ids: of so many, those that make the most. Each one
    /// that is among them for a while is a time series [default: none]
    #[arg(long, env = "CASELOAD_METRICS_PER_TENANT", value_parser = count(1_usize..=100), value_name = "COUNT")]
    pub metrics_per_tenant: Option<usize>,
}

impl WebOptions {
    /// Returns whether a protocol besides gRPC is served.
    fn is_on(&self) -> bool {
        self.grpc_web || self.connect
    }
}

impl ServerOptions {
    /// Checks the options that depend on each other.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), String> {
        let PoolOptions { readers, lock_timeout, max_statement_age, .. } = self.pool;
        if lock_timeout >= max_statement_age {
            return Err(
                "--lock-timeout must be less than --max-statement-age: a statement that waits \
                 for a lock does not mean that the server can't serve"
                    .to_owned(),
            );
        }
        if self.unknown_key_look_ups() >= readers.max(2) {
            return Err(
                "--unknown-key-look-ups must be less than --readers: look-ups of keys that \
                 don't exist would use up the connections"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Checks the options of a server without a gateway: pages can make requests to it in the protocols of
    /// browsers only.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check_alone(&self, connections: &ConnectionOptions) -> Result<(), String> {
        if connections.browsers.allows_any() && !self.web.is_on() {
            return Err(
                "--cors-origins needs --grpc-web or --connect: browsers can't make calls of gRPC"
                    .to_owned(),
            );
        }
        self.check()
    }

    /// Returns how many keys that may not exist are looked up at once.
    pub(crate) fn unknown_key_look_ups(&self) -> usize {
        self.auth.unknown_key_look_ups.unwrap_or_else(|| (self.pool.readers / 2).max(1))
    }

    /// Starts the connections to the database.
    pub(crate) fn open(&self, url: &DatabaseUrl) -> Database {
        match self.pool.row_level_security {
            true => Database::open_with_row_level_security(url, &self.pool_settings()),
            false => Database::open(url, &self.pool_settings()),
        }
    }

    fn pool_settings(&self) -> PoolSettings {
        PoolSettings {
            writers: self.writer.writers,
            readers: self.pool.readers,
            changers: self.pool.changers,
            tenant_queue_length: self.writer.tenant_queue_length,
            checkout_timeout: self.pool.checkout_timeout,
            lock_timeout: self.pool.lock_timeout,
        }
    }

    pub(crate) fn start_writer(&self, database: &Database) -> io::Result<TaskWriter> {
        #[cfg(feature = "plain-writes")]
        if self.writer.plain_writes {
            return Ok(TaskWriter::plain(database));
        }
        TaskWriter::start(database, self.writer_settings())
    }

    pub(crate) fn reader(&self, database: &Database) -> TaskReader {
        TaskReader::new(database, self.writer.one_tenant_per_statement)
    }

    fn writer_settings(&self) -> WriterSettings {
        WriterSettings {
            threads: self.writer.writers,
            batches_per_statement: self.writer.batches_per_statement,
            one_tenant_per_statement: self.writer.one_tenant_per_statement,
            queue_length: self.writer.queue_length,
            queue_length_per_tenant: self.writer.tenant_queue_length,
        }
    }
}
