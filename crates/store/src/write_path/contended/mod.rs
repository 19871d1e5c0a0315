//! The lane of the jobs that need a lock which somebody else holds.
//!
//! A job that waits for a lock keeps a worker, and with it all jobs in its statement. So a job that has
//! waited in vain goes into a lane beside the queue, with all others of its case, where they can keep
//! one worker at most, and share no statement. If a tenant has several such cases, all of its jobs go
//! there ([`scope`]). They stay until one of them gets the lock, or none has been seen to wait for some
//! time.
//!
//! A job that repeats an earlier one needs no lock. So one that has an idempotency key is looked up before it
//! waits behind others, beside the turns of the lane.

mod scope;
mod tenant;
#[cfg(test)]
mod tests;
mod turn;

use std::{collections::VecDeque, time::Instant};

use domain::{CaseId, TenantId};

use self::tenant::Contended;
pub(super) use self::{scope::Addition, turn::Turn};
use crate::queued::Queued;

/// The most tenants that are remembered without having jobs in the lane.
const MAX_REMEMBERED: usize = 256;

/// The most jobs that are looked up at a time, of all tenants and of one. A look-up takes a round trip.
const MAX_REPEATS: usize = 32;
const MAX_REPEATS_OF_TENANT: usize = 8;

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

    /// Appends a job that belongs here, and was found to be no repeat. Gives it back if it doesn't.
    pub(super) fn wait(&mut self, job: T) -> Option<T> {
        match self.find(job.tenant()) {
            Some(tenant) if tenant.scope.covers(job.case()) => tenant.wait(job),
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

    /// Removes some jobs of each tenant that may be repeats: to be looked up. Those that are none are to wait
    /// ([`Self::wait`]).
    pub(super) fn take_repeats(&mut self) -> Vec<T> {
        let mut taken = Vec::new();
        let mut served = 0;
        for tenant in &mut self.tenants {
            let most = MAX_REPEATS_OF_TENANT.min(MAX_REPEATS - taken.len());
            if most == 0 {
                break;
            }
            taken.extend(tenant.take_repeats(most));
            served += 1;
        }
        if !taken.is_empty() {
            // The others are first the next time.
            self.tenants.rotate_left(served % self.tenants.len().max(1));
        }
        self.length -= taken.len();
        taken
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
