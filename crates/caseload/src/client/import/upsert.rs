//! Creates or changes users and cases.

use std::marker::PhantomData;

use proto::directory::v1::Change;

use super::{
    divide::{self, Answer},
    faults,
    kind::Kind,
    outcome::{Counts, Outcome, Stop},
    sink::Sink,
    window::Window,
};
use crate::client::{connection::Client, error::CallError, retry::Repeat};

/// Lines that can be created or changed, as often as one likes.
pub(super) trait Upsert: Kind<Item: Clone> + Send + Sync {
    /// Makes a call.
    fn upsert(
        client: &Client,
        items: Vec<Self::Item>,
        validate_only: bool,
    ) -> impl Future<Output = Result<Vec<Change>, CallError>> + Send;

    /// Returns whether a call may be repeated.
    fn repeat(validate_only: bool) -> Repeat {
        if validate_only { Repeat::Read } else { Repeat::Idempotent }
    }
}

/// Sends lines of a kind to the server.
pub(super) struct UpsertSink<K> {
    client: Client,
    validate_only: bool,
    kind: PhantomData<K>,
}

impl<K> UpsertSink<K> {
    pub(super) fn new(client: Client, validate_only: bool) -> Self {
        Self { client, validate_only, kind: PhantomData }
    }
}

impl<K: Upsert> Sink<K::Item> for UpsertSink<K> {
    async fn submit(&self, window: &Window<K::Item>) -> Result<Outcome, Stop> {
        divide::submit(window, async |items| {
            let request = items.iter().map(|(_, item)| (*item).clone()).collect();
            match K::upsert(&self.client, request, self.validate_only).await {
                Ok(changes) => Ok(Answer::Done(count(&changes))),
                Err(error) => Ok(Answer::Refused(faults::of::<K>(error, &items)?)),
            }
        })
        .await
    }
}

fn count(changes: &[Change]) -> Counts {
    let mut counts = Counts::default();
    for change in changes {
        match change {
            Change::Created => counts.created += 1,
            Change::Updated => counts.updated += 1,
            Change::Unchanged | Change::Unspecified => counts.unchanged += 1,
        }
    }
    counts
}
