//! Listens for notifications (`LISTEN`), on a connection of its own.
//!
//! Notifications come at any time, and the one who waits for them sends nothing. So whether they still come is
//! found out end to end: a probe is sent as a notification over another connection, and must arrive.
//! A connection that is dead without a word of its server fails that, and so does one through a pooler that
//! gives each transaction another session (PgBouncer in transaction mode).

use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, PgConnection, QueryResult, RunQueryDsl as _,
    connection::SimpleConnection as _, sql_query, sql_types::Text,
};

use super::{current::CurrentPool, pool::Pool};
use crate::error::Error;

/// How often it is looked whether a notification has come.
const POLL: Duration = Duration::from_millis(200);

/// How often a probe is sent, and how long it may take to arrive.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before a probe is tried again that could not be sent.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// The shortest and the longest pause before the next connection.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// The pause where notifications don't arrive at all: this is not going to pass soon.
const NOT_RECEIVING_PAUSE: Duration = Duration::from_secs(60);

/// What a listener receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notification {
    /// One with this payload.
    Payload(String),
    /// It listens from now on, and may have missed any number of notifications.
    Gap,
}

/// Starts to listen to a channel, until the pool is dropped, or `receive` returns false.
///
/// # Errors
/// If the system can't start another thread.
pub(crate) fn start(
    current: &Arc<CurrentPool>,
    channel: &'static str,
    receive: impl Fn(Notification) -> bool + Clone + Send + 'static,
) -> io::Result<()> {
    let generation = Arc::new(AtomicU64::new(0));
    spawn(current, channel, &generation, receive.clone())?;
    // The listener may be waiting without limit for a server that hangs. One more takes over.
    current.on_failover(move |current| {
        generation.fetch_add(1, Relaxed);
        if let Err(error) = spawn(current, channel, &generation, receive.clone()) {
            tracing::error!(%error, channel, "failed to listen for notifications");
        }
    });
    Ok(())
}

fn spawn(
    current: &Arc<CurrentPool>,
    channel: &'static str,
    generation: &Arc<AtomicU64>,
    receive: impl Fn(Notification) -> bool + Send + 'static,
) -> io::Result<()> {
    let mut listener = Listener {
        current: Arc::downgrade(current),
        channel,
        own_generation: generation.load(Relaxed),
        generation: Arc::clone(generation),
        receive,
        has_failed: false,
    };
    thread::Builder::new().name("database-listen".to_owned()).spawn(move || listener.run())?;
    Ok(())
}

struct Listener<F> {
    current: Weak<CurrentPool>,
    channel: &'static str,
    own_generation: u64,
    generation: Arc<AtomicU64>,
    receive: F,
    /// Whether the failure has been logged.
    has_failed: bool,
}

/// Why a session ended.
enum End {
    /// Nobody needs it any more.
    Over,
    /// It could not be opened, or its connection was lost.
    Lost(Error),
    /// It is open, but not even the first probe has arrived.
    NotReceiving,
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Lost(error)
    }
}

/// The probe that a session waits for.
#[derive(Default)]
enum Probe {
    #[default]
    None,
    Sent(String, Instant),
    Arrived(Instant),
    /// There was no connection to send it, since when.
    Unsent(Instant),
}

impl<F: Fn(Notification) -> bool> Listener<F> {
    fn run(&mut self) {
        let (mut pause, longest) = PAUSES;
        loop {
            let opened = Instant::now();
            match self.session() {
                End::Over => return,
                End::Lost(error) => self.log_failure(&format_args!("{error}")),
                End::NotReceiving => {
                    self.log_failure(
                        &"notifications don't arrive, as through a pooler in transaction mode",
                    );
                    if !self.wait(NOT_RECEIVING_PAUSE) {
                        return;
                    }
                }
            }
            if opened.elapsed() > longest {
                pause = PAUSES.0;
            }
            if !self.wait(pause) {
                return;
            }
            pause = longest.min(2 * pause);
        }
    }

