//! The bounded queue between the async callers and the worker threads.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use domain::TenantId;

/// A first-in, first-out queue with a limit in total and a limit for each tenant.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Wakes one worker for each job that is pushed, and all of them when the queue is closed or
    /// another generation begins.
    not_empty: Condvar,
    limits: Limits,
}

/// How many jobs may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of all tenants together.
    pub(super) total: usize,
    /// Of any one tenant.
    pub(super) per_tenant: usize,
}

/// Why a job was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The queue is full.
    Full,
    /// The tenant has as many jobs in the queue as it may have.
    TenantFull,
    /// The queue was closed.
    Closed,
}

#[derive(Debug)]
struct State<T> {
    jobs: VecDeque<(TenantId, T)>,
    waiting: HashMap<TenantId, usize>,
    is_closed: bool,
    generation: Generation,
}

/// A generation of workers. Only those of the current one may take jobs; another one replaces all
/// of them at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation(u64);

impl Generation {
    /// Returns the generation after this one.
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl<T> Queue<T> {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            waiting: HashMap::new(),
            is_closed: false,
            generation: Generation::default(),
        };
        Self { state: Mutex::new(state), not_empty: Condvar::new(), limits }
    }

    /// Appends a job, or refuses it at once.
    pub(super) fn push(&self, tenant: TenantId, job: T) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refusal::Closed);
        }
        if state.jobs.len() >= self.limits.total {
            return Err(Refusal::Full);
        }
        let waiting = state.waiting.entry(tenant).or_default();
        if *waiting >= self.limits.per_tenant {
            return Err(Refusal::TenantFull);
        }
        *waiting += 1;
        state.jobs.push_back((tenant, job));
        drop(state);
        self.not_empty.notify_one();
        Ok(())
    }

    /// Whether the queue is full: it refuses the next job of any tenant.
    pub(super) fn is_full(&self) -> bool {
        self.lock().jobs.len() >= self.limits.total
    }

    /// Returns a job that was taken to the front of the queue, whatever the limits are.
    pub(super) fn requeue(&self, tenant: TenantId, job: T) {
        let mut state = self.lock();
        *state.waiting.entry(tenant).or_default() += 1;
        state.jobs.push_front((tenant, job));
        drop(state);
        self.not_empty.notify_one();
    }

    /// Blocks until the generation has begun and a job waits. Returns that job and up to `most - 1`
    /// of those behind it, for which it does not wait; with `one_tenant`, only jobs of the first
    /// one's tenant.
    ///
    /// Returns an empty list once the queue is closed and empty, or the generation was replaced.
    pub(super) fn take(
        &self,
        generation: Generation,
        most: usize,
        one_tenant: bool,
    ) -> Vec<(TenantId, T)> {
        let mut state = self
            .not_empty
            .wait_while(self.lock(), |state| {
                let has_none = state.generation == generation && state.jobs.is_empty();
                !state.is_closed && (state.generation < generation || has_none)
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.generation != generation {
            return Vec::new();
        }
        let first = state.jobs.front().map(|(tenant, _)| *tenant);
        let taken: Vec<_> = match first {
            Some(tenant) if one_tenant => state.take_tenant(tenant, most),
            _ => {
                let count = state.jobs.len().min(most);
                state.jobs.drain(..count).collect()
            }
        };
        for (tenant, _) in &taken {
            state.count_down(*tenant);
        }
        taken
    }

    /// Returns all jobs that wait, without blocking; none if the generation was replaced.
    pub(super) fn take_all(&self, generation: Generation) -> Vec<(TenantId, T)> {
        let mut state = self.lock();
        if state.generation != generation {
            return Vec::new();
        }
        state.waiting.clear();
        state.jobs.drain(..).collect()
    }

    /// Returns the generation of workers that may take jobs.
    pub(super) fn generation(&self) -> Generation {
        self.lock().generation
    }

    /// Begins a generation, which replaces the one before: workers of that one get no more jobs.
    pub(super) fn begin(&self, generation: Generation) {
        self.lock().generation = generation;
        self.not_empty.notify_all();
    }

    /// Refuses all further jobs. Those that wait can still be taken.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.not_empty.notify_all();
    }

    /// Returns the state, also if a thread panicked while it had it locked: no update of it can
    /// panic half-way.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Removes up to `most` jobs of a tenant from anywhere in the queue. The others keep their order.
    fn take_tenant(&mut self, tenant: TenantId, most: usize) -> Vec<(TenantId, T)> {
        let mut taken = Vec::new();
        let mut left = VecDeque::with_capacity(self.jobs.len());
        for job in self.jobs.drain(..) {
            if job.0 == tenant && taken.len() < most {
                taken.push(job);
            } else {
                left.push_back(job);
            }
        }
        self.jobs = left;
        taken
    }

    /// Counts one waiting job less for a tenant.
    fn count_down(&mut self, tenant: TenantId) {
        if let Some(waiting) = self.waiting.get_mut(&tenant) {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting.remove(&tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    fn queue(total: usize, per_tenant: usize) -> Queue<char> {
        Queue::new(Limits { total, per_tenant })
    }

    fn jobs(taken: Vec<(TenantId, char)>) -> String {
        taken.into_iter().map(|(_, job)| job).collect()
    }

    #[test]
    fn jobs_are_taken_in_order_up_to_the_given_number() {
        let queue = queue(10, 10);
        for job in "abc".chars() {
            queue.push(tenant(1), job).unwrap();
        }
        assert_eq!(jobs(queue.take(Generation::default(), 2, false)), "ab");
        assert_eq!(jobs(queue.take(Generation::default(), 2, false)), "c");
    }

    #[test]
    fn a_job_beyond_a_limit_is_refused_until_another_was_taken() {
        let queue = queue(3, 2);
        queue.push(tenant(1), 'a').unwrap();
        queue.push(tenant(1), 'b').unwrap();
        assert_eq!(queue.push(tenant(1), 'c'), Err(Refusal::TenantFull));
        queue.push(tenant(2), 'd').unwrap();
        assert_eq!(queue.push(tenant(3), 'e'), Err(Refusal::Full));
        assert_eq!(jobs(queue.take(Generation::default(), 1, false)), "a");
        queue.push(tenant(1), 'f').unwrap();
        assert_eq!(jobs(queue.take_all(Generation::default())), "bdf");
        queue.push(tenant(1), 'g').unwrap();
        queue.push(tenant(1), 'h').unwrap();
        assert_eq!(queue.push(tenant(1), 'i'), Err(Refusal::TenantFull));
    }

    #[test]
    fn jobs_of_one_tenant_are_taken_and_the_others_keep_their_order() {
        let queue = queue(10, 10);
        for (id, job) in [(1, 'a'), (2, 'x'), (1, 'b'), (3, 'y'), (1, 'c')] {
            queue.push(tenant(id), job).unwrap();
        }
        assert_eq!(jobs(queue.take(Generation::default(), 2, true)), "ab");
        assert_eq!(jobs(queue.take(Generation::default(), 5, true)), "x");
        assert_eq!(jobs(queue.take(Generation::default(), 5, true)), "y");
        assert_eq!(jobs(queue.take(Generation::default(), 5, true)), "c");
    }

    #[test]
    fn a_closed_queue_is_emptied_and_then_ends() {
        let queue = queue(10, 10);
        queue.push(tenant(1), 'a').unwrap();
        queue.close();
        assert_eq!(queue.push(tenant(1), 'b'), Err(Refusal::Closed));
        assert_eq!(jobs(queue.take(Generation::default(), 5, false)), "a");
        assert_eq!(jobs(queue.take(Generation::default(), 5, false)), "");
    }

    #[test]
    fn a_requeued_job_comes_first_whatever_the_limits_are() {
        let queue = queue(1, 1);
        queue.push(tenant(1), 'a').unwrap();
        queue.close();
        queue.requeue(tenant(1), 'b');
        assert_eq!(jobs(queue.take(Generation::default(), 5, false)), "ba");
        assert_eq!(jobs(queue.take(Generation::default(), 5, false)), "");
    }

    #[test]
    fn a_push_wakes_a_waiting_worker() {
        let queue = queue(10, 10);
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| jobs(queue.take(Generation::default(), 5, false)));
            queue.push(tenant(1), 'a').unwrap();
            assert_eq!(taker.join().unwrap(), "a");
        });
    }

    #[test]
    fn only_the_current_generation_gets_jobs() {
        let queue = queue(10, 10);
        let first = queue.generation();
        std::thread::scope(|scope| {
            let old = scope.spawn(|| jobs(queue.take(first, 5, false)));
            let new = scope.spawn(|| jobs(queue.take(first.next(), 5, false)));
            queue.begin(first.next());
            assert_eq!(old.join().unwrap(), "");
            queue.push(tenant(1), 'a').unwrap();
            assert_eq!(jobs(queue.take(first, 5, false)), "");
            assert_eq!(jobs(queue.take_all(first)), "");
            assert_eq!(new.join().unwrap(), "a");
        });
    }
}
