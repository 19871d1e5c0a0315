//! One tenant in the lane.

use std::{collections::VecDeque, mem, time::Instant};

use domain::{CaseId, TenantId};

use super::{
    scope::{Addition, Scope},
    turn::Turn,
};
use crate::queued::Queued;

/// The most untried jobs of a turn: each of them may wait for a moment.
const MAX_UNTRIED: usize = 8;

/// A tenant in the lane.
#[derive(Debug)]
pub(super) struct Contended<T> {
    pub(super) id: TenantId,
    /// Which of the tenant's jobs belong here.
    pub(super) scope: Scope,
    /// Jobs that may be repeats, and need no lock then.
    repeats: VecDeque<T>,
    untried: VecDeque<T>,
    /// The jobs that wait for a lock, by case, in the order of their turns. No list is empty.
    blocked: VecDeque<(CaseId, VecDeque<T>)>,
    /// Whether the next turn is one of the blocked jobs.
    is_turn_of_blocked: bool,
}

impl<T: Queued> Contended<T> {
    pub(super) const fn new(id: TenantId) -> Self {
        Self {
            id,
            scope: Scope::new(),
            repeats: VecDeque::new(),
            untried: VecDeque::new(),
            blocked: VecDeque::new(),
            is_turn_of_blocked: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.repeats.is_empty() && self.untried.is_empty() && self.blocked.is_empty()
    }

    /// The number of cases with blocked jobs.
    pub(super) fn blocked_cases(&self) -> usize {
        self.blocked.len()
    }

    /// Appends a job.
    pub(super) fn add(&mut self, job: T) {
        match job.may_be_repeat() {
            true => self.repeats.push_back(job),
            false => self.wait(job),
        }
    }

    /// Appends a job that is no repeat.
    pub(super) fn wait(&mut self, job: T) {
        match self.group(job.case()) {
            Some(group) => group.push_back(job),
            None => self.untried.push_back(job),
        }
    }

    /// Puts a job before all others of its case, which are blocked too.
    pub(super) fn block(&mut self, job: T, now: Instant) -> Addition {
        let case = job.case();
        let addition = self.scope.add(case, now);
        if let Some(group) = self.group(case) {
            group.push_front(job);
            return addition;
        }
        self.blocked.push_back((case, [job].into()));
        // What has the same case waits behind it.
        for other in take_where(&mut self.untried, |other| other.case() == case) {
            self.wait(other);
        }
        addition
    }

    /// Makes the blocked jobs of a case untried ones. Returns the jobs that don't belong here any more.
    pub(super) fn unblock(&mut self, case: CaseId) -> Vec<T> {
        if let Some(group) = self.blocked.iter().position(|(of, _)| *of == case)
            && let Some((_, jobs)) = self.blocked.remove(group)
        {
            for job in jobs.into_iter().rev() {
                self.untried.push_front(job);
            }
        }
        self.scope.remove(case, !self.blocked.is_empty());
        self.take_leaving()
    }

    /// Forgets what has no blocked jobs and whose time is over. Returns the jobs that don't belong here
    /// any more.
    pub(super) fn tidy(&mut self, now: Instant) -> Vec<T> {
        let blocked: Vec<_> = self.blocked.iter().map(|(case, _)| *case).collect();
        self.scope.tidy(now, &blocked);
        self.take_leaving()
    }

    /// Removes the jobs for which nobody waits any more.
    pub(super) fn withdraw(&mut self) -> Vec<T> {
        let mut withdrawn = take_where(&mut self.repeats, Queued::is_withdrawn);
        withdrawn.extend(take_where(&mut self.untried, Queued::is_withdrawn));
        for (_, group) in &mut self.blocked {
            withdrawn.extend(take_where(group, Queued::is_withdrawn));
        }
        self.blocked.retain(|(_, group)| !group.is_empty());
        withdrawn
    }

    /// Removes some jobs that may be repeats, at most so many.
    pub(super) fn take_repeats(&mut self, most: usize) -> impl Iterator<Item = T> {
        let count = self.repeats.len().min(most);
        self.repeats.drain(..count)
    }

    /// Removes the jobs of the tenant's next turn, while so many cases of all tenants are blocked.
    pub(super) fn turn(&mut self, cases: usize) -> Option<Turn<T>> {
        let is_turn_of_blocked = self.untried.is_empty() || self.is_turn_of_blocked;
        self.is_turn_of_blocked = !is_turn_of_blocked;
        if is_turn_of_blocked && let Some((case, mut group)) = self.blocked.pop_front() {
            let job = group.pop_front();
            if !group.is_empty() {
                self.blocked.push_back((case, group));
            }
            return job.map(|job| Turn::Blocked { job, cases });
        }
        let count = self.untried.len().min(MAX_UNTRIED);
        (count > 0).then(|| Turn::Untried(self.untried.drain(..count).collect()))
    }

    /// Removes all jobs.
    pub(super) fn drain(&mut self) -> Vec<T> {
        let blocked = mem::take(&mut self.blocked).into_iter().flat_map(|(_, group)| group);
        blocked.chain(self.repeats.drain(..)).chain(self.untried.drain(..)).collect()
    }

    fn group(&mut self, case: CaseId) -> Option<&mut VecDeque<T>> {
        self.blocked.iter_mut().find(|(of, _)| *of == case).map(|(_, group)| group)
    }

    /// Removes the jobs that don't belong here any more.
    fn take_leaving(&mut self) -> Vec<T> {
        let scope = &self.scope;
        let mut leaving = take_where(&mut self.untried, |job| !scope.covers(job.case()));
        leaving.extend(take_where(&mut self.repeats, |job| !scope.covers(job.case())));
        leaving
    }
}

/// Removes the jobs that meet a condition.
fn take_where<T>(jobs: &mut VecDeque<T>, condition: impl Fn(&T) -> bool) -> Vec<T> {
    if !jobs.iter().any(&condition) {
        return Vec::new();
    }
    let (taken, kept): (VecDeque<T>, _) = jobs.drain(..).partition(&condition);
    *jobs = kept;
    taken.into()
}
