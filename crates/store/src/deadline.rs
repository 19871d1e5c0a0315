//! The time by which the caller of a query must have its result.

use std::time::Instant;

tokio::task_local! {
    static DEADLINE: Option<Instant>;
}

/// Runs a call whose changes are not begun once its deadline has passed, by the clock. A caller that drops
/// the future then may do so too late: after a pause of the whole process, the thread that makes the change
/// may run before the timer that ends the call.
pub async fn until<F: Future>(deadline: Option<Instant>, call: F) -> F::Output {
    DEADLINE.scope(deadline, call).await
}

/// Returns the deadline of the call that runs, if it has one.
pub(crate) fn current() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok().flatten()
}
