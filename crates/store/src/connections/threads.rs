//! The threads that run queries.
//!
//! A thread keeps its connection while queries wait: it has just answered the last one, so that a check
//! would be one round trip more for nothing. Nor does a query wait for a thread to be woken then.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::error::Error;

/// How long a connection is used without another check of whether the server takes writes.
const TRUSTED: Duration = Duration::from_secs(1);

/// Runs a query. Returns the connection if it may be used for another one.
pub(super) type Run<C> = Box<dyn FnOnce(Result<C, Error>) -> Option<C> + Send>;

/// The queries of a lane that wait, in the order in which they came, and the threads that run them.
pub(super) struct Threads<C> {
    most: usize,
    state: Mutex<State<C>>,
}

struct State<C> {
    waiting: VecDeque<Job<C>>,
    /// How many threads there are.
    threads: usize,
}

/// A query that waits.
struct Job<C> {
    /// Set by the thread that begins the query, or by the caller that withdraws it: whoever is first.
    is_taken: Arc<AtomicBool>,
    run: Run<C>,
}

/// The place of a query that waits. On drop, a query that has not begun is withdrawn.
pub(super) struct Place<'a, C> {
    threads: &'a Threads<C>,
    is_taken: Arc<AtomicBool>,
}

impl<C> Threads<C> {
    /// Returns the queue of a lane with so many threads at most, at least one.
    pub(super) fn new(most: usize) -> Self {
        let state = State { waiting: VecDeque::new(), threads: 0 };
        Self { most: most.max(1), state: Mutex::new(state) }
    }

    /// Adds a query. Returns its place, and whether one more thread is to be started, with [`Self::work`].
    pub(super) fn push(&self, run: Run<C>) -> (Place<'_, C>, bool) {
        let is_taken = Arc::new(AtomicBool::new(false));
        let mut state = self.lock();
        state.waiting.push_back(Job { is_taken: Arc::clone(&is_taken), run });
        let is_missing = state.threads < self.most;
        state.threads += usize::from(is_missing);
        (Place { threads: self, is_taken }, is_missing)
    }

    /// Runs queries until none waits, on connections from `connect`, which checks them.
    pub(super) fn work(&self, connect: impl Fn() -> Result<C, Error>) {
        let mut kept: Option<(C, Instant)> = None;
        while let Some(job) = self.next() {
            if job.is_taken.swap(true, Ordering::AcqRel) {
                continue;
            }
            kept = kept.filter(|(_, checked)| checked.elapsed() < TRUSTED);
            let (connection, checked) = match kept.take() {
                Some((connection, checked)) => (Ok(connection), checked),
                None => (connect(), Instant::now()),
            };
            // A panic costs this query, whose caller learns of it, and the connection.
            let run = catch_unwind(AssertUnwindSafe(|| (job.run)(connection)));
            kept = run.ok().flatten().map(|connection| (connection, checked));
        }
    }

    /// Returns the next query. If none waits, the thread ends: whoever comes next starts another one.
    fn next(&self) -> Option<Job<C>> {
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.threads -= 1;
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Place<'_, C> {
    /// Withdraws the query. Returns whether it is withdrawn, because it had not begun.
    pub(super) fn withdraw(&self) -> bool {
        let is_withdrawn = !self.is_taken.swap(true, Ordering::AcqRel);
        if is_withdrawn {
            let mut state = self.threads.lock();
            let is_own = |job: &Job<C>| Arc::ptr_eq(&job.is_taken, &self.is_taken);
            let own = state.waiting.iter().position(is_own);
            let job = own.and_then(|index| state.waiting.remove(index));
            // What the query holds is dropped after the lock.
            drop(state);
            drop(job);
        }
        is_withdrawn
    }
}

impl<C> Drop for Place<'_, C> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl<C> fmt::Debug for Threads<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Adds a query that reports its connection, and what it returns.
    fn push<'a>(
        threads: &'a Threads<u32>,
        then: fn(u32) -> Option<u32>,
    ) -> (Place<'a, u32>, Receiver<u32>) {
        let (sender, receiver) = channel();
        let run = move |connection: Result<u32, Error>| {
            let connection = connection.unwrap();
            sender.send(connection).unwrap();
            then(connection)
        };
        let (place, _) = threads.push(Box::new(run));
        (place, receiver)
    }

    /// Runs what waits, on connections that are numbered from 1.
    fn work(threads: &Threads<u32>) {
        let number = Mutex::new(0);
        threads.work(|| {
            let mut number = number.lock().unwrap();
            *number += 1;
            Ok(*number)
        });
    }

    #[test]
    fn a_connection_is_kept_while_queries_wait_unless_one_fails() {
        let threads = Threads::new(1);
        let kept = push(&threads, Some);
        let failed = push(&threads, |_| None);
        let panicked = push(&threads, |_| panic!("as the test wants"));
        let last = push(&threads, Some);

        work(&threads);

        let used = [kept, failed, panicked, last].map(|(_, used)| used.try_recv().unwrap());
        assert_eq!(used, [1, 1, 2, 3]);
    }

    #[test]
    fn a_query_that_is_withdrawn_leaves_nothing_and_one_that_has_begun_is_not() {
        let threads = Threads::new(1);
        let (begun, _used) = push(&threads, Some);
        work(&threads);
        assert!(!begun.withdraw());

        let (withdrawn, used) = push(&threads, Some);
        assert!(withdrawn.withdraw());
        assert!(threads.lock().waiting.is_empty());
        // It was dropped with what it holds.
        assert!(used.recv().is_err());
        let (dropped, used) = push(&threads, Some);
        drop(dropped);
        assert!(used.recv().is_err());
    }

    #[test]
    fn there_are_no_more_threads_than_may_be_and_one_ends_when_nothing_waits() {
        let threads = Threads::<u32>::new(2);
        let push = || threads.push(Box::new(|_| None)).1;
        assert_eq!([push(), push(), push()], [true, true, false]);
        work(&threads);
        assert_eq!([push(), push()], [true, false]);
    }
}
