//! Limits the calls that are not in the contract: those of health and reflection, which need no key.
//!
//! They are served under overload, too, since they help to find out about it. So they have limits of
//! their own: for each connection, and for all of them. Beyond these, each connection can still make one
//! health check at a time, so that nobody who opens many connections makes the server look ill to others.

use std::{hash::Hash, sync::Arc};

use bytes::Bytes;
use domain::Error;
use http::Request;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serving::ConnectionId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as HttpBody, StdError},
};

use crate::{
    shares::{Share, Shares},
    status,
};

/// The most of these calls that one connection may have open, streams that watch health included.
const OPEN_CALLS: usize = 32;

/// The most of these calls that may be open on all connections together, as many as 32 connections can
/// have. Each takes some 20 KiB with its body.
const ALL_OPEN_CALLS: usize = 1024;

/// The method that asks for the health once.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// The most bytes that the caller may send in one of these calls.
const BODY_BYTES: usize = 16 * 1024;

/// Limits these calls.
#[derive(Debug)]
pub(crate) struct Diagnostics<K: Copy + Eq + Hash = ConnectionId> {
    open: Arc<Shares<K>>,
    all: Arc<Semaphore>,
    /// The health check that each connection may have open when all places are taken.
    kept: Arc<Shares<K>>,
}

/// The place of an open call.
#[derive(Debug)]
pub(super) struct Place<K: Copy + Eq + Hash = ConnectionId> {
    _share: Share<K>,
    /// Either of these two.
    _common: Option<OwnedSemaphorePermit>,
    _kept: Option<Share<K>>,
}

impl<K: Copy + Eq + Hash> Diagnostics<K> {
    /// Creates the places of these calls.
    pub(crate) fn new() -> Self {
        Self {
            open: Shares::new(OPEN_CALLS),
            all: Arc::new(Semaphore::new(ALL_OPEN_CALLS)),
            kept: Shares::new(1),
        }
    }
}

impl Diagnostics {
    /// Returns the request with a body of limited size, and the call's place, which is to be held until
    /// the response was sent.
    ///
    /// # Errors
    /// The status of a call for which there is no place left.
    pub(super) fn admit<B>(&self, request: Request<B>) -> Result<(Request<Body>, Place), Status>
    where
        B: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    {
        let is_health_check = request.uri().path() == HEALTH_CHECK;
        let place = self.place(ConnectionId::of(request.extensions()), is_health_check);
        let place = place.ok_or_else(|| status::of_layer(&Error::Overloaded))?;
        let request =
            request.map(|body| Body::new(Limited::new(body, BODY_BYTES).map_err(to_status)));
        Ok((request, place))
    }
}

impl<K: Copy + Eq + Hash> Diagnostics<K> {
    fn place(&self, connection: K, is_health_check: bool) -> Option<Place<K>> {
        let share = self.open.take(connection)?;
        if let Ok(common) = Arc::clone(&self.all).try_acquire_owned() {
            return Some(Place { _share: share, _common: Some(common), _kept: None });
        }
        let kept = is_health_check.then(|| self.kept.take(connection)).flatten()?;
        Some(Place { _share: share, _common: None, _kept: Some(kept) })
    }
}

/// tonic looks for statuses in the errors of bodies.
fn to_status(error: StdError) -> StdError {
    match error.is::<LengthLimitError>() {
        true => Status::out_of_range("the caller has sent too much").into(),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_calls_together_have_a_limit_beyond_which_each_connection_can_check_the_health() {
        let diagnostics = Diagnostics::new();
        let connections: Vec<_> = (1..=ALL_OPEN_CALLS / OPEN_CALLS).collect();
        let mut open = Vec::new();
        for connection in &connections {
            for _ in 0..OPEN_CALLS {
                open.push(diagnostics.place(*connection, false).unwrap());
            }
            assert!(diagnostics.place(*connection, false).is_none());
        }
        let other = 0;
        assert!(diagnostics.place(other, false).is_none());
        let check = diagnostics.place(other, true);
        assert!(check.is_some());
        assert!(diagnostics.place(other, true).is_none());
        drop(check);
        open.push(diagnostics.place(other, true).unwrap());
        open.clear();
        assert!(diagnostics.place(other, false).is_some());
    }
}