    /// Opens a connection of its own, and listens until it ends. It is closed then: nobody waits for an answer on
    /// a connection that may be dead.
    fn session(&mut self) -> End {
        let Some(current) = self.needed() else { return End::Over };
        let open = current.opener();
        drop(current);
        let listening = open().and_then(|mut connection| {
            connection.batch_execute(&format!("LISTEN {}", self.channel))?;
            Ok(connection)
        });
        match listening {
            // What was changed before is seen by whoever looks from now on.
            Ok(_) if !(self.receive)(Notification::Gap) => End::Over,
            Ok(mut connection) => self.listen(&mut connection),
            Err(error) => End::Lost(error),
        }
    }

    fn listen(&mut self, connection: &mut PgConnection) -> End {
        let mut probe = Probe::None;
        let mut has_received = false;
        loop {
            let Some(current) = self.needed() else { return End::Over };
            let pool = current.get();
            drop(current);
            match &probe {
                Probe::Sent(_, since) if since.elapsed() >= PROBE_TIMEOUT => {
                    return match has_received {
                        true => {
                            End::Lost(Error::unavailable("notifications don't arrive any more"))
                        }
                        false => End::NotReceiving,
                    };
                }
                Probe::Sent(..) => {}
                Probe::Arrived(since) if since.elapsed() < PROBE_INTERVAL => {}
                Probe::Unsent(since) if since.elapsed() < PROBE_PAUSE => {}
                Probe::None | Probe::Arrived(_) | Probe::Unsent(_) => {
                    probe = self.send_probe(&pool)
                }
            }
            drop(pool);
            let received: QueryResult<Vec<_>> = connection.notifications_iter().collect();
            let received = match received {
                Ok(received) => received,
                Err(error) => return End::Lost(Error::unavailable(error)),
            };
            for notification in received {
                let payload = notification.payload;
                match &probe {
                    Probe::Sent(sent, _) if *sent == payload => {
                        probe = Probe::Arrived(Instant::now());
                        has_received = true;
                        self.log_success();
                    }
                    _ if payload.starts_with(PROBE) => {}
                    _ if !(self.receive)(Notification::Payload(payload)) => return End::Over,
                    _ => {}
                }
            }
            thread::sleep(POLL);
        }
    }

    /// Sends a probe over a connection of the pool. If there is none, that says nothing about this one.
    fn send_probe(&self, pool: &Pool) -> Probe {
        let payload = format!("{PROBE}{}", unique());
        let sent = pool.connection().and_then(|mut connection| {
            connection.transaction(|connection| {
                // Nobody waits for the disk, or for a standby.
                connection.batch_execute("SET LOCAL synchronous_commit = off")?;
                sql_query("SELECT pg_notify($1, $2)")
                    .bind::<Text, _>(self.channel)
                    .bind::<Text, _>(&payload)
                    .execute(connection)?;
                Ok(())
            })
        });
        match sent {
            Ok(()) => Probe::Sent(payload, Instant::now()),
            Err::<_, Error>(_) => Probe::Unsent(Instant::now()),
        }
    }

    /// Returns the pool, as long as this listener is needed.
    fn needed(&self) -> Option<Arc<CurrentPool>> {
        self.current.upgrade().filter(|_| self.generation.load(Relaxed) == self.own_generation)
    }

    /// Waits. Returns whether this listener is still needed.
    fn wait(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while self.needed().is_some() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(POLL));
        }
        false
    }

    fn log_failure(&mut self, error: &dyn std::fmt::Display) {
        if self.has_failed {
            tracing::debug!(%error, channel = self.channel, "not listening for notifications");
        } else {
            tracing::warn!(%error, channel = self.channel, "not listening for notifications");
        }
        self.has_failed = true;
    }

    fn log_success(&mut self) {
        if std::mem::take(&mut self.has_failed) {
            tracing::info!(channel = self.channel, "listening for notifications again");
        }
    }
}

/// How the payloads of probes begin.
const PROBE: &str = "probe ";

/// Returns a text that no other program uses at the same time.
fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since_1970.unwrap_or_default().as_nanos();
    format!("{} {} {nanos}", std::process::id(), NEXT.fetch_add(1, Relaxed))
}
