//! The tasks that answer the streams of HTTP/2 connections.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
    task::{Poll, ready},
    time::Duration,
};

use hyper::rt::Executor;
use tokio::time::Instant;

use crate::{check_timer::CheckTimer, send_limit::SendLimit, untaken::Untaken};

tokio::task_local! {
    /// The parts of the response on the stream that the task answers.
    static PARTS: Arc<StreamParts>;
}

/// Runs each stream in a task of its own, and resets it once its client has left a part of the
/// response for too long.
///
/// hyper does not poll a response body while the client grants no flow control window, so the body
/// itself can't have a timeout. Dropping the stream makes h2 discard what is queued on it, and send
/// RST_STREAM with CANCEL.
#[derive(Clone, Debug)]
pub(crate) struct StreamExecutor(pub(crate) SendLimit);

/// The parts of the response on one stream that are untaken.
///
/// The task watches over them. What is left when it ends, because all of the response is with h2 or
/// the stream was reset, is left to the watch over the connection.
#[derive(Debug)]
pub(crate) struct StreamParts {
    start: Instant,
    /// The untaken parts, and one more until the task ends.
    untaken: AtomicUsize,
    /// Milliseconds after the start: when a part was last taken, or followed when there was none.
    since: AtomicU64,
    /// The connection, once there is a response.
    connection: OnceLock<Arc<Untaken>>,
    /// The generation of the connection in which the parts that were left are counted.
    generation: AtomicUsize,
}

/// Ends the watch over a stream when it is dropped.
struct StreamWatch(Arc<StreamParts>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        tokio::spawn(run(stream, self.0.clone()));
    }
}

async fn run(stream: impl Future<Output = ()>, limit: SendLimit) {
    let watch = StreamWatch(Arc::new(StreamParts::new()));
    let parts = &watch.0;
    // Dropped before the watch, so that what is left then can't be followed by more.
    let mut stream = pin!(PARTS.scope(Arc::clone(parts), stream));
    let mut timer = CheckTimer::default();
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let Some(untaken_for) = parts.untaken_for() else {
                timer.stop();
                return Poll::Pending;
            };
            if limit.is_over(untaken_for) {
                limit.log_reset("response reset", untaken_for);
                return Poll::Ready(());
            }
            ready!(timer.poll_tick(limit.check_interval(), cx));
        }
    })
    .await;
}

impl Drop for StreamWatch {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl StreamParts {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            untaken: AtomicUsize::new(1),
            since: AtomicU64::new(0),
            connection: OnceLock::new(),
            generation: AtomicUsize::new(0),
        }
    }

    /// Starts to count the parts of the response on the stream whose task is running. Returns
    /// `None` outside of such a task, which is over HTTP/1.1.
    pub(crate) fn of_this_task(connection: &Arc<Untaken>) -> Option<Arc<Self>> {
        let parts = PARTS.try_with(Arc::clone).ok()?;
        parts.connection.get_or_init(|| Arc::clone(connection));
        Some(parts)
    }

    /// Counts a part.
    pub(crate) fn add(&self) {
        if self.untaken.fetch_add(1, Relaxed) == 1 {
            self.renew();
        }
    }

    /// Stops counting a part.
    pub(crate) fn remove(&self) {
        match self.untaken.fetch_sub(1, AcqRel) {
            // The task has ended, so the part was counted in the connection.
            1 => self.leave_connection(),
            2 => {}
            _ => self.renew(),
        }
    }

    /// Leaves the parts to the connection: the task has ended.
    fn end(&self) {
        let Some(connection) = self.connection.get() else { return };
        self.generation.store(connection.add(), Relaxed);
        if self.untaken.fetch_sub(1, AcqRel) == 1 {
            self.leave_connection();
        }
    }

    fn leave_connection(&self) {
        if let Some(connection) = self.connection.get() {
            connection.remove(self.generation.load(Relaxed));
        }
    }

    fn renew(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(millis, Relaxed);
    }

    /// Returns for how long no part was taken; `None` if there is none. Only the task may ask.
    fn untaken_for(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.since.load(Relaxed));
        (self.untaken.load(Relaxed) > 1).then(|| self.start.elapsed().saturating_sub(since))
    }
}
