//! The lane of the jobs that need a lock which somebody else holds.
//!
//! A job that waits for a lock keeps a worker, and with it all jobs in its statement. So a job that has
//! waited in vain goes into a lane beside the queue, with all others of its case, where they can keep
//! one worker at most, and share no statement. If a tenant has several such cases, all of its jobs go
//! there ([`scope`]). They stay until one of them gets the lock, or none has been seen to wait for some
//! time.

mod scope;
mod tenant;
mod turn;

use std::{collections::VecDeque, time::Instant};

use domain::{CaseId, TenantId};

use self::tenant::Contended;
pub(super) use self::{scope::Addition, turn::Turn};
use crate::queued::Queued;

/// The most tenants that are remembered without having jobs in the lane.
const MAX_REMEMBERED: usize = 256;

/// The tenants that wait for locks, and their jobs.
#[derive(Debug)]
pub(super) struct Lane<T> {
    /// In the order of their turns.
    tenants: VecDeque<Contended<T>>,
    /// The number of jobs.
    length: usize,
}

impl<T: Queued> Lane<T> {
    pub(super) const fn new() -> Self {
        Self { tenants: VecDeque::new(), length: 0 }
    }

    /// The number of jobs in the lane.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Whether no job belongs here.
    pub(super) fn is_unused(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Whether a job belongs here.
    pub(super) fn takes(&self, job: &T) -> bool {
        let mut tenants = self.tenants.iter();
        tenants.any(|tenant| tenant.id == job.tenant() && tenant.scope.covers(job.case()))
    }

    /// Appends a job that belongs here. Gives it back if it doesn't.
    pub(super) fn add(&mut self, job: T) -> Option<T> {
        match self.find(job.tenant()) {
            Some(tenant) if tenant.scope.covers(job.case()) => tenant.add(job),
            _ => return Some(job),
        }
        self.length += 1;
        None
    }

    /// Adds a job that has waited for a lock in vain, before all others of its case. Returns which jobs
    /// belong here from now on.
    pub(super) fn block(&mut self, job: T, now: Instant) -> Addition {
        let id = job.tenant();
        if self.find(id).is_none() {
            self.forget_one_beyond_limit();
            self.tenants.push_back(Contended::new(id));
        }
        self.length += 1;
        self.find(id).map_or(Addition::None, |tenant| tenant.block(job, now))
    }

    /// Records that a job of the case has got its lock, so that the others of the case may get it, too.
    /// Returns the jobs that don't belong here any more.
    pub(super) fn unblock(&mut self, tenant: TenantId, case: CaseId) -> Vec<T> {
        let leaving = self.find(tenant).map_or_else(Vec::new, |tenant| tenant.unblock(case));
        self.tenants.retain(|tenant| tenant.scope.until().is_some());
        self.length -= leaving.len();
        leaving
    }

    /// Removes the jobs for which nobody waits any more, and forgets the cases and tenants without
    /// blocked jobs whose time is over. Returns the removed jobs, and those that don't belong here any
    /// more.
    pub(super) fn tidy(&mut self, now: Instant) -> (Vec<T>, Vec<T>) {
        let (mut withdrawn, mut leaving) = (Vec::new(), Vec::new());
        for tenant in &mut self.tenants {
            withdrawn.extend(tenant.withdraw());
            leaving.extend(tenant.tidy(now));
        }
        self.tenants.retain(|tenant| tenant.scope.until().is_some());
        self.length -= withdrawn.len() + leaving.len();
        (withdrawn, leaving)
    }

    /// Removes the jobs whose turn it is. Tenants take turns, and so do the cases of each.
    pub(super) fn turn(&mut self) -> Option<Turn<T>> {
        let cases = self.tenants.iter().map(Contended::blocked_cases).sum();
        for _ in 0..self.tenants.len() {
            let mut tenant = self.tenants.pop_front()?;
            let turn = tenant.turn(cases);
            self.tenants.push_back(tenant);
            if let Some(turn) = turn {
                self.length -= match &turn {
                    Turn::Untried(jobs) => jobs.len(),
                    Turn::Blocked { .. } => 1,
                };
                return Some(turn);
            }
        }
        None
    }

    /// Removes all jobs. Their tenants are still remembered.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.length = 0;
        self.tenants.iter_mut().flat_map(Contended::drain).collect()
    }

