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
    /// How many threads may run long queries at once.
    most_long: usize,
    state: Mutex<State<C>>,
}

struct State<C> {
    brief: VecDeque<Job<C>>,
    long: VecDeque<Job<C>>,
    /// The number of the next query.
    next: u64,
    /// How many threads there are.
    threads: usize,
    /// How many of them run long queries.
    running_long: usize,
}

/// What a lane has to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// The queries that run, or are about to.
    pub(super) running: usize,
    /// The queries that wait for a thread.
    pub(super) waiting: usize,
    /// The most queries that may run at once.
    pub(super) most: usize,
}

/// How long a query takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// About as long as its round trip.
    Brief,
    /// Possibly seconds.
    Long,
}

/// A query that waits.
struct Job<C> {
    /// Which query of all this is.
    number: u64,
    length: Length,
    /// Set by the thread that begins the query, or by the caller that withdraws it: whoever is first.
    is_taken: Arc<AtomicBool>,
    run: Run<C>,
}

/// The place of a query that waits. On drop, a query that has not begun is withdrawn.
pub(super) struct Place<'a, C> {
    threads: &'a Threads<C>,
    length: Length,
    is_taken: Arc<AtomicBool>,
}

impl<C> State<C> {
    fn waiting(&mut self, length: Length) -> &mut VecDeque<Job<C>> {
        match length {
            Length::Brief => &mut self.brief,
            Length::Long => &mut self.long,
        }
    }

    /// Removes the query that came first of those that may run.
    fn pop(&mut self, most_long: usize) -> Option<Job<C>> {
        let may_run = |job: &&Job<C>| job.length == Length::Brief || self.running_long < most_long;
        let waiting = [self.brief.front(), self.long.front()];
        let first = waiting.into_iter().flatten().filter(may_run).min_by_key(|job| job.number)?;
        let length = first.length;
        self.running_long += usize::from(length == Length::Long);
        self.waiting(length).pop_front()
    }
}

impl<C> Threads<C> {
    /// Returns the queue of a lane with so many threads at most, at least one. If there are several, long
    /// queries use all but one.
    pub(super) fn new(most: usize) -> Self {
        let (brief, long) = (VecDeque::new(), VecDeque::new());
        let state = State { brief, long, next: 0, threads: 0, running_long: 0 };
        let most_long = most.saturating_sub(1).max(1);
        Self { most: most.max(1), most_long, state: Mutex::new(state) }
    }

    /// Returns what there is to do.
    pub(super) fn load(&self) -> Load {
        let state = self.lock();
        let waiting = state.brief.len() + state.long.len();
        Load { running: state.threads, waiting, most: self.most }
    }

    /// Adds a query. Returns its place, and whether one more thread is to be started, with [`Self::work`].
    pub(super) fn push(&self, length: Length, run: Run<C>) -> (Place<'_, C>, bool) {
        let is_taken = Arc::new(AtomicBool::new(false));
        let mut state = self.lock();
        // Otherwise, it waits for one that runs long queries.
        let may_run =
            length == Length::Brief || state.running_long + state.long.len() < self.most_long;
        let number = state.next;
        state.next += 1;
        let job = Job { number, length, is_taken: Arc::clone(&is_taken), run };
        state.waiting(length).push_back(job);
        let is_missing = may_run && state.threads < self.most;
        state.threads += usize::from(is_missing);
        (Place { threads: self, length, is_taken }, is_missing)
    }

    /// Runs queries until none waits, on connections from `connect`, which checks them.
    pub(super) fn work(&self, connect: impl Fn() -> Result<C, Error>) {
        let mut kept: Option<(C, Instant)> = None;
        let mut last = Length::Brief;
        while let Some(job) = self.next(last) {
            last = job.length;
            if job.is_taken.swap(true, Ordering::AcqRel) {
                continue;
            }
            // A panic costs this query, whose caller learns of it, and the connection.
            let run = catch_unwind(AssertUnwindSafe(|| {
                let trusted = kept.take().filter(|(_, checked)| checked.elapsed() < TRUSTED);
                let (connection, checked) = match trusted {
                    Some((connection, checked)) => (Ok(connection), checked),
                    None => (connect(), Instant::now()),
                };
                (job.run)(connection).map(|connection| (connection, checked))
            }));
            kept = run.ok().flatten();
        }
    }

    /// Returns the query that follows the thread's last one. If none may run, the thread ends: whoever
    /// comes next starts another one.
    fn next(&self, last: Length) -> Option<Job<C>> {
        let mut state = self.lock();
        state.running_long -= usize::from(last == Length::Long);
        let next = state.pop(self.most_long);
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
            let waiting = state.waiting(self.length);
            let own = waiting.iter().position(is_own);
            let job = own.and_then(|index| waiting.remove(index));
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
        let (place, _) = threads.push(Length::Brief, Box::new(run));
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
        assert!(threads.lock().brief.is_empty());
        // It was dropped with what it holds.
        assert!(used.recv().is_err());
        let (dropped, used) = push(&threads, Some);
        drop(dropped);
        assert!(used.recv().is_err());
    }

    #[test]
    fn there_are_no_more_threads_than_may_be_and_one_ends_when_nothing_waits() {
        let threads = Threads::<u32>::new(2);
        let push = || threads.push(Length::Brief, Box::new(|_| None)).1;
        assert_eq!([push(), push(), push()], [true, true, false]);
        work(&threads);
        assert_eq!([push(), push()], [true, false]);
    }

    #[test]
    fn long_queries_use_all_threads_but_one_and_others_pass_them() {
        let threads = Threads::<u32>::new(3);
        let order = Arc::new(Mutex::new(String::new()));
        let push = |length, name| {
            let order = Arc::clone(&order);
            let run = move |connection: Result<u32, Error>| {
                order.lock().unwrap().push(name);
                connection.ok()
            };
            let (place, is_thread_missing) = threads.push(length, Box::new(run));
            (std::mem::ManuallyDrop::new(place), is_thread_missing)
        };
        let (first, second) = (push(Length::Long, 'a'), push(Length::Long, 'b'));
        let (third, brief) = (push(Length::Long, 'c'), push(Length::Brief, '1'));
        assert_eq!([first.1, second.1, third.1, brief.1], [true, true, false, true]);

        // Two threads begin, and a third one finds no long query that may run.
        let [a, b] = [0, 1].map(|_| threads.next(Length::Brief).unwrap());
        threads.work(|| Ok(1));
        assert_eq!(*order.lock().unwrap(), "1");
        assert_eq!(threads.lock().threads, 2);

        // The thread whose long query ends takes the next one.
        let c = threads.next(a.length).unwrap();
        assert_eq!([a.number, b.number, c.number], [0, 1, 2]);
        assert!(threads.next(c.length).is_none() && threads.next(b.length).is_none());
        let state = threads.lock();
        assert_eq!((state.threads, state.running_long), (0, 0));
    }

    #[test]
    fn the_only_thread_runs_all_queries_as_they_come() {
        let threads = Threads::<u32>::new(1);
        for length in [Length::Long, Length::Brief, Length::Long] {
            std::mem::forget(threads.push(length, Box::new(|_| None)).0);
        }
        let mut last = Length::Brief;
        for number in 0..3 {
            let job = threads.next(last).unwrap();
            assert_eq!(job.number, number);
            last = job.length;
        }
        assert!(threads.next(last).is_none());
    }
}
