//! The bounded queue between the async callers and the writer threads.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use domain::TenantId;

/// A first-in, first-out queue with a bound for all and a bound for each tenant.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Rung for each job that comes in, and for all when the queue is closed.
    bell: Condvar,
    limits: Limits,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of all tenants together.
    pub(super) total: usize,
    /// Of any one tenant.
    pub(super) per_tenant: usize,
}

/// Why a job was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// As much waits as may.
    Full,
    /// As much waits of this tenant as may.
    TenantFull,
    /// No more is taken in.
    Closed,
}

#[derive(Debug)]
struct State<T> {
    jobs: VecDeque<(TenantId, T)>,
    waiting: HashMap<TenantId, usize>,
    is_closed: bool,
    shift: Shift,
}

/// Those who may take jobs. Another shift takes over from all of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shift(u64);

impl Shift {
    /// The one after it.
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
            shift: Shift::default(),
        };
        Self { state: Mutex::new(state), bell: Condvar::new(), limits }
    }

    /// Takes a job in, or refuses it at once.
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
        self.bell.notify_one();
        Ok(())
    }

    /// Whether as much waits as may.
    pub(super) fn is_full(&self) -> bool {
        self.lock().jobs.len() >= self.limits.total
    }

    /// Puts a job back that was taken, before all others and beyond all bounds.
    pub(super) fn put_back(&self, tenant: TenantId, job: T) {
        let mut state = self.lock();
        *state.waiting.entry(tenant).or_default() += 1;
        state.jobs.push_front((tenant, job));
        drop(state);
        self.bell.notify_one();
    }

    /// Waits for the shift to begin and for a job, and takes it, with up to `most - 1` of those that wait behind it; it never
    /// waits for those. With `one_tenant`, only those of the first one's tenant.
    ///
    /// Returns nothing once the queue is closed and empty, or the shift is over.
    pub(super) fn take(&self, shift: Shift, most: usize, one_tenant: bool) -> Vec<(TenantId, T)> {
        let mut state = self
            .bell
            .wait_while(self.lock(), |state| {
                let has_none = state.shift == shift && state.jobs.is_empty();
                !state.is_closed && (state.shift < shift || has_none)
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.shift != shift {
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
            state.forget(*tenant);
        }
        taken
    }

    /// Takes all that wait, and waits for none. Returns nothing where the shift is over.
    pub(super) fn take_all(&self, shift: Shift) -> Vec<(TenantId, T)> {
        let mut state = self.lock();
        if state.shift != shift {
            return Vec::new();
        }
        state.waiting.clear();
        state.jobs.drain(..).collect()
    }

    /// Whose turn it is.
    pub(super) fn shift(&self) -> Shift {
        self.lock().shift
    }

    /// Begins a shift, which ends the one before: those of that one get no more jobs.
    pub(super) fn begin(&self, shift: Shift) {
        self.lock().shift = shift;
        self.bell.notify_all();
    }

    /// Takes no more in. What waits is still handed out.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.bell.notify_all();
    }

    /// The state, also where a thread panicked while it held it: no update of it can panic
    /// half-way.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Takes up to `most` jobs of a tenant, wherever they stand, and leaves the others in order.
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

    /// Counts one job less of a tenant.
    fn forget(&mut self, tenant: TenantId) {
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
    fn hands_out_in_order_up_to_the_most() {
        let queue = queue(10, 10);
        for job in "abc".chars() {
            queue.push(tenant(1), job).unwrap();
        }
        assert_eq!(jobs(queue.take(Shift::default(), 2, false)), "ab");
        assert_eq!(jobs(queue.take(Shift::default(), 2, false)), "c");
    }

    #[test]
    fn refuses_what_is_beyond_the_bounds_and_takes_it_once_there_is_room() {
        let queue = queue(3, 2);
        queue.push(tenant(1), 'a').unwrap();
        queue.push(tenant(1), 'b').unwrap();
        assert_eq!(queue.push(tenant(1), 'c'), Err(Refusal::TenantFull));
        queue.push(tenant(2), 'd').unwrap();
        assert_eq!(queue.push(tenant(3), 'e'), Err(Refusal::Full));
        assert_eq!(jobs(queue.take(Shift::default(), 1, false)), "a");
        queue.push(tenant(1), 'f').unwrap();
        assert_eq!(jobs(queue.take_all(Shift::default())), "bdf");
        queue.push(tenant(1), 'g').unwrap();
        queue.push(tenant(1), 'h').unwrap();
        assert_eq!(queue.push(tenant(1), 'i'), Err(Refusal::TenantFull));
    }

    #[test]
    fn keeps_to_one_tenant_and_leaves_the_others_in_order() {
        let queue = queue(10, 10);
        for (id, job) in [(1, 'a'), (2, 'x'), (1, 'b'), (3, 'y'), (1, 'c')] {
            queue.push(tenant(id), job).unwrap();
        }
        assert_eq!(jobs(queue.take(Shift::default(), 2, true)), "ab");
        assert_eq!(jobs(queue.take(Shift::default(), 5, true)), "x");
        assert_eq!(jobs(queue.take(Shift::default(), 5, true)), "y");
        assert_eq!(jobs(queue.take(Shift::default(), 5, true)), "c");
    }

    #[test]
    fn is_emptied_before_it_ends() {
        let queue = queue(10, 10);
        queue.push(tenant(1), 'a').unwrap();
        queue.close();
        assert_eq!(queue.push(tenant(1), 'b'), Err(Refusal::Closed));
        assert_eq!(jobs(queue.take(Shift::default(), 5, false)), "a");
        assert_eq!(jobs(queue.take(Shift::default(), 5, false)), "");
    }

    #[test]
    fn what_is_put_back_comes_first_and_passes_every_bound() {
        let queue = queue(1, 1);
        queue.push(tenant(1), 'a').unwrap();
        queue.close();
        queue.put_back(tenant(1), 'b');
        assert_eq!(jobs(queue.take(Shift::default(), 5, false)), "ba");
        assert_eq!(jobs(queue.take(Shift::default(), 5, false)), "");
    }

    #[test]
    fn wakes_who_waits() {
        let queue = queue(10, 10);
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| jobs(queue.take(Shift::default(), 5, false)));
            queue.push(tenant(1), 'a').unwrap();
            assert_eq!(taker.join().unwrap(), "a");
        });
    }

    #[test]
    fn the_next_shift_takes_over() {
        let queue = queue(10, 10);
        let first = queue.shift();
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
