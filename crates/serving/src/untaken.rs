//! Counts the parts of responses that a client has not taken yet.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use crate::{check_timer::CheckTimer, send_limit::SendLimit};

/// The parts of responses on one connection that were handed to hyper, and are not yet written to
/// the socket. Over HTTP/2, those of a response whose task has ended count as one; before, the task
/// watches over them.
///
/// Parts are counted in two generations. A part belongs to the newer one until the older one is
/// empty; then the newer one becomes the older one. So for as long as the older generation is not
/// empty, it has a part that was there when it became the older one. Nothing is locked for a part.
#[derive(Debug)]
pub(crate) struct Untaken {
    limit: SendLimit,
    parts: [AtomicUsize; 2],
    /// The index of the newer generation.
    newer: AtomicUsize,
}

impl Untaken {
    /// Returns the count of a connection without responses.
    pub(crate) fn new(limit: SendLimit) -> Self {
        Self { limit, parts: Default::default(), newer: AtomicUsize::new(0) }
    }

    /// Returns the limit that applies to the parts.
    pub(crate) fn limit(&self) -> &SendLimit {
        &self.limit
    }

    /// Counts a part. Returns its generation.
    pub(crate) fn add(&self) -> usize {
        let generation = self.newer.load(Relaxed);
        self.count(generation).fetch_add(1, Relaxed);
        generation
    }

    /// Stops counting a part of this generation.
    pub(crate) fn remove(&self, generation: usize) {
        self.count(generation).fetch_sub(1, Relaxed);
    }

    fn count(&self, generation: usize) -> &AtomicUsize {
        let [even, odd] = &self.parts;
        if generation.is_multiple_of(2) { even } else { odd }
    }

    fn is_empty(&self) -> bool {
        self.parts.iter().all(|parts| parts.load(Relaxed) == 0)
    }

    /// Starts a new generation if the older one is empty. Returns whether it was.
    fn renew(&self) -> bool {
        let newer = self.newer.load(Relaxed);
        let is_empty = self.count(newer + 1).load(Relaxed) == 0;
        if is_empty {
            self.newer.store((newer + 1) % 2, Relaxed);
        }
        is_empty
    }
}

/// Watches over the parts of one connection. It is polled after the connection, whenever that was
/// polled: parts that are left by then could not be written. While there are none it has no timer.
#[derive(Debug)]
pub(crate) struct UntakenWatch {
    untaken: Arc<Untaken>,
    /// When the older generation became the older one.
    since: Instant,
    timer: CheckTimer,
}

impl UntakenWatch {
    pub(crate) fn new(untaken: Arc<Untaken>) -> Self {
        Self { untaken, since: Instant::now(), timer: CheckTimer::default() }
    }

    /// Becomes ready once a part has been left for longer than the limit, for twice as long at the
    /// latest. Returns for how long at least.
    pub(crate) fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        if self.untaken.is_empty() {
            self.timer.stop();
            return Poll::Pending;
        }
        loop {
            ready!(self.timer.poll_tick(self.untaken.limit.check_interval(), cx));
            if self.untaken.renew() {
                self.since = Instant::now();
            } else if self.untaken.limit.is_over(self.since.elapsed()) {
                return Poll::Ready(self.since.elapsed());
            }
        }
    }
}
