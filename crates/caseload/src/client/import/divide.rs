//! Sends records by calls that may be repeated in any division: checks, and upserts.

use std::collections::BTreeMap;

use super::{
    outcome::{Counts, Outcome, Stop},
    window::Window,
};
use crate::client::error::CallError;

/// What became of a call.
#[derive(Debug)]
pub(super) enum Answer {
    /// All items were taken.
    Done(Counts),
    /// Items were refused, and nothing was changed. Has the reasons by their places, as far as they are
    /// known; that of a lone item always is.
    Refused(BTreeMap<usize, String>),
}

/// Sends the records of a window: those that are not refused once more without those that are.
pub(super) async fn submit<'a, T, F>(
    window: &'a Window<T>,
    call: impl Fn(Vec<(usize, &'a T)>) -> F,
) -> Result<Outcome, Stop>
where
    F: Future<Output = Result<Answer, CallError>>,
{
    let mut outcome = Outcome::default();
    outcome.refused.extend(window.faults().map(|(place, fault)| (place, fault.clone())));
    let mut groups = vec![window.items()];
    while let Some(mut items) = groups.pop() {
        if items.is_empty() {
            continue;
        }
        match call(items.clone()).await? {
            Answer::Done(counts) => outcome.counts += counts,
            Answer::Refused(faults) if faults.is_empty() => {
                let second = items.split_off(items.len() / 2);
                groups.extend([second, items]);
            }
            Answer::Refused(faults) => {
                items.retain(|(place, _)| !faults.contains_key(place));
                outcome.refused.extend(faults);
                groups.push(items);
            }
        }
    }
    Ok(outcome)
}
