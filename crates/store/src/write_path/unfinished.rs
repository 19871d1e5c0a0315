//! What becomes of jobs that a statement did not finish.

use std::time::{Duration, Instant};

use domain::Idempotent as _;

use super::{
    contended::Addition,
    job::Job,
    queue::{Blocked, Queue},
};
use crate::error::Error;

/// How long a batch in doubt is run again to find out whether it was created, as long as its caller
/// waits.
const DOUBT_LIMIT: Duration = Duration::from_secs(30);

/// Sends the error to the callers of jobs whose statement failed. Jobs that may have been created
/// and have an idempotency key are requeued instead: to run them again shows what happened.
pub(super) fn fail(queue: &Queue<Job>, jobs: impl IntoIterator<Item = Job>, error: &Error) {
    for mut job in jobs {
        if matches!(error, Error::ConnectionLost(_)) && job.in_doubt_since.is_none() {
            job.in_doubt_since = Some(Instant::now());
            queue.metrics().doubted();
        }
        if job.in_doubt_since.is_none() {
            job.caller.send(Err(error.clone().into()));
        } else if may_run_again(&job) {
            tracing::warn!(
                parent: job.caller.span(),
                tenant = %job.actor.tenant,
                %error,
                "the batch may have been created; running it again to find out"
            );
            queue.requeue(job);
        } else {
            let error = Error::connection_lost(error.clone());
            job.caller.send(Err(error.into()));
        }
    }
}

/// Lets a job that has waited for a lock in vain wait in a lane of its own, where it is tried again
/// for as long as its caller waits.
pub(super) fn block(queue: &Queue<Job>, job: Job, error: &Error) {
    if job.in_doubt_since.is_some() && !may_run_again(&job) {
        return fail(queue, [job], error);
    }
    let (span, tenant, case) = (job.caller.span().clone(), job.actor.tenant, job.batch.case());
    let with = match queue.block(job) {
        Blocked::Waits { with } => with,
        Blocked::Refused(job) => return fail(queue, [job], error),
    };
    match with {
        Addition::None => {
            tracing::debug!(parent: &span, %tenant, %case, "the batch still waits for a lock");
        }
        Addition::Case => tracing::warn!(
            parent: &span,
            %tenant,
            %case,
            "another session holds a lock that a batch needs; the batches of its case wait apart"
        ),
        Addition::Tenant => tracing::warn!(
            parent: &span,
            %tenant,
            %case,
            "another session holds a lock that a batch needs; all batches of its tenant wait apart, as \
             several of its cases do"
        ),
    }
}

