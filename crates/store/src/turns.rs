//! The order in which the tenants' jobs are taken: deficit round robin by rows.
//!
//! Each tenant has a first-in, first-out list of jobs. The tenants take turns, and each turn gives a
//! tenant a quantum of rows that it may have read or written. A tenant whose job is larger than what it has
//! left pays for it with later turns. So however many jobs a tenant has, and however large they are,
//! all tenants get the same number of rows while they have jobs.
//!
//! A tenant that had no jobs comes before those that have been waiting, once: its first turn is its
//! next. (Deficit round robin is by Shreedhar and Varghese, 1995; the second list, for tenants that
//! come, is that of FQ-CoDel, RFC 8290, section 4.1.)
//!
//! While more waits than a statement takes, the tenants that have next to nothing waiting get every
//! other statement for themselves: it is a brief one, and they do not wait for the rows of others.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use domain::TenantId;

use crate::queued::Queued;

/// The rows of a turn: a few ordinary batches, so that one statement has room for the turns of many
/// tenants.
const QUANTUM: i64 = 16;

/// A tenant has next to nothing waiting if this many times as much is not more than all tenants have on
/// average. Tenants that send alike differ less.
const LIGHT: usize = 8;

/// How many jobs are taken at once at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// The number of jobs.
    pub(crate) jobs: usize,
    /// The rows of all these jobs together, unless the first one has more.
    pub(crate) rows: usize,
    /// Whether all must be of one tenant.
    pub(crate) one_tenant: bool,
}

/// The jobs that wait, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    tenants: HashMap<TenantId, Tenant<T>>,
    /// The tenants that have come and had no turn since, in order.
    new: VecDeque<TenantId>,
    /// All others, in the order of their turns. Among them are tenants whose jobs are all taken: they
    /// keep their places until their turn has come and what they have had too much is paid for, lest
    /// they come as new ones again. When no tenant has jobs, all this is forgotten.
    old: VecDeque<TenantId>,
    /// The number of jobs.
    length: usize,
    /// The rows of all jobs.
    rows: usize,
    /// Whether the jobs that were taken last were those of tenants with next to nothing waiting.
    was_brief: bool,
}

#[derive(Debug)]
struct Tenant<T> {
    jobs: VecDeque<T>,
    /// The rows of all its jobs.
    rows: usize,
    /// The rows that the tenant may have written before its turn is over; negative if it has had more.
    credit: i64,
}

impl<T: Queued> Turns<T> {
    pub(crate) fn new() -> Self {
        Self {
            tenants: HashMap::new(),
            new: VecDeque::new(),
            old: VecDeque::new(),
            length: 0,
            rows: 0,
            was_brief: false,
        }
    }

    /// The number of jobs.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// The number of a tenant's jobs.
    pub(crate) fn len_of(&self, tenant: TenantId) -> usize {
        self.tenants.get(&tenant).map_or(0, |tenant| tenant.jobs.len())
    }

    /// Appends a job to those of its tenant.
    pub(crate) fn push(&mut self, job: T) {
        let (id, rows) = (job.tenant(), job.rows());
        let tenant = self.tenant(id, |new| new.push_back(id));
        tenant.rows += rows;
        tenant.jobs.push_back(job);
        self.rows += rows;
        self.length += 1;
    }

    /// Puts a job before all others of its tenant. If the tenant has no others, its turn is next.
    pub(crate) fn push_front(&mut self, job: T) {
        let (id, rows) = (job.tenant(), job.rows());
        let tenant = self.tenant(id, |new| new.push_front(id));
        tenant.rows += rows;
        tenant.jobs.push_front(job);
        self.rows += rows;
        self.length += 1;
    }

    /// Returns the tenant, after it was added to the new ones if it is none of those that wait.
    fn tenant(
        &mut self,
        id: TenantId,
        add: impl FnOnce(&mut VecDeque<TenantId>),
    ) -> &mut Tenant<T> {
        let Self { tenants, new, .. } = self;
        tenants.entry(id).or_insert_with(|| {
            add(new);
            Tenant { jobs: VecDeque::new(), rows: 0, credit: QUANTUM }
        })
    }

    /// Removes the jobs whose turn it is.
    pub(crate) fn take(&mut self, most: Most) -> Vec<T> {
        let mut taken = self.take_light(most);
        self.was_brief = !taken.is_empty();
        if taken.is_empty() {
            taken = self.take_in_turn(most);
        }
        self.forget_if_empty();
        taken
    }

