//! A caller: it makes a call, repeats it as a caller may, and remembers what came of it.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    call::{Answer, Call, NewTasks, Tasks, idempotency_key},
    clients::Clients,
    failed::Failed,
    failure::Failure,
    knowledge::{Doubt, Knowledge, Tenant},
    random::Random,
    recorder::Recorder,
    report::Report,
    retry_budget::RetryBudget,
    sabotage::Sabotage,
};

/// How often a call is made in all, before it is given up.
const ATTEMPTS: u32 = 5;

/// The pause before the second attempt, in addition to what the service asks for. Each further one is twice as
/// long, and all of them are up to half longer, by chance.
const PAUSE: Duration = Duration::from_millis(50);

/// What callers share.
pub(crate) struct Callers {
    pub(crate) clients: Clients,
    pub(crate) knowledge: Knowledge,
    pub(crate) recorder: Recorder,
    /// `None` if callers repeat what failed as often as they can, and at once: they do not heed what
    /// docs/CLIENTS.md asks for.
    pub(crate) budget: Option<RetryBudget>,
    pub(crate) report: Arc<Report>,
    pub(crate) sabotage: Option<Sabotage>,
}

impl Callers {
    /// Makes a call until it is answered or given up. Returns why it was given up.
    pub(crate) async fn make(
        &self,
        tenant: &Tenant,
        call: Call,
        mut random: Random,
    ) -> Result<(), String> {
        let is_over_rest = call.is_over_rest(&mut random);
        let first = random.below(1 << 16);
        let mut may_be_done = false;
        let (mut reason, mut asked) = (String::new(), Duration::ZERO);
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                let pause = PAUSE * (1 << (attempt - 1));
                sleep(asked + pause.mul_f64(1.0 + random.below(500) as f64 / 1000.0)).await;
            }
            let key = tenant.key();
            let idempotency_key = self.idempotency_key(&call, attempt);
            // A repeat goes to the other server, or gateway.
            let number = first + attempt as usize;
            let result =
                self.clients.attempt(&call, &key, &idempotency_key, is_over_rest, number).await;
            let Failed { failure, pause } = match result {
                Ok(answer) => {
                    self.done(tenant, &call, answer);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            match failure {
                Failure::Rejected(reason) => return self.rejected(&call, reason, may_be_done),
                Failure::Unexpected(what) => {
                    self.report.unexpected(format!("{}: {what}", call.kind().name()));
                    may_be_done = true;
                    reason = what;
                    break;
                }
                Failure::Refused(kind) => reason = kind,
                Failure::TimedOut(kind) | Failure::Unknown(kind) => {
                    may_be_done = true;
                    reason = kind;
                }
            }
            self.recorder.failed_attempt(&reason);
            let is_affordable = self.budget.as_ref().is_none_or(RetryBudget::pay);
            if !is_affordable || (may_be_done && !call.is_repeatable()) {
                break;
            }
            asked = if self.budget.is_some() { pause } else { Duration::ZERO };
        }
        self.given_up(tenant, &call, may_be_done);
        Err(reason)
    }

    /// Returns the idempotency key of an attempt; empty if it has none.
    fn idempotency_key(&self, call: &Call, attempt: u32) -> String {
        match call.creates() {
            Some((new, true)) if self.sabotage == Some(Sabotage::NewKeys) && attempt > 0 => {
                format!("{}.{attempt}", idempotency_key(new.number))
            }
            Some((new, true)) => idempotency_key(new.number),
            _ => String::new(),
        }
    }

    fn done(&self, tenant: &Tenant, call: &Call, answer: Answer) {
        if let Some(budget) = &self.budget {
            budget.earn();
        }
        let Some((new, has_key)) = call.creates() else { return };
        if !is_of(new, &answer) {
            self.report.unexpected(format!("{}: {answer:?} for {new:?}", call.kind().name()));
        }
        tenant.add(new.created(answer, has_key));
    }

    /// Judges the answer that something is not there.
    fn rejected(&self, call: &Call, reason: String, may_be_done: bool) -> Result<(), String> {
        let is_explained = match (call, &*reason) {
            // An earlier attempt has deleted them.
            (Call::DeleteTask(_) | Call::BatchDeleteTasks(_), "TASK_NOT_FOUND")
            | (Call::DeleteCase(_), "CASE_NOT_FOUND") => may_be_done,
            // It was erased before.
            (Call::EraseUser(_), "USER_NOT_FOUND") => true,
            (_, "TASK_NOT_FOUND" | "CASE_NOT_FOUND") => {
                call.target().is_some_and(|tasks| tasks.is_taken())
            }
            _ => false,
        };
        if is_explained {
            return Ok(());
        }
        self.report.unexpected(format!("{call:?} was rejected: {reason}"));
        Err(reason)
    }

    fn given_up(&self, tenant: &Tenant, call: &Call, may_be_done: bool) {
        if let Some((new, _)) = call.creates()
            && may_be_done
        {
            self.knowledge.doubt(new.number, Doubt::MaybeCreated);
        }
        if let Some(tasks) = call.deletes() {
            self.not_deleted(tenant, tasks, may_be_done);
        }
    }

    fn not_deleted(&self, tenant: &Tenant, tasks: &Arc<Tasks>, may_be_done: bool) {
        if may_be_done {
            self.knowledge.doubt(tasks.number, Doubt::MaybeDeleted(Arc::clone(tasks)));
        } else {
            tenant.take_back(tasks);
        }
    }
}

/// Returns whether an answer has what was to be created.
fn is_of(new: &NewTasks, answer: &Answer) -> bool {
    answer.ids.len() == new.assignees.len()
        && answer.ids.iter().all(|id| *id > 0)
        && (new.case_id != 0 || answer.case_id > 0)
}
