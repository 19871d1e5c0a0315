//! The spans that have ended, until they are exported.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How many spans wait, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most spans that wait. Those that end when so many do are dropped.
    pub queue: usize,
    /// The most spans that are exported at once.
    pub batch: usize,
    /// How long spans wait for others at most.
    pub delay: Duration,
}

/// Takes ended spans, and never blocks those whose they are.
pub(crate) struct Queue<T> {
    limits: Limits,
    state: Mutex<State<T>>,
    is_due: Condvar,
    dropped: AtomicU64,
}

struct State<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

/// Without what waits.
impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<T> Queue<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        let batch = limits.batch.clamp(1, limits.queue.max(1));
        let state = State { waiting: VecDeque::new(), is_closed: false };
        Self {
            limits: Limits { batch, ..limits },
            state: Mutex::new(state),
            is_due: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Adds a span, or drops it.
    pub(crate) fn push(&self, span: T) {
        let mut state = self.lock();
        if state.is_closed || state.waiting.len() >= self.limits.queue {
            drop(state);
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        state.waiting.push_back(span);
        if state.waiting.len() == self.limits.batch {
            self.is_due.notify_one();
        }
    }

    /// Blocks until spans are to be exported: as many as one export takes, or fewer once the delay is over or
    /// the queue is closed. Returns `None` once it is closed and empty.
    pub(crate) fn take(&self) -> Option<Vec<T>> {
        let mut state = self.lock();
        loop {
            let until = Instant::now() + self.limits.delay;
            while state.waiting.len() < self.limits.batch && !state.is_closed {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                let waited = self.is_due.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            let count = state.waiting.len().min(self.limits.batch);
            if count > 0 {
                return Some(state.waiting.drain(..count).collect());
            }
            if state.is_closed {
                return None;
            }
        }
    }

    /// Takes no more spans. Those that wait are exported at once.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.is_due.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Returns how many spans were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn queue(queue: usize, batch: usize, delay: Duration) -> Queue<u32> {
        Queue::new(Limits { queue, batch, delay })
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let queue = queue(3, 2, HOUR);
        (0..5).for_each(|number| queue.push(number));
        assert_eq!(queue.dropped(), 2);
        assert_eq!(queue.take(), Some(vec![0, 1]));
        queue.push(5);
        assert_eq!(queue.take(), Some(vec![2, 5]));
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn fewer_than_a_batch_are_taken_once_the_delay_is_over() {
        let queue = queue(9, 9, Duration::from_millis(1));
        queue.push(1);
        assert_eq!(queue.take(), Some(vec![1]));
    }

    #[test]
    fn whoever_waits_is_woken_by_a_whole_batch_and_by_the_end() {
        let queue = queue(9, 2, HOUR);
        thread::scope(|scope| {
            let taker = scope.spawn(|| (queue.take(), queue.take(), queue.take()));
            queue.push(1);
            queue.push(2);
            queue.push(3);
            queue.close();
            // Closed before it was taken, perhaps, but all that was there comes.
            assert_eq!(taker.join().unwrap(), (Some(vec![1, 2]), Some(vec![3]), None));
        });
        queue.push(4);
        assert_eq!((queue.dropped(), queue.take()), (1, None));
    }

    #[test]
    fn a_batch_is_no_larger_than_the_queue() {
        let queue = queue(2, 100, HOUR);
        queue.push(1);
        queue.push(2);
        assert_eq!(queue.take(), Some(vec![1, 2]));
    }
}