    /// Removes the jobs of the tenants that have next to nothing waiting, while more waits than a
    /// statement takes; none if the last statement was for such tenants, or each is for one tenant.
    fn take_light(&mut self, most: Most) -> Vec<T> {
        let mut taken = Vec::new();
        let is_more_than_one = self.length > most.jobs || self.rows > most.rows;
        if !is_more_than_one || self.was_brief || most.one_tenant {
            return taken;
        }
        let tenants = self.tenants.values().filter(|tenant| tenant.rows > 0).count();
        let few = self.rows / tenants.max(1) / LIGHT;
        let mut rows = 0;
        for id in self.new.iter().chain(&self.old) {
            let Some(tenant) = self.tenants.get_mut(id).filter(|tenant| tenant.rows <= few) else {
                continue;
            };
            if taken.len() + tenant.jobs.len() > most.jobs || rows + tenant.rows > most.rows {
                break;
            }
            rows += tenant.rows;
            tenant.pay(tenant.rows);
            taken.extend(tenant.jobs.drain(..));
        }
        self.length -= taken.len();
        self.rows -= rows;
        taken
    }

    /// Removes the jobs of the tenants whose turn it is.
    fn take_in_turn(&mut self, most: Most) -> Vec<T> {
        let mut taken: Vec<T> = Vec::with_capacity(self.length.min(most.jobs));
        let mut rows = 0;
        while self.length > 0 && taken.len() < most.jobs {
            let Some(id) = self.next() else { break };
            let is_of_another = taken.first().is_some_and(|first| first.tenant() != id);
            let Some(tenant) = self.tenants.get_mut(&id) else { continue };
            // Where others may not join, a statement is not kept small for them.
            let has_credit = tenant.credit > 0 || most.one_tenant && !taken.is_empty();
            let Some(next) = tenant.jobs.front().map(Queued::rows).filter(|_| has_credit) else {
                self.end_turn(id);
                continue;
            };
            let fits = rows + next <= most.rows && !(most.one_tenant && is_of_another);
            if !fits && !taken.is_empty() {
                break;
            }
            rows += next;
            tenant.pay(next);
            taken.extend(tenant.jobs.pop_front());
            self.length -= 1;
        }
        self.rows -= rows;
        taken
    }

    /// Removes the jobs of a tenant that meet a condition.
    pub(crate) fn take_of(
        &mut self,
        tenant: TenantId,
        condition: impl Fn(&T) -> bool,
    ) -> VecDeque<T> {
        let Some(tenant) = self.tenants.get_mut(&tenant) else {
            return VecDeque::new();
        };
        let (taken, kept): (VecDeque<T>, _) = tenant.jobs.drain(..).partition(condition);
        let rows = taken.iter().map(Queued::rows).sum::<usize>();
        tenant.jobs = kept;
        tenant.rows -= rows;
        self.length -= taken.len();
        self.rows -= rows;
        self.forget_if_empty();
        taken
    }

    /// Removes all jobs.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let all = self.new.iter().chain(&self.old);
        let mut jobs = Vec::with_capacity(self.length);
        for id in all {
            if let Some(tenant) = self.tenants.get_mut(id) {
                jobs.extend(tenant.jobs.drain(..));
            }
        }
        self.length = 0;
        self.forget_if_empty();
        jobs
    }

    /// Returns the tenant whose turn it is.
    fn next(&self) -> Option<TenantId> {
        self.new.front().or_else(|| self.old.front()).copied()
    }

    /// Ends the turn of the tenant whose turn it is. The next one of its turns begins with more rows.
    fn end_turn(&mut self, id: TenantId) {
        let was_new = self.new.pop_front().is_some();
        if !was_new {
            self.old.pop_front();
        }
        let Some(tenant) = self.tenants.get_mut(&id) else { return };
        if !was_new && tenant.jobs.is_empty() && tenant.credit > 0 {
            self.tenants.remove(&id);
            return;
        }
        if tenant.credit <= 0 {
            tenant.credit += QUANTUM;
        }
        self.old.push_back(id);
    }

    /// Forgets the tenants that have no jobs, if none has any.
    fn forget_if_empty(&mut self) {
        if self.length == 0 {
            self.rows = 0;
            self.tenants.clear();
            self.new.clear();
            self.old.clear();
        }
    }
}

impl<T> Tenant<T> {
    /// Counts rows that were taken.
    fn pay(&mut self, rows: usize) {
        self.rows -= rows;
        self.credit = self.credit.saturating_sub(i64::try_from(rows).unwrap_or(i64::MAX));
    }
}
