//! Creates the tasks of a window, each exactly once, however often the import is stopped and run again.
//!
//! The tasks of a window are created by one call, under the key of the window. If some of them are
//! refused, the others are created one by one: the first one under the key of the window, and only then
//! the others, each under a key of its own. So once any task of a window exists, the key of the window is
//! used, and the window can't be created as a whole any more, also not by a later run in which nothing
//! would be refused.
//!
//! A key that is used resolves to its first request. By trying which request that was, a later run finds
//! out what exists: the window as a whole, its begin (the file has more lines by now), or one task. None
//! of these tries creates anything.
//!
//! Keys stand for places. So in a file of which lines were removed, or inserted between others, a line
//! that exists may be at a place whose key is not used. [`check`] finds out that a window is not what
//! was imported before, without creating anything.

use std::collections::{BTreeMap, BTreeSet};

use proto::tasks::v1::NewTask;

use super::{
    key::ImportKey,
    outcome::{Outcome, Stop},
    window::Window,
};
use crate::client::error::CallError;

/// Tasks with their places in a window.
type Tasks<'a> = [(usize, &'a NewTask)];

/// Creates tasks by calls with idempotency keys.
pub(super) trait Creator: Sync {
    /// Creates tasks, all or none.
    fn create(
        &self,
        tasks: &Tasks<'_>,
        key: String,
    ) -> impl Future<Output = Result<Answer, CallError>> + Send;

    /// Returns whether tasks were created under a key.
    fn is_used(&self, key: String) -> impl Future<Output = Result<bool, CallError>> + Send;
}

/// What became of a call.
#[derive(Debug)]
pub(super) enum Answer {
    /// The tasks were created.
    Created,
    /// The tasks were created before, by a request with the same key. If an attempt at this call was
    /// lost, that may have been the request.
    Replayed { was_lost: bool },
    /// The key was used for other tasks.
    KeyUsed,
    /// Tasks were refused, and nothing was created. Has the reasons by the places of the tasks, as far
    /// as they are known.
    Refused(BTreeMap<usize, String>),
}

/// Creates the tasks of a window.
pub(super) async fn create<C: Creator>(
    creator: &C,
    key: &ImportKey,
    window: &Window<NewTask>,
) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::default();
    outcome.refused.extend(window.faults().map(|(place, fault)| (place, fault.clone())));
    let mut tasks = window.items();
    // A window that is not whole gets no key as a whole: it may be whole in a later run.
    if outcome.refused.is_empty() && !tasks.is_empty() {
        match creator.create(&tasks, key.of_window(window.first)).await? {
            Answer::Created => outcome.counts.created += tasks.len() as u64,
            Answer::Replayed { was_lost } => outcome.counts.add_replayed(tasks.len(), was_lost),
            Answer::KeyUsed => one_by_one(creator, key, window, &tasks, &mut outcome).await?,
            Answer::Refused(faults) => {
                tasks.retain(|(place, _)| !faults.contains_key(place));
                outcome.refused.extend(faults);
                one_by_one(creator, key, window, &tasks, &mut outcome).await?;
            }
        }
    } else {
        one_by_one(creator, key, window, &tasks, &mut outcome).await?;
    }
    Ok(outcome)
}

/// Creates tasks of a window that can't be created as a whole.
async fn one_by_one<C: Creator>(
    creator: &C,
    key: &ImportKey,
    window: &Window<NewTask>,
    tasks: &Tasks<'_>,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let of_window = match try_window_key(creator, key, window, tasks).await? {
        WindowKey::Unused(refused) => {
            outcome.refused.extend(refused);
            return Ok(());
        }
        WindowKey::Created(place, refused) => {
            outcome.refused.extend(refused);
            outcome.counts.created += 1;
            BTreeSet::from([place])
        }
        WindowKey::Replayed { places, was_lost } => {
            outcome.counts.add_replayed(places.len(), was_lost);
            places
        }
        WindowKey::Other => return Err(conflict(window)),
    };
    for task in tasks {
        let (place, _) = *task;
        if of_window.contains(&place) || outcome.refused.contains_key(&place) {
            continue;
        }
        match creator.create(&[*task], key.of_record(window.first + place as u64)).await? {
            Answer::Created => outcome.counts.created += 1,
            Answer::Replayed { was_lost } => outcome.counts.add_replayed(1, was_lost),
            Answer::KeyUsed => return Err(conflict(window)),
            Answer::Refused(faults) => outcome.refused.extend(faults),
        }
    }
    Ok(())
}

