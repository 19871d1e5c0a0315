//! The lane of the tenants that need a lock which somebody else holds.
//!
//! A job that waits for a lock keeps a worker, and with it all jobs in its statement. So a tenant one
//! of whose jobs has waited in vain gets a lane of its own, where it can keep one worker at most, and
//! shares no statement. It stays there until one of its jobs gets the lock, or has not been seen to
//! wait for some time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use domain::{CaseId, TenantId};

use super::queued::Queued;

/// How long a tenant is remembered after one of its jobs has waited for a lock in vain. Without jobs
/// in the lane, only that keeps its next jobs from making others wait again.
const REMEMBERED: Duration = Duration::from_secs(10);

/// The most tenants that are remembered without having jobs in the lane.
const MAX_REMEMBERED: usize = 256;

/// The most untried jobs of a turn: each of them may wait for a moment.
const MAX_UNTRIED: usize = 8;

/// The tenants that wait for locks, and their jobs.
#[derive(Debug)]
pub(super) struct Lane<T> {
    /// In the order of their turns.
    tenants: VecDeque<Contended<T>>,
    /// The number of jobs.
    length: usize,
}

/// The jobs of a turn.
#[derive(Debug)]
pub(super) enum Turn<T> {
    /// Jobs that may need no lock that is held: to be tried one by one, each for a moment only.
    Untried(Vec<T>),
    /// A job that has waited for a lock before, or whose case was the case of one.
    Blocked(T),
}

/// A tenant in the lane.
#[derive(Debug)]
struct Contended<T> {
    id: TenantId,
    /// Until when it is remembered.
    until: Instant,
    untried: VecDeque<T>,
    /// The jobs that wait for a lock, by case, in the order of their turns. No list is empty.
    blocked: VecDeque<(CaseId, VecDeque<T>)>,
    /// Whether the next turn is one of the blocked jobs.
    is_turn_of_blocked: bool,
}

impl<T: Queued> Lane<T> {
    pub(super) const fn new() -> Self {
        Self { tenants: VecDeque::new(), length: 0 }
    }

    /// The number of jobs in the lane.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Whether the tenant's jobs belong here.
    pub(super) fn has(&self, tenant: TenantId) -> bool {
        self.tenants.iter().any(|contended| contended.id == tenant)
    }

    /// Appends a job of a tenant that is in the lane. Gives it back if the tenant isn't.
    pub(super) fn add(&mut self, job: T) -> Option<T> {
        let Some(tenant) = self.find(job.tenant()) else {
            return Some(job);
        };
        match tenant.group(job.case()) {
            Some(group) => group.push_back(job),
            None => tenant.untried.push_back(job),
        }
        self.length += 1;
        None
    }

    /// Adds a job that has waited for a lock in vain, before all others of its case. Returns whether
    /// its tenant was not in the lane before.
    pub(super) fn block(&mut self, job: T, now: Instant) -> bool {
        let (id, case) = (job.tenant(), job.case());
        let is_new = !self.has(id);
        if is_new {
            self.forget_one_beyond_limit();
            self.tenants.push_back(Contended::new(id, now));
        }
        self.length += 1;
        if let Some(tenant) = self.find(id) {
            tenant.until = now + REMEMBERED;
            tenant.block(case, job);
        }
        is_new
    }

    /// Records that a job of the case has got its lock. The other jobs of the case become untried
    /// ones. Returns the tenant's jobs if none of them is blocked any more: they leave the lane.
    pub(super) fn unblock(&mut self, tenant: TenantId, case: CaseId) -> VecDeque<T> {
        let Some(index) = self.tenants.iter().position(|contended| contended.id == tenant) else {
            return VecDeque::new();
        };
        let contended = &mut self.tenants[index];
        if let Some(group) = contended.blocked.iter().position(|(of, _)| *of == case)
            && let Some((_, jobs)) = contended.blocked.remove(group)
        {
            for job in jobs.into_iter().rev() {
                contended.untried.push_front(job);
            }
        }
        if !contended.blocked.is_empty() {
            return VecDeque::new();
        }
        let jobs = self.tenants.remove(index).map_or_else(VecDeque::new, |left| left.untried);
        self.length -= jobs.len();
        jobs
    }

    /// Removes the jobs for which nobody waits any more, and forgets the tenants without blocked jobs
    /// whose time is over. Returns the removed jobs, and those that leave the lane.
    pub(super) fn tidy(&mut self, now: Instant) -> (Vec<T>, Vec<T>) {
        let (mut withdrawn, mut leaving) = (Vec::new(), Vec::new());
        for tenant in &mut self.tenants {
            withdraw(&mut tenant.untried, &mut withdrawn);
            for (_, group) in &mut tenant.blocked {
                withdraw(group, &mut withdrawn);
            }
            tenant.blocked.retain(|(_, group)| !group.is_empty());
            if tenant.is_over(now) {
                leaving.extend(tenant.untried.drain(..));
            }
        }
        self.tenants.retain(|tenant| !tenant.is_over(now));
        self.length -= withdrawn.len() + leaving.len();
        (withdrawn, leaving)
    }

