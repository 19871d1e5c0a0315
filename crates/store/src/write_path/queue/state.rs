//! What waits, in the queue and in the lane beside it.

use std::{
    collections::HashMap,
    mem,
    time::{Duration, Instant},
};

use domain::TenantId;

use super::{
    generation::Generation,
    limits::{Limits, Refusal},
    work::Work,
};
use crate::{
    queued::Queued,
    turns::{Most, Turns},
    write_path::contended::{Addition, Lane, Turn},
};

/// What waits, and who may take it.
#[derive(Debug)]
pub(super) struct State<T> {
    pub(super) jobs: Turns<T>,
    pub(super) lane: Lane<T>,
    /// The generation of the worker that has a turn in the lane.
    pub(super) turn: Option<Generation>,
    /// When the next turn in the lane may begin.
    pub(super) next_turn: Option<Instant>,
    /// Whether the queue comes before the lane: its jobs have just waited behind one that was blocked, or behind
    /// those that may be repeats.
    is_turn_of_queue: bool,
    /// Whether a turn in the lane comes before jobs that may be repeats: some of them were looked up last.
    is_turn_of_lane: bool,
    /// The number of jobs of each tenant that wait, in the lane or not.
    waiting: HashMap<TenantId, usize>,
    pub(super) is_closed: bool,
    pub(super) generation: Generation,
}

impl<T: Queued> State<T> {
    pub(super) fn new() -> Self {
        Self {
            jobs: Turns::new(),
            lane: Lane::new(),
            turn: None,
            next_turn: None,
            is_turn_of_queue: false,
            is_turn_of_lane: false,
            waiting: HashMap::new(),
            is_closed: false,
            generation: Generation::default(),
        }
    }

    /// Whether a tenant may have no job more, neither here nor in the lane.
    pub(super) fn is_full_for(&self, tenant: TenantId, limits: Limits) -> bool {
        let lane = if self.lane.is_unused() { usize::MAX } else { self.lane.len() };
        let room = limits.total.saturating_sub(self.jobs.len().min(lane));
        let waiting = self.waiting.get(&tenant).copied().unwrap_or_default();
        waiting >= limits.per_tenant.min(room)
    }

    /// Checks the limits for one job more.
    pub(super) fn check(&self, job: &T, limits: Limits) -> Result<(), Refusal> {
        let length = if self.lane.takes(job) { self.lane.len() } else { self.jobs.len() };
        let room = limits.total.saturating_sub(length);
        if room == 0 {
            return Err(Refusal::Full);
        }
        let waiting = self.waiting.get(&job.tenant()).copied().unwrap_or_default();
        if waiting >= limits.per_tenant.min(room) {
            return Err(Refusal::TenantFull);
        }
        Ok(())
    }

    /// Adds a job behind all others of its tenant, to the lane if it belongs there.
    pub(super) fn append(&mut self, job: T) {
        self.count_up(job.tenant());
        if let Some(job) = self.lane.add(job) {
            self.jobs.push(job);
        }
    }

    /// Adds a job that was taken before all others of its tenant, or to the lane if it belongs there.
    pub(super) fn requeue(&mut self, job: T) {
        self.count_up(job.tenant());
        if let Some(job) = self.lane.add(job) {
            self.jobs.push_front(job);
        }
    }

    /// Moves a job that was taken to the lane if it belongs there. Else gives it back.
    pub(super) fn divert(&mut self, job: T) -> Option<T> {
        let tenant = job.tenant();
        let left = self.lane.add(job);
        if left.is_none() {
            self.count_up(tenant);
        }
        left
    }

    /// Adds a job that was taken, and is no repeat, behind those of its case, or before all others of its tenant if
    /// it does not belong in the lane any more.
    pub(super) fn wait(&mut self, job: T) {
        self.count_up(job.tenant());
        if let Some(job) = self.lane.wait(job) {
            self.jobs.push_front(job);
        }
    }

    /// Adds a job that has waited for a lock in vain to the lane, and all jobs of the queue that belong
    /// there with it.
    pub(super) fn block(&mut self, job: T) -> Addition {
        let (tenant, case) = (job.tenant(), job.case());
        self.count_up(tenant);
        let addition = self.lane.block(job, Instant::now());
        let moved = match addition {
            Addition::None => return addition,
            Addition::Case => self.jobs.take_of(tenant, |job| job.case() == case),
            Addition::Tenant => self.jobs.take_of(tenant, |_| true),
        };
        self.is_turn_of_queue = true;
        for job in moved {
            // The job belongs in the lane, so the lane keeps it.
            let _none = self.lane.add(job);
        }
        addition
    }

    /// Removes the jobs for what is to be done next, if there is something to do.
    pub(super) fn take(&mut self, most: Most) -> Option<Work<T>> {
        let is_turn_of_queue = mem::take(&mut self.is_turn_of_queue) && self.jobs.len() > 0;
        if !is_turn_of_queue && let Some(work) = self.take_of_lane() {
            return Some(work);
        }
        let taken = self.jobs.take(most);
        for job in &taken {
            self.count_down(job.tenant());
        }
        (!taken.is_empty()).then_some(Work::Shared(taken))
    }

    /// Removes the jobs of the lane for what is to be done next in it. Look-ups and turns alternate, so that however
    /// many repeats come, whoever waits for a lock is tried.
    fn take_of_lane(&mut self) -> Option<Work<T>> {
        if mem::take(&mut self.is_turn_of_lane)
            && let Some(turn) = self.take_turn()
        {
            return Some(Work::Lane(turn));
        }
        let repeats = self.lane.take_repeats();
        if repeats.is_empty() {
            return self.take_turn().map(Work::Lane);
        }
        repeats.iter().for_each(|job| self.count_down(job.tenant()));
        (self.is_turn_of_queue, self.is_turn_of_lane) = (true, true);
        Some(Work::Repeats(repeats))
    }

    /// Removes all jobs.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.waiting.clear();
        let mut jobs = self.jobs.drain();
        jobs.extend(self.lane.drain());
        jobs
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
            Turn::Blocked { job, .. } => self.count_down(job.tenant()),
        }
        self.turn = Some(self.generation);
        Some(turn)
    }

    /// Returns how long the lane is to be left alone, if there is something to do in it then.
    pub(super) fn until_next_turn(&self) -> Option<Duration> {
        if self.lane.len() == 0 || self.turn.is_some() {
            return None;
        }
        self.next_turn.map(|next| next.saturating_duration_since(Instant::now()))
    }

    /// Removes what no longer belongs in the lane. Returns whether there is room in it now.
    pub(super) fn tidy(&mut self, now: Instant) -> bool {
        let (withdrawn, leaving) = self.lane.tidy(now);
        for job in &withdrawn {
            self.count_down(job.tenant());
        }
        let has_removed = !withdrawn.is_empty() || !leaving.is_empty();
        self.requeue_all(leaving);
        has_removed
    }

    /// Puts jobs from the lane before the others of their tenants. They stay counted.
    pub(super) fn requeue_all(
        &mut self,
        jobs: impl IntoIterator<Item = T, IntoIter: DoubleEndedIterator>,
    ) {
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