/// What the key of a window stands for.
enum WindowKey {
    /// Nothing: all tasks were refused. Has the reasons.
    Unused(BTreeMap<usize, String>),
    /// The task at this place, which was created now. Those before it were refused.
    Created(usize, BTreeMap<usize, String>),
    /// The tasks at these places, which were created before.
    Replayed { places: BTreeSet<usize>, was_lost: bool },
    /// Other tasks than those that are in the window now.
    Other,
}

/// Creates the first task that is not refused under the key of the window, or finds out which tasks
/// were created under it before.
async fn try_window_key<C: Creator>(
    creator: &C,
    key: &ImportKey,
    window: &Window<NewTask>,
    tasks: &Tasks<'_>,
) -> Result<WindowKey, CallError> {
    let key = key.of_window(window.first);
    let mut is_used = false;
    let mut refused = BTreeMap::new();
    for task in tasks {
        match creator.create(&[*task], key.clone()).await? {
            Answer::Created => return Ok(WindowKey::Created(task.0, refused)),
            Answer::Replayed { was_lost } => {
                return Ok(WindowKey::Replayed { places: [task.0].into(), was_lost });
            }
            Answer::KeyUsed => is_used = true,
            Answer::Refused(faults) => refused.extend(faults),
        }
    }
    if !is_used {
        return Ok(WindowKey::Unused(refused));
    }
    for length in (2..=tasks.len()).rev() {
        let begin = &tasks[..length];
        if let Answer::Replayed { was_lost } = creator.create(begin, key.clone()).await? {
            let places = begin.iter().map(|(place, _)| *place).collect();
            return Ok(WindowKey::Replayed { places, was_lost });
        }
    }
    Ok(WindowKey::Other)
}

/// Finds out whether any task of a window of `batch` records was created before. Creates nothing. The
/// last window may have fewer records; one behind the end of the file has none.
///
/// # Errors
/// [`Stop::Conflict`] if the window is not what was imported before.
pub(super) async fn check<C: Creator>(
    creator: &C,
    key: &ImportKey,
    window: &Window<NewTask>,
    batch: usize,
) -> Result<bool, Stop> {
    let window_key = key.of_window(window.first);
    if !creator.is_used(window_key.clone()).await? {
        return Ok(false);
    }
    // From here on no call under the key of the window creates anything.
    let tasks = window.items();
    let is_whole = tasks.len() == window.records.len()
        && matches!(creator.create(&tasks, window_key).await?, Answer::Replayed { .. });
    if is_whole && tasks.len() == batch {
        return Ok(true);
    }
    let of_window = if is_whole {
        tasks.iter().map(|(place, _)| *place).collect()
    } else {
        match try_window_key(creator, key, window, &tasks).await? {
            WindowKey::Replayed { places, .. } => places,
            _ => return Err(conflict(window)),
        }
    };
    for place in 0..batch {
        let key = key.of_record(window.first + place as u64);
        if !creator.is_used(key.clone()).await? {
            continue;
        }
        let task = tasks.iter().find(|task| task.0 == place && !of_window.contains(&place));
        let is_same = match task {
            Some(task) => matches!(creator.create(&[*task], key).await?, Answer::Replayed { .. }),
            None => false,
        };
        if !is_same {
            return Err(conflict(window));
        }
    }
    Ok(true)
}

fn conflict(window: &Window<NewTask>) -> Stop {
    match window.records.first() {
        Some(record) => Stop::Conflict { first_line: record.line, last_line: window.last_line },
        None => Stop::Shortened,
    }
}

#[cfg(test)]
mod tests;
