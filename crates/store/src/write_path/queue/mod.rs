//! The bounded queue between the async callers and the worker threads.

use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::{CaseId, TenantId};

use super::{
    contended::{Lane, Turn},
    queued::Queued,
    turns::{Most, Turns},
};

/// A queue in which tenants take turns, with a limit in total and a limit for each tenant, and a lane
/// beside it for the jobs of tenants that wait for locks.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Wakes one worker for each job that is pushed, and all of them when the queue is closed,
    /// another generation begins, or the lane becomes free.
    not_empty: Condvar,
    limits: Limits,
}

/// How many jobs may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of all tenants together. As many again may wait in the lane.
    pub(super) total: usize,
    /// Of any one tenant, which has at most as many as there is room left: however many tenants fill
    /// the queue, there is room for others.
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

/// What a worker is to do next.
#[derive(Debug)]
pub(super) enum Work<T> {
    /// Jobs that may share a statement.
    Shared(Vec<T>),
    /// The jobs of a turn in the lane. No other worker gets one until [`Queue::end_turn`].
    Lane(Turn<T>),
}

/// What became of a job that had waited for a lock in vain.
#[derive(Debug)]
pub(super) enum Blocked<T> {
    /// It is in the lane.
    Waits {
        /// Whether it is the first job of its tenant there.
        is_first: bool,
    },
    /// The lane is full.
    Refused(T),
}

#[derive(Debug)]
struct State<T> {
    jobs: Turns<T>,
    lane: Lane<T>,
    /// The generation of the worker that has a turn in the lane.
    turn: Option<Generation>,
    /// When the next turn in the lane may begin.
    next_turn: Option<Instant>,
    /// The number of jobs of each tenant that wait, in the lane or not.
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

impl<T: Queued> Queue<T> {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State {
            jobs: Turns::new(),
            lane: Lane::new(),
            turn: None,
            next_turn: None,
            waiting: HashMap::new(),
            is_closed: false,
            generation: Generation::default(),
        };
        Self { state: Mutex::new(state), not_empty: Condvar::new(), limits }
    }