    /// Removes the jobs whose turn it is. Tenants take turns, and so do the cases of each.
    pub(super) fn turn(&mut self) -> Option<Turn<T>> {
        for _ in 0..self.tenants.len() {
            let mut tenant = self.tenants.pop_front()?;
            let turn = tenant.turn();
            self.tenants.push_back(tenant);
            if let Some(turn) = turn {
                self.length -= match &turn {
                    Turn::Untried(jobs) => jobs.len(),
                    Turn::Blocked(_) => 1,
                };
                return Some(turn);
            }
        }
        None
    }

    /// Removes all jobs. Their tenants are still remembered.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.length = 0;
        let mut jobs = Vec::new();
        for tenant in &mut self.tenants {
            jobs.extend(tenant.blocked.drain(..).flat_map(|(_, group)| group));
            jobs.extend(tenant.untried.drain(..));
        }
        jobs
    }

    fn find(&mut self, tenant: TenantId) -> Option<&mut Contended<T>> {
        self.tenants.iter_mut().find(|contended| contended.id == tenant)
    }

    /// Makes room for one tenant more.
    fn forget_one_beyond_limit(&mut self) {
        let without_jobs = || self.tenants.iter().enumerate().filter(|(_, t)| t.is_empty());
        if without_jobs().count() >= MAX_REMEMBERED
            && let Some((index, _)) = without_jobs().min_by_key(|(_, tenant)| tenant.until)
        {
            self.tenants.remove(index);
        }
    }
}

impl<T: Queued> Contended<T> {
    const fn new(id: TenantId, until: Instant) -> Self {
        Self {
            id,
            until,
            untried: VecDeque::new(),
            blocked: VecDeque::new(),
            is_turn_of_blocked: false,
        }
    }

    fn group(&mut self, case: CaseId) -> Option<&mut VecDeque<T>> {
        self.blocked.iter_mut().find(|(of, _)| *of == case).map(|(_, group)| group)
    }

    /// Puts a job before all others of its case, which are blocked too.
    fn block(&mut self, case: CaseId, job: T) {
        if let Some(group) = self.group(case) {
            group.push_front(job);
            return;
        }
        let (same_case, others) = self.untried.drain(..).partition(|other| other.case() == case);
        let mut group: VecDeque<T> = same_case;
        group.push_front(job);
        self.untried = others;
        self.blocked.push_back((case, group));
    }

    fn turn(&mut self) -> Option<Turn<T>> {
        let is_turn_of_blocked = self.untried.is_empty() || self.is_turn_of_blocked;
        self.is_turn_of_blocked = !is_turn_of_blocked;
        if is_turn_of_blocked && let Some((case, mut group)) = self.blocked.pop_front() {
            let job = group.pop_front();
            if !group.is_empty() {
                self.blocked.push_back((case, group));
            }
            return job.map(Turn::Blocked);
        }
        let count = self.untried.len().min(MAX_UNTRIED);
        (count > 0).then(|| Turn::Untried(self.untried.drain(..count).collect()))
    }

    fn is_empty(&self) -> bool {
        self.untried.is_empty() && self.blocked.is_empty()
    }

    fn is_over(&self, now: Instant) -> bool {
        self.blocked.is_empty() && self.until < now
    }
}