/// Whether a job in doubt may be run again.
fn may_run_again(job: &Job) -> bool {
    job.batch.idempotency_key().is_some()
        && job.in_doubt_since.is_some_and(|since| since.elapsed() < DOUBT_LIMIT)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use diesel::result::Error as DieselError;
    use domain::{Error as CallError, TaskBatch, TaskDraft};
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        log_capture::LogCapture,
        write_path::{
            failure::failure,
            job::tests::actor,
            outcome::Outcome,
            queue::{Generation, Limits},
        },
    };

    /// A batch that is submitted in the span of a request.
    fn submit(request_id: &str, key: &str) -> (Job, oneshot::Receiver<Outcome>) {
        let draft = TaskDraft { description: "x".to_owned(), assignee_emails: Vec::new() };
        let batch = TaskBatch::parse(1, [draft].into_iter(), key.to_owned()).unwrap();
        tracing::info_span!("request", request_id).in_scope(|| Job::new(actor(request_id), batch))
    }

    fn queue(total: usize) -> Queue<Job> {
        Queue::new(Limits { total, per_tenant: 9 })
    }

    #[test]
    fn what_is_logged_about_a_batch_is_in_the_span_of_its_request() {
        let log = LogCapture::start();
        let queue = queue(9);
        let (one, _one) = submit("r-1", "k-1");
        let (two, _two) = submit("r-2", "k-2");
        let (without_key, mut outcome) = submit("r-3", "");

        fail(&queue, [one, without_key, two], &Error::connection_lost("cut"));

        let lines = log.lines("may have been created");
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (line, id) in lines.iter().zip(["r-1", "r-2"]) {
            assert!(line.contains(&format!(r#""request_id":"{id}""#)), "{line}");
        }
        let outcome = outcome.try_recv().unwrap();
        assert!(matches!(outcome, Err(CallError::OutcomeUnknown(_))), "{outcome:?}");
        let requeued = queue.take_all(Generation::default());
        assert!(requeued.iter().all(|job| job.in_doubt_since.is_some()));
        assert_eq!(requeued.len(), 2);
    }

    /// A result that can't be read may come after the commit, as a lost connection may.
    #[test]
    fn a_batch_whose_result_cannot_be_read_is_in_doubt() {
        let queue = queue(9);
        let unreadable = || DieselError::DeserializationError("no UTF-8".into());
        let (with_key, mut looked_up) = submit("r-1", "k-1");
        let (without_key, mut outcome) = submit("r-2", "");

        fail(&queue, [with_key, without_key], &failure(unreadable()));

        let outcome = outcome.try_recv().unwrap();
        assert!(matches!(outcome, Err(CallError::OutcomeUnknown(_))), "{outcome:?}");
        assert_eq!(looked_up.try_recv().unwrap_err(), oneshot::error::TryRecvError::Empty);
        let requeued = queue.take_all(Generation::default());
        assert_eq!(requeued.len(), 1);
        assert!(requeued[0].in_doubt_since.is_some());
    }

    #[test]
    fn a_batch_that_waits_for_a_lock_is_logged_once_for_its_case() {
        let log = LogCapture::start();
        let queue = queue(9);
        let timeout = Error::unavailable("canceling statement due to lock timeout");
        let [(one, _one), (two, _two)] = [submit("r-1", ""), submit("r-2", "k")];

        block(&queue, one, &timeout);
        block(&queue, two, &timeout);

        let line = log.line("another session holds a lock that a batch needs");
        assert!(line.contains(r#""request_id":"r-1""#), "{line}");
        assert!(line.contains(r#""tenant":"1""#) && line.contains(r#""case":"1""#), "{line}");
        assert_eq!(queue.take_all(Generation::default()).len(), 2);
    }

    #[test]
    fn a_batch_that_waits_for_a_lock_fails_where_too_many_do() {
        let queue = queue(0);
        let (job, mut outcome) = submit("r-1", "");
        block(&queue, job, &Error::unavailable("canceling statement due to lock timeout"));
        let outcome = outcome.try_recv().unwrap();
        assert!(matches!(outcome, Err(CallError::Unavailable(_))), "{outcome:?}");
    }

    #[test]
    fn a_batch_in_doubt_waits_for_a_lock_no_longer_than_for_anything_else() {
        let queue = queue(9);
        let (mut job, mut outcome) = submit("r-1", "k");
        job.in_doubt_since = Instant::now().checked_sub(DOUBT_LIMIT);
        block(&queue, job, &Error::unavailable("canceling statement due to lock timeout"));
        let outcome = outcome.try_recv().unwrap();
        assert!(matches!(outcome, Err(CallError::OutcomeUnknown(_))), "{outcome:?}");
    }

    #[test]
    fn a_panic_is_logged_in_the_span_of_each_batch_that_it_costs() {
        let log = LogCapture::start();
        let (sent, mut outcome) = submit("r-1", "");
        let (lost, mut nothing) = submit("r-2", "");
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let _lost = lost;
            sent.caller.send(Err(CallError::Overloaded));
            panic!("a defect");
        }));

        assert!(panic.is_err());
        assert!(matches!(outcome.try_recv(), Ok(Err(CallError::Overloaded))));
        assert_eq!(nothing.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
        let line = log.line("its writer thread panicked");
        assert!(line.contains(r#""request_id":"r-2""#), "{line}");
    }
}