    fn find(&mut self, tenant: TenantId) -> Option<&mut Contended<T>> {
        self.tenants.iter_mut().find(|contended| contended.id == tenant)
    }

    /// Makes room for one tenant more.
    fn forget_one_beyond_limit(&mut self) {
        let without_jobs = || self.tenants.iter().enumerate().filter(|(_, t)| t.is_empty());
        if without_jobs().count() >= MAX_REMEMBERED
            && let Some((index, _)) = without_jobs().min_by_key(|(_, tenant)| tenant.scope.until())
        {
            self.tenants.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::queued::tests::{Letter, letters};

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    fn case(id: i64) -> CaseId {
        CaseId::new(id).unwrap()
    }

    /// Returns a lane with this job, which is blocked.
    fn blocked(job: Letter) -> Lane<Letter> {
        let mut lane = Lane::new();
        assert_eq!(lane.block(job, Instant::now()), Addition::Case);
        lane
    }

    /// Returns a lane with this job, which is blocked, and with all others of its tenant.
    fn blocked_tenant(job: Letter) -> Lane<Letter> {
        let (mut lane, now) = (Lane::new(), Instant::now());
        for number in 101.. {
            let gone = Letter::new('-', job.tenant().get(), number);
            gone.withdraw();
            if lane.block(gone, now) == Addition::Tenant {
                break;
            }
        }
        lane.tidy(now);
        assert_eq!(lane.block(job, now), Addition::None);
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
                Turn::Blocked { job, .. } => letters([job]).to_uppercase(),
            }));
        }
        turns
    }

    #[test]
    fn only_jobs_of_cases_that_wait_for_locks_are_taken() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        add(&mut lane, Letter::new('b', 1, 1));
        assert_eq!(letters(lane.add(Letter::new('c', 1, 2))), "c");
        assert_eq!(letters(lane.add(Letter::new('x', 2, 1))), "x");
        assert_eq!(lane.len(), 2);
    }

    #[test]
    fn of_a_tenant_with_several_cases_that_wait_for_locks_all_jobs_are_taken() {
        let mut lane = blocked_tenant(Letter::new('a', 1, 1));
        add(&mut lane, Letter::new('b', 1, 2));
        assert_eq!(letters(lane.add(Letter::new('x', 2, 1))), "x");
        assert_eq!(lane.len(), 2);
    }

    #[test]
    fn jobs_of_a_blocked_case_wait_behind_it_and_others_are_tried_between() {
        let mut lane = blocked_tenant(Letter::new('a', 1, 1));
        for job in [('b', 1), ('c', 2), ('d', 3)] {
            add(&mut lane, Letter::new(job.0, 1, job.1));
        }
        assert_eq!(turns(&mut lane, 9), ["cd", "A", "B"]);
        assert_eq!(lane.len(), 0);
    }

    #[test]
    fn a_turn_has_few_untried_jobs() {
        let mut lane = blocked_tenant(Letter::new('a', 1, 1));
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
        let Some(Turn::Blocked { job: first, .. }) = lane.turn() else { panic!("a is blocked") };
        // A job of the same case comes meanwhile.
        add(&mut lane, Letter::new('c', 1, 1));
        assert_eq!(lane.block(first, Instant::now()), Addition::None);
        assert_eq!(turns(&mut lane, 9), ["A", "B", "C"]);
    }

    #[test]
    fn a_job_that_comes_while_the_only_one_of_its_case_is_tried_becomes_blocked_with_it() {
        let mut lane = blocked_tenant(Letter::new('a', 1, 1));
        let Some(Turn::Blocked { job: first, .. }) = lane.turn() else { panic!("a is blocked") };
        add(&mut lane, Letter::new('b', 1, 1));
        add(&mut lane, Letter::new('c', 1, 2));
        lane.block(first, Instant::now());
        assert_eq!(turns(&mut lane, 9), ["c", "A", "B"]);
    }

    #[test]
    fn the_jobs_of_a_case_leave_the_lane_when_one_of_them_has_got_its_lock() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        add(&mut lane, Letter::new('b', 1, 1));
        lane.block(Letter::new('c', 1, 2), Instant::now());
        assert_eq!(turns(&mut lane, 1), ["A"]);
        add(&mut lane, Letter::new('d', 1, 1));

        assert_eq!(letters(lane.unblock(tenant(1), case(1))), "bd");
        assert!(!lane.takes(&Letter::new('e', 1, 1)) && lane.takes(&Letter::new('e', 1, 2)));
        assert_eq!(turns(&mut lane, 9), ["C"]);
        assert_eq!(letters(lane.unblock(tenant(1), case(2))), "");
        assert!(lane.tenants.is_empty());
        assert_eq!(lane.len(), 0);
    }

    #[test]
    fn a_tenant_leaves_the_lane_when_its_last_blocked_case_has_got_its_lock() {
        let mut lane = blocked_tenant(Letter::new('a', 1, 1));
        add(&mut lane, Letter::new('b', 1, 1));
        lane.block(Letter::new('c', 1, 2), Instant::now());
        add(&mut lane, Letter::new('d', 1, 3));
        assert_eq!(turns(&mut lane, 2), ["d", "A"]);

        assert_eq!(letters(lane.unblock(tenant(1), case(1))), "");
        assert_eq!(turns(&mut lane, 2), ["b", "C"]);
        add(&mut lane, Letter::new('e', 1, 4));
        assert_eq!(letters(lane.unblock(tenant(1), case(2))), "e");
        assert!(lane.tenants.is_empty());
        assert_eq!(lane.len(), 0);
    }

    #[test]
    fn withdrawn_jobs_are_removed_and_their_case_is_remembered_for_a_while() {
        let (a, b) = (Letter::new('a', 1, 1), Letter::new('b', 1, 1));
        let now = Instant::now();
        let mut lane = blocked(a.clone());
        a.withdraw();
        let (withdrawn, leaving) = lane.tidy(now);
        assert_eq!((letters(withdrawn), letters(leaving)), ("a".to_owned(), String::new()));
        add(&mut lane, b);

        let (withdrawn, leaving) = lane.tidy(now + Duration::from_secs(60));
        assert_eq!((letters(withdrawn), letters(leaving)), (String::new(), "b".to_owned()));
        assert!(lane.tenants.is_empty());
        assert_eq!(lane.len(), 0);
    }

    #[test]
    fn a_turn_tells_how_many_cases_wait() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        lane.block(Letter::new('b', 1, 2), Instant::now());
        lane.block(Letter::new('x', 2, 1), Instant::now());
        for left in [3, 2, 1] {
            assert!(matches!(lane.turn(), Some(Turn::Blocked { cases, .. }) if cases == left));
        }
    }

    #[test]
    fn a_case_with_a_blocked_job_is_not_forgotten() {
        let mut lane = blocked(Letter::new('a', 1, 1));
        lane.tidy(Instant::now() + Duration::from_secs(60));
        assert!(lane.takes(&Letter::new('b', 1, 1)));
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
        assert!(lane.takes(&Letter::new('b', 1000, 1)) && !lane.takes(&Letter::new('b', 1, 1)));
    }

    #[test]
    fn all_jobs_are_drained_and_their_tenants_are_remembered() {
        let mut lane = blocked_tenant(Letter::new('a', 1, 1));
        add(&mut lane, Letter::new('b', 1, 2));
        assert_eq!(letters(lane.drain()), "ab");
        assert_eq!((lane.len(), lane.takes(&Letter::new('c', 1, 9))), (0, true));
    }
}