    /// Adds a job, or refuses it at once.
    pub(super) fn push(&self, job: T) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refusal::Closed);
        }
        state.check(job.tenant(), self.limits).or_else(|refusal| {
            // What nobody waits for any more must not keep other jobs out.
            if state.lane.has(job.tenant()) && state.tidy(Instant::now()) {
                state.check(job.tenant(), self.limits)
            } else {
                Err(refusal)
            }
        })?;
        state.append(job);
        drop(state);
        self.not_empty.notify_one();
        Ok(())
    }

    /// Whether the queue is full: it refuses the next job of any tenant that waits for no lock.
    pub(super) fn is_full(&self) -> bool {
        self.lock().jobs.len() >= self.limits.total
    }

    /// Returns a job that was taken, before all others of its tenant and whatever the limits are; to
    /// the lane, if its tenant waits for locks.
    pub(super) fn requeue(&self, job: T) {
        let mut state = self.lock();
        state.count_up(job.tenant());
        if let Some(job) = state.lane.add(job) {
            state.jobs.push_front(job);
        }
        drop(state);
        self.not_empty.notify_one();
    }

    /// Moves a job that was taken to the lane if its tenant waits for locks. Else gives it back.
    pub(super) fn divert(&self, job: T) -> Option<T> {
        let mut state = self.lock();
        let tenant = job.tenant();
        let left = state.lane.add(job);
        if left.is_none() {
            state.count_up(tenant);
        }
        left
    }

    /// Puts a job that has waited for a lock in vain into the lane, and with it all that its tenant
    /// has in the queue.
    pub(super) fn block(&self, job: T) -> Blocked<T> {
        let mut state = self.lock();
        if state.lane.len() >= self.limits.total && !state.tidy(Instant::now()) {
            return Blocked::Refused(job);
        }
        let tenant = job.tenant();
        state.count_up(tenant);
        let is_first = state.lane.block(job, Instant::now());
        if is_first {
            for job in state.jobs.take_tenant(tenant) {
                // The tenant is in the lane, so the job is taken.
                let _none = state.lane.add(job);
            }
        }
        drop(state);
        self.not_empty.notify_all();
        Blocked::Waits { is_first }
    }

    /// Records that a job in the lane has got its lock. If no other job of its tenant waits for one,
    /// the tenant's jobs return to the queue.
    pub(super) fn unblock(&self, tenant: TenantId, case: CaseId) {
        let mut state = self.lock();
        let leaving = state.lane.unblock(tenant, case);
        state.requeue_all(leaving);
        drop(state);
        self.not_empty.notify_all();
    }

    /// Blocks until the generation has begun and there is work. Does not wait for more of it.
    ///
    /// Returns `None` once the queue is closed and empty, or the generation was replaced.
    pub(super) fn take(&self, generation: Generation, most: Most) -> Option<Work<T>> {
        let mut state = self.lock();
        loop {
            if state.generation == generation {
                if let Some(work) = state.take(most) {
                    return Some(work);
                }
                if state.is_closed && state.lane.len() == 0 {
                    return None;
                }
            } else if state.generation > generation || state.is_closed {
                return None;
            }
            state = match state.until_next_turn() {
                Some(timeout) => {
                    let waited = self.not_empty.wait_timeout(state, timeout);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.not_empty.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Ends a turn in the lane, which took this long. The next one begins after as long a pause, so
    /// that a lone worker has as much time for all others.
    pub(super) fn end_turn(&self, generation: Generation, took: Duration) {
        let mut state = self.lock();
        if state.turn == Some(generation) {
            state.turn = None;
            state.next_turn = Instant::now().checked_add(took);
        }
        drop(state);
        self.not_empty.notify_all();
    }

    /// Returns all jobs that wait, without blocking; none if the generation was replaced.
    pub(super) fn take_all(&self, generation: Generation) -> Vec<T> {
        let mut state = self.lock();
        if state.generation != generation {
            return Vec::new();
        }
        state.waiting.clear();
        let mut jobs = state.jobs.drain();
        jobs.extend(state.lane.drain());
        jobs
    }

    /// Returns the generation of workers that may take jobs.
    pub(super) fn generation(&self) -> Generation {
        self.lock().generation
    }

    /// Begins a generation, which replaces the one before: workers of that one get no more jobs.
    pub(super) fn begin(&self, generation: Generation) {
        let mut state = self.lock();
        state.generation = generation;
        // The worker that has the turn waits for a server that hangs.
        state.turn = None;
        drop(state);
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

impl<T: Queued> State<T> {
    /// Checks the limits for one job more.
    fn check(&self, tenant: TenantId, limits: Limits) -> Result<(), Refusal> {
        let length = if self.lane.has(tenant) { self.lane.len() } else { self.jobs.len() };
        let room = limits.total.saturating_sub(length);
        if room == 0 {
            return Err(Refusal::Full);
        }
        let waiting = self.waiting.get(&tenant).copied().unwrap_or_default();
        if waiting >= limits.per_tenant.min(room) {
            return Err(Refusal::TenantFull);
        }
        Ok(())
    }

    fn append(&mut self, job: T) {
        self.count_up(job.tenant());
        if let Some(job) = self.lane.add(job) {
            self.jobs.push(job);
        }
    }

    /// Removes the jobs for what is to be done next, if there is something to do.
    fn take(&mut self, most: Most) -> Option<Work<T>> {
        if let Some(turn) = self.take_turn() {
            return Some(Work::Lane(turn));
        }
        let taken = self.jobs.take(most);
        for job in &taken {
            self.count_down(job.tenant());
        }
        (!taken.is_empty()).then_some(Work::Shared(taken))
    }

    /// Begins a turn in the lane, if there are jobs, no other worker has one, and it is time.
    fn take_turn(&mut self) -> Option<Turn<T>> {
        if self.lane.len() == 0 || self.turn.is_some() {
            return None;
        }
        let now = Instant::now();
        if self.next_turn.is_some_and(|next| now < next) {
            return None;
        }
        self.tidy(now);
        let turn = self.lane.turn()?;
        match &turn {
            Turn::Untried(jobs) => jobs.iter().for_each(|job| self.count_down(job.tenant())),
            Turn::Blocked(job) => self.count_down(job.tenant()),
        }
        self.turn = Some(self.generation);
        Some(turn)
    }

    /// Returns how long the lane is to be left alone, if there is something to do in it then.
    fn until_next_turn(&self) -> Option<Duration> {
        if self.lane.len() == 0 || self.turn.is_some() {
            return None;
        }
        self.next_turn.map(|next| next.saturating_duration_since(Instant::now()))
    }

    /// Removes what no longer belongs in the lane. Returns whether there is room in it now.
    fn tidy(&mut self, now: Instant) -> bool {
        let (withdrawn, leaving) = self.lane.tidy(now);
        for job in &withdrawn {
            self.count_down(job.tenant());
        }
        let has_removed = !withdrawn.is_empty() || !leaving.is_empty();
        self.requeue_all(leaving);
        has_removed
    }

    /// Puts jobs from the lane before the others of their tenants. They stay counted.
    fn requeue_all(&mut self, jobs: impl IntoIterator<Item = T, IntoIter: DoubleEndedIterator>) {
        for job in jobs.into_iter().rev() {
            self.jobs.push_front(job);
        }
    }

    /// Counts one waiting job more for a tenant.
    fn count_up(&mut self, tenant: TenantId) {
        *self.waiting.entry(tenant).or_default() += 1;
    }

    /// Counts one waiting job less for a tenant.
    fn count_down(&mut self, tenant: TenantId) {
        if let Some(waiting) = self.waiting.get_mut(&tenant) {
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                self.waiting.remove(&tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::queued::tests::{Letter, letters},
        *,
    };

    /// All tests are of the first generation, but for the one about generations.
    const FIRST: Generation = Generation(0);

    const MOST: Most = Most { jobs: 5, rows: 1000, one_tenant: false };

    fn queue(total: usize, per_tenant: usize) -> Queue<Letter> {
        Queue::new(Limits { total, per_tenant })
    }

    /// A job of a tenant, for its case 1.
    fn job(tenant: i64, letter: char) -> Letter {
        Letter::new(letter, tenant, 1)
    }

    /// Returns the letters of the next work: in brackets if the jobs share no statement.
    fn take(queue: &Queue<Letter>, most: usize, one_tenant: bool) -> String {
        match queue.take(FIRST, Most { jobs: most, rows: 1000, one_tenant }) {
            None => String::new(),
            Some(Work::Shared(jobs)) => letters(jobs),
            Some(Work::Lane(Turn::Untried(jobs))) => format!("({})", letters(jobs)),
            Some(Work::Lane(Turn::Blocked(job))) => format!("[{}]", job.letter),
        }
    }

    /// Returns the letter of the job that is next in the lane, which is tried again.
    fn blocked(queue: &Queue<Letter>) -> Letter {
        match queue.take(FIRST, MOST) {
            Some(Work::Lane(Turn::Blocked(job))) => job,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn jobs_of_a_tenant_are_taken_in_order_up_to_the_given_number() {
        let queue = queue(10, 10);
        for letter in "abc".chars() {
            queue.push(job(1, letter)).unwrap();
        }
        assert_eq!(take(&queue, 2, false), "ab");
        assert_eq!(take(&queue, 2, false), "c");
    }

    #[test]
    fn a_job_beyond_a_limit_is_refused_until_another_was_taken() {
        let queue = queue(4, 2);
        queue.push(job(1, 'a')).unwrap();
        queue.push(job(1, 'b')).unwrap();
        assert_eq!(queue.push(job(1, 'c')), Err(Refusal::TenantFull));
        queue.push(job(2, 'd')).unwrap();
        queue.push(job(3, 'e')).unwrap();
        assert_eq!(queue.push(job(4, 'f')), Err(Refusal::Full));
        assert_eq!(take(&queue, 1, false), "a");
        queue.push(job(4, 'g')).unwrap();
        assert_eq!(letters(queue.take_all(FIRST)), "bdeg");
        queue.push(job(1, 'h')).unwrap();
        queue.push(job(1, 'i')).unwrap();
        assert_eq!(queue.push(job(1, 'j')), Err(Refusal::TenantFull));
    }

    #[test]
    fn tenants_that_fill_the_queue_leave_room_for_others() {
        let queue = queue(256, 128);
        let fill = |tenant| (0..300).filter(|_| queue.push(job(tenant, 'f')).is_ok()).count();
        assert_eq!(fill(1), 128);
        assert_eq!(fill(2), 64);
        assert_eq!(fill(3), 32);
        queue.push(job(4, 'q')).unwrap();
        assert!(!queue.is_full());
    }

    #[test]
    fn with_one_tenant_at_a_time_jobs_of_different_tenants_are_not_taken_together() {
        let queue = queue(10, 10);
        for (id, letter) in [(1, 'a'), (2, 'x'), (1, 'b'), (3, 'y'), (1, 'c')] {
            queue.push(job(id, letter)).unwrap();
        }
        assert_eq!(take(&queue, 2, true), "ab");
        assert_eq!(take(&queue, 5, true), "c");
        assert_eq!(take(&queue, 5, true), "x");
        assert_eq!(take(&queue, 5, true), "y");
    }

    #[test]
    fn a_closed_queue_is_emptied_and_then_ends() {
        let queue = queue(10, 10);
        queue.push(job(1, 'a')).unwrap();
        queue.close();
        assert_eq!(queue.push(job(1, 'b')), Err(Refusal::Closed));
        assert_eq!(take(&queue, 5, false), "a");
        assert_eq!(take(&queue, 5, false), "");
    }

    #[test]
    fn a_requeued_job_comes_first_whatever_the_limits_are() {
        let queue = queue(1, 1);
        queue.push(job(1, 'a')).unwrap();
        queue.close();
        queue.requeue(job(1, 'b'));
        assert_eq!(take(&queue, 5, false), "ba");
        assert_eq!(take(&queue, 5, false), "");
    }

    #[test]
    fn a_push_wakes_a_waiting_worker() {
        let queue = queue(10, 10);
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| take(&queue, 5, false));
            queue.push(job(1, 'a')).unwrap();
            assert_eq!(taker.join().unwrap(), "a");
        });
    }

    #[test]
    fn only_the_current_generation_gets_jobs() {
        let queue = queue(10, 10);
        let first = queue.generation();
        let is_over = |generation| queue.take(generation, MOST).is_none();
        std::thread::scope(|scope| {
            let old = scope.spawn(|| is_over(first));
            let new = scope.spawn(|| queue.take(first.next(), MOST));
            queue.begin(first.next());
            assert!(old.join().unwrap());
            queue.push(job(1, 'a')).unwrap();
            assert!(is_over(first));
            assert!(queue.take_all(first).is_empty());
            assert!(matches!(new.join().unwrap(), Some(Work::Shared(jobs)) if jobs.len() == 1));
        });
    }

    #[test]
    fn a_tenant_that_waits_for_a_lock_keeps_one_worker_at_most_and_others_share_statements() {
        let queue = queue(10, 10);
        for (tenant, letter) in [(1, 'b'), (2, 'x'), (1, 'c'), (2, 'y')] {
            queue.push(job(tenant, letter)).unwrap();
        }
        assert!(matches!(queue.block(job(1, 'a')), Blocked::Waits { is_first: true }));
        queue.push(job(1, 'd')).unwrap();
        queue.push(job(2, 'z')).unwrap();

        let tried = blocked(&queue);
        assert_eq!(tried.letter, 'a');
        // Another worker gets the jobs of other tenants only.
        assert_eq!(take(&queue, 9, false), "xyz");
        assert!(matches!(queue.block(tried), Blocked::Waits { is_first: false }));
        queue.end_turn(FIRST, Duration::ZERO);

        let tried = blocked(&queue);
        assert_eq!(tried.letter, 'a');
        // It got its lock, and so may the others.
        queue.unblock(tried.tenant(), tried.case());
        queue.end_turn(FIRST, Duration::ZERO);
        assert_eq!(take(&queue, 9, false), "bcd");
    }

    #[test]
    fn after_a_turn_in_the_lane_the_queue_gets_as_much_time() {
        let queue = queue(10, 10);
        queue.block(job(1, 'a'));
        let tried = blocked(&queue);
        queue.push(job(2, 'x')).unwrap();
        queue.block(tried);
        queue.end_turn(FIRST, Duration::from_secs(3600));
        assert_eq!(take(&queue, 9, false), "x");
        queue.push(job(2, 'y')).unwrap();
        assert_eq!(take(&queue, 9, false), "y");
    }

    #[test]
    fn a_worker_waits_for_the_next_turn_in_the_lane() {
        let queue = queue(10, 10);
        queue.block(job(1, 'a'));
        let tried = blocked(&queue);
        queue.block(tried);
        queue.end_turn(FIRST, Duration::from_millis(20));
        assert_eq!(take(&queue, 9, false), "[a]");
    }

    #[test]
    fn the_end_of_a_turn_in_the_lane_wakes_a_waiting_worker() {
        let queue = queue(10, 10);
        queue.block(job(1, 'a'));
        queue.push(job(1, 'b')).unwrap();
        let tried = blocked(&queue);
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| take(&queue, 9, false));
            queue.block(tried);
            queue.end_turn(FIRST, Duration::ZERO);
            assert_eq!(taker.join().unwrap(), "[a]");
        });
    }

    #[test]
    fn a_new_generation_gets_the_lane_although_the_old_one_has_not_returned_it() {
        let queue = queue(10, 10);
        queue.block(job(1, 'a'));
        let tried = blocked(&queue);
        queue.begin(FIRST.next());
        queue.block(tried);
        assert!(matches!(queue.take(FIRST.next(), MOST), Some(Work::Lane(Turn::Blocked(_)))));
        // What the old worker returns is not the new one's.
        queue.end_turn(FIRST, Duration::ZERO);
        queue.push(job(1, 'b')).unwrap();
        queue.push(job(2, 'x')).unwrap();
        assert!(matches!(queue.take(FIRST.next(), MOST), Some(Work::Shared(_))));
    }

    #[test]
    fn jobs_in_the_lane_count_for_their_tenant_but_take_no_room_from_others() {
        let queue = queue(3, 2);
        queue.block(job(1, 'a'));
        queue.push(job(1, 'b')).unwrap();
        assert_eq!(queue.push(job(1, 'c')), Err(Refusal::TenantFull));
        for tenant in 2..5 {
            assert!(!queue.is_full());
            queue.push(job(tenant, 'x')).unwrap();
        }
        assert!(queue.is_full());
        assert_eq!(queue.push(job(5, 'y')), Err(Refusal::Full));
    }

    #[test]
    fn a_full_lane_refuses_jobs_until_those_that_nobody_waits_for_are_removed() {
        let queue = queue(4, 4);
        let [a, b] = [job(1, 'a'), job(1, 'b')];
        queue.block(a.clone());
        queue.push(b.clone()).unwrap();
        queue.block(job(2, 'x'));
        queue.block(job(3, 'y'));
        assert!(matches!(queue.block(job(4, 'z')), Blocked::Refused(_)));
        assert_eq!(queue.push(job(1, 'c')), Err(Refusal::Full));
        a.withdraw();
        b.withdraw();
        queue.push(job(1, 'd')).unwrap();
        assert_eq!(take(&queue, 9, false), "(d)");
    }

    #[test]
    fn all_jobs_are_taken_from_queue_and_lane() {
        let queue = queue(9, 9);
        queue.block(job(1, 'a'));
        queue.push(job(2, 'x')).unwrap();
        assert_eq!(letters(queue.take_all(FIRST)), "xa");
        // Nothing is counted any more.
        for _ in 0..5 {
            queue.push(job(1, 'b')).unwrap();
        }
        assert_eq!(queue.push(job(1, 'b')), Err(Refusal::TenantFull));
    }

    #[test]
    fn a_closed_queue_ends_when_its_lane_is_empty() {
        let queue = queue(9, 9);
        queue.block(job(1, 'a'));
        queue.close();
        assert_eq!(take(&queue, 9, false), "[a]");
        assert_eq!(take(&queue, 9, false), "");
    }
}
