//! Limits the calls that are not in the contract: those of health and reflection, which need no key.
//!
//! They are served under overload, too, since they help to find out about it. So they have limits of
//! their own, for each connection: nobody else is affected by a connection that reaches them.

use std::sync::Arc;

use bytes::Bytes;
use domain::Error;
use http::Request;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serving::ConnectionId;
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

/// The most bytes that the caller may send in one of these calls.
const BODY_BYTES: usize = 16 * 1024;

/// Limits these calls.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    open: Arc<Shares<ConnectionId>>,
}

impl Diagnostics {
    pub(crate) fn new() -> Self {
        Self { open: Shares::new(OPEN_CALLS) }
    }

    /// Returns the request with a body of limited size, and the call's share of its connection. The share
    /// is to be held until the response was sent.
    ///
    /// # Errors
    /// The status of a call for which its connection has no share left.
    pub(super) fn admit<B>(
        &self,
        request: Request<B>,
    ) -> Result<(Request<Body>, Share<ConnectionId>), Status>
    where
        B: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    {
        let share = self.open.take(ConnectionId::of(request.extensions()));
        let share = share.ok_or_else(|| status::of_layer(&Error::Overloaded))?;
        let request =
            request.map(|body| Body::new(Limited::new(body, BODY_BYTES).map_err(to_status)));
        Ok((request, share))
    }
}

/// tonic looks for statuses in the errors of bodies.
fn to_status(error: StdError) -> StdError {
    match error.is::<LengthLimitError>() {
        true => Status::out_of_range("the caller has sent too much").into(),
        false => error,
    }
}