/// Moves the jobs for which nobody waits any more to `withdrawn`.
fn withdraw<T: Queued>(jobs: &mut VecDeque<T>, withdrawn: &mut Vec<T>) {
    if jobs.iter().any(Queued::is_withdrawn) {
        let (gone, kept): (VecDeque<T>, _) = jobs.drain(..).partition(Queued::is_withdrawn);
        withdrawn.extend(gone);
        *jobs = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::queued::tests::{Letter, letters},
        *,
    };

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    fn case(id: i64) -> CaseId {
        CaseId::new(id).unwrap()
    }

    /// Returns a lane with this job, which is blocked.
    fn blocked(job: Letter) -> Lane<Letter> {
        let mut lane = Lane::new();
        assert!(lane.block(job, Instant::now()));
        lane
    }

    /// Adds a job, which must be taken.
    #[track_caller]
    fn add(lane: &mut Lane<Letter>, job: Letter) {
        assert!(lane.add(job).is_none());
    }

    /// Returns the next turns: letters of blocked jobs in upper case, others in lower case.
    fn turns(lane: &mut Lane<Letter>, count: usize) -> Vec<String> {
        let mut turns = Vec::new();
        for _ in 0..count {
            turns.extend(lane.turn().map(|turn| match turn {
                Turn::Untried(jobs) => letters(jobs),
                Turn::Blocked(job) => letters([job]).to_uppercase(),
            }));
        }
        turns
    }

    #[test]
    fn only_jobs_of_tenants_that_wait_for_locks_are_taken() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        assert!(lane.has(tenant(1)) && !lane.has(tenant(2)));
        add(&mut lane, Letter::new('b', 1, 2));
        assert_eq!(letters(lane.add(Letter::new('x', 2, 1))), "x");
        assert_eq!(lane.len(), 2);
    }

    #[test]
    fn jobs_of_a_blocked_case_wait_behind_it_and_others_are_tried_between() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        for job in [('b', 1), ('c', 2), ('d', 3)] {
            add(&mut lane, Letter::new(job.0, 1, job.1));
        }
        assert_eq!(turns(&mut lane, 9), ["cd", "A", "B"]);
        assert_eq!(lane.len(), 0);
    }

    #[test]
    fn a_turn_has_few_untried_jobs() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        for letter in 'b'..='l' {
            add(&mut lane, Letter::new(letter, 1, 2));
        }
        assert_eq!(turns(&mut lane, 9), ["bcdefghi", "A", "jkl"]);
    }

    #[test]
    fn tenants_take_turns_and_so_do_the_cases_of_each() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        add(&mut lane, Letter::new('b', 1, 1));
        lane.block(Letter::new('c', 1, 2), Instant::now());
        lane.block(Letter::new('x', 2, 9), Instant::now());
        assert_eq!(turns(&mut lane, 9), ["A", "X", "C", "B"]);
    }

    #[test]
    fn a_job_that_is_blocked_again_stays_before_the_others_of_its_case() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        add(&mut lane, Letter::new('b', 1, 1));
        let Some(Turn::Blocked(first)) = lane.turn() else { panic!("a is blocked") };
        // A job of the same case comes meanwhile.
        add(&mut lane, Letter::new('c', 1, 1));
        assert!(!lane.block(first, Instant::now()));
        assert_eq!(turns(&mut lane, 9), ["A", "B", "C"]);
    }

    #[test]
    fn a_job_that_comes_while_the_only_one_of_its_case_is_tried_becomes_blocked_with_it() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        let Some(Turn::Blocked(first)) = lane.turn() else { panic!("a is blocked") };
        add(&mut lane, Letter::new('b', 1, 1));
        add(&mut lane, Letter::new('c', 1, 2));
        lane.block(first, Instant::now());
        assert_eq!(turns(&mut lane, 9), ["c", "A", "B"]);
    }

    #[test]
    fn a_tenant_leaves_the_lane_when_its_last_blocked_case_has_got_its_lock() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        add(&mut lane, Letter::new('b', 1, 1));
        lane.block(Letter::new('c', 1, 2), Instant::now());
        add(&mut lane, Letter::new('d', 1, 3));
        assert_eq!(turns(&mut lane, 2), ["d", "A"]);

        assert_eq!(letters(lane.unblock(tenant(1), case(1))), "");
        assert!(lane.has(tenant(1)));
        assert_eq!(turns(&mut lane, 2), ["b", "C"]);
        add(&mut lane, Letter::new('e', 1, 4));
        assert_eq!(letters(lane.unblock(tenant(1), case(2))), "e");
        assert!(!lane.has(tenant(1)));
        assert_eq!(lane.len(), 0);
    }

    #[test]
    fn withdrawn_jobs_are_removed_and_their_tenant_is_remembered_for_a_while() {
        let (a, b) = (Letter::new('a', 1, 1), Letter::new('b', 1, 2));
        let now = Instant::now();
        let mut lane = blocked(a.clone());
        add(&mut lane, b.clone());
        a.withdraw();
        let (withdrawn, leaving) = lane.tidy(now);
        assert_eq!((letters(withdrawn), letters(leaving)), ("a".to_owned(), String::new()));
        assert!(lane.has(tenant(1)));

        let (withdrawn, leaving) = lane.tidy(now + REMEMBERED * 2);
        assert_eq!((letters(withdrawn), letters(leaving)), (String::new(), "b".to_owned()));
        assert!(!lane.has(tenant(1)));
        assert_eq!(lane.len(), 0);
    }

    #[test]
    fn a_tenant_with_a_blocked_job_is_not_forgotten() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        lane.tidy(Instant::now() + REMEMBERED * 2);
        assert!(lane.has(tenant(1)));
        assert_eq!(lane.len(), 1);
    }

    #[test]
    fn few_tenants_are_remembered_without_jobs() {
        let (mut lane, start) = (Lane::new(), Instant::now());
        for id in 1..=1000 {
            let now = start + Duration::from_millis(u64::try_from(id).unwrap());
            lane.block(Letter::new('a', id, 1), now);
            lane.turn();
        }
        assert!(lane.tenants.len() <= MAX_REMEMBERED + 1, "{}", lane.tenants.len());
        assert!(lane.has(tenant(1000)) && !lane.has(tenant(1)));
    }

    #[test]
    fn all_jobs_are_drained_and_their_tenants_are_remembered() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        add(&mut lane, Letter::new('b', 1, 2));
        assert_eq!(letters(lane.drain()), "ab");
        assert_eq!((lane.len(), lane.has(tenant(1))), (0, true));
    }
}
