//! A batch that waits to be written, and its caller.

use std::{
    thread,
    time::{Duration, Instant},
};

use domain::{Actor, CaseId, Error, Idempotent as _, TaskBatch, TenantId};
use tokio::sync::oneshot;
use traces::{Kind, Span as TraceSpan};
use tracing::Span;

use super::outcome::Outcome;
use crate::queued::Queued;

/// The name of the span of the wait for a worker.
const QUEUE_WAIT: &str = "write queue";

/// The least time that a caller must have left for its batch to be begun. No outcome would reach it in
/// less, and between the check and the statement's arrival at the database the time could pass: the
/// batch would be written although its caller is told that its time is over.
const LEAST_TIME: Duration = Duration::from_millis(10);

/// A batch that waits to be written.
#[derive(Debug)]
pub(super) struct Job {
    /// Who creates the batch, for a case of whose tenant it is.
    pub(super) actor: Actor,
    pub(super) batch: TaskBatch,
    pub(super) caller: Caller,
    /// Since when the batch may have been created, by a statement whose connection was lost.
    pub(super) in_doubt_since: Option<Instant>,
}

/// The caller that waits for a batch's outcome.
///
/// It has the span in which the batch was submitted. What a worker thread logs about the batch goes
/// there, so that it has the request's id and whatever else the call recorded.
#[derive(Debug)]
pub(super) struct Caller {
    span: Span,
    /// The span of the call in its trace, if that is recorded.
    trace: TraceSpan,
    /// The span of the wait for a worker. It ends with the caller at the latest.
    wait: TraceSpan,
    /// Since when the batch waits; `None` once a worker has taken it.
    pub(super) waiting_since: Option<Instant>,
    /// When the caller stops waiting, if it said so.
    pub(super) deadline: Option<Instant>,
    /// `None` once the outcome was sent.
    outcome: Option<oneshot::Sender<Outcome>>,
}

impl Job {
    /// Returns a job for a batch that is submitted in the current span, and the receiver of its outcome.
    pub(super) fn new(actor: Actor, batch: TaskBatch) -> (Self, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        let trace = traces::current();
        let caller = Caller {
            span: Span::current(),
            wait: trace.child(Kind::Internal, QUEUE_WAIT),
            trace,
            waiting_since: Some(Instant::now()),
            deadline: None,
            outcome: Some(sender),
        };
        (Self { actor, batch, caller, in_doubt_since: None }, receiver)
    }
}

impl Queued for Job {
    fn tenant(&self) -> TenantId {
        self.actor.tenant
    }

    fn case(&self) -> CaseId {
        self.batch.case()
    }

    /// A row for each task, for each of its assignees, for the record of an idempotency key, and for the
    /// event.
    fn rows(&self) -> usize {
        let tasks = self.batch.tasks();
        let assignees = tasks.iter().map(|task| task.assignments.len()).sum::<usize>();
        tasks.len() + assignees + usize::from(self.batch.idempotency_key().is_some()) + 1
    }

    fn is_withdrawn(&self) -> bool {
        self.caller.is_gone()
    }

    fn may_be_repeat(&self) -> bool {
        self.batch.idempotency_key().is_some()
    }
}

impl Caller {
    /// Whether the caller no longer waits, or not long enough for its batch to be begun. One whose time
    /// is over may not have noticed yet, as after a pause of the whole process.
    pub(super) fn is_gone(&self) -> bool {
        self.outcome.as_ref().is_none_or(oneshot::Sender::is_closed) || self.is_over()
    }

    fn is_over(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline.saturating_duration_since(Instant::now()) < LEAST_TIME)
    }

    /// Returns the span in which the batch was submitted.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Returns the span of the call in its trace; nothing if that is not recorded.
    pub(super) fn trace(&self) -> &TraceSpan {
        &self.trace
    }

    /// Ends the wait for a worker in the trace.
    pub(super) fn end_wait(&self) {
        self.wait.end();
    }

    /// Sends the outcome, unless the caller is gone.
    pub(super) fn send(mut self, outcome: Outcome) {
        if let Some(sender) = self.outcome.take() {
            let _gone = sender.send(outcome);
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let Some(outcome) = self.outcome.take() else { return };
        if thread::panicking() {
            tracing::error!(
                parent: &self.span,
                "the outcome of a batch is unknown: its writer thread panicked"
            );
        } else if self.is_over() {
            let _gone = outcome.send(Err(Error::DeadlineExceeded));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use domain::{KeyId, TaskDraft};
    use traces::{Limits, Root, Sampling, Tracer};

    use super::*;

    /// Returns the first tenant's first key in a request.
    pub(in crate::write_path) fn actor(request_id: &str) -> Actor {
        Actor {
            tenant: TenantId::new(1).unwrap(),
            key: KeyId::new(1).unwrap(),
            request_id: request_id.to_owned(),
        }
    }

    #[test]
    fn a_caller_whose_time_is_as_good_as_over_is_gone_and_told_so() {
        let draft = TaskDraft { description: "x".to_owned(), assignee_emails: Vec::new() };
        let batch = TaskBatch::parse(1, [draft].into_iter(), String::new()).unwrap();
        let (mut job, mut outcome) = Job::new(actor("r-1"), batch);
        assert!(!job.caller.is_gone());
        job.caller.deadline = Instant::now().checked_add(Duration::from_secs(3600));
        assert!(!job.caller.is_gone());

        // The time is not over yet, but will be before there is an outcome.
        job.caller.deadline = Instant::now().checked_add(LEAST_TIME);
        assert!(job.caller.is_gone());
        drop(job);
        assert!(matches!(outcome.try_recv(), Ok(Err(Error::DeadlineExceeded))));
    }

    #[test]
    fn a_wait_in_vain_is_in_the_trace_too() {
        let sampling = Sampling { is_parent_based: true, root: Root::Always };
        let limits = Limits { queue: 9, batch: 9, delay: Duration::from_secs(3600) };
        let (tracer, ended) = Tracer::new(sampling, limits);
        let (context, call) = tracer.serve(None, || None, "call").unwrap();
        let draft = TaskDraft { description: "x".to_owned(), assignee_emails: Vec::new() };
        let batch = TaskBatch::parse(1, [draft].into_iter(), String::new()).unwrap();
        let submitted = call.in_scope(|| Job::new(actor("r-1"), batch));
        drop((submitted, call));
        tracer.close();
        let spans = ended.take().unwrap();
        let wait = spans.iter().find(|span| span.name == QUEUE_WAIT).unwrap();
        assert_eq!(wait.parent, Some((context.span, false)));
    }
}
