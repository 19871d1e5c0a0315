//! The frame of every call: check the scope, count, run, report.

use domain::{AuthError, Error, Principal, Scope};
use prometheus_client::metrics::counter::Counter;
use proto::{
    Message,
    wire::{Reason, header, limits},
};
use tonic::{
    Request, Response, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::{
    audit::{AuditLog, Origin, Refusal},
    causes,
    layers::{CallContext, CallDeadline, ResponseBytes},
    rate_limit::{RateLimitReport, RateLimits},
    status,
};

/// The logic of one call, apart from what all calls have in common.
pub(crate) trait Call: Send {
    /// The message that the caller sends.
    type Request: Send;
    /// The message that the caller receives.
    type Response: Message;

    /// The scope that the caller's key needs.
    const SCOPE: Scope;

    /// The scopes of which the caller's key needs one, if several will do.
    const ONE_OF: &'static [Scope] = &[Self::SCOPE];

    /// The reason of the status if fields of the request are invalid.
    const INVALID: Reason = Reason::InvalidRequest;

    /// Runs the call for an authenticated caller who has the scope, or one of several.
    fn run(
        self,
        caller: Principal,
        request: Self::Request,
    ) -> impl Future<Output = Result<Reply<Self::Response>, Error>> + Send;
}

/// What a call returns.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    /// The message for the caller.
    pub(crate) message: T,
    /// Whether it repeats the result of an earlier request with the same idempotency key.
    pub(crate) is_replay: bool,
}

/// A reply that repeats nothing.
impl<T> From<T> for Reply<T> {
    fn from(message: T) -> Self {
        Self { message, is_replay: false }
    }
}

/// Runs calls.
#[derive(Debug)]
pub(crate) struct CallRunner {
    pub(crate) rate_limits: RateLimits,
    /// Counts the calls that repeat the result of an earlier one.
    pub(crate) replays: Counter,
    pub(crate) audit: AuditLog,
}

impl CallRunner {
    /// Runs a call and turns its result into a gRPC response.
    ///
    /// The checks come in a fixed order: authenticated, which the layers did; has the scope, within
    /// the rate limits; then the call's own.
    ///
    /// # Errors
    /// The status for the error of the check or of the call. Its cause, which the caller does not
    /// see, is logged.
    pub(crate) async fn run<C: Call>(
        &self,
        call: C,
        request: Request<C::Request>,
    ) -> Result<Response<C::Response>, Status> {
        let (_, mut extensions, message) = request.into_parts();
        let context = extensions.remove::<CallContext>();
        let caller = context.as_ref().map(|context| context.caller);
        let max_status_bytes =
            context.as_ref().map_or(limits::STATUS_BYTES, |context| context.max_status_bytes);
        let deadline = CallDeadline::of(&extensions);
        let mut report = RateLimitReport::default();
        let running = self.try_run(call, context, message, &mut report);
        match store::until(deadline, running).await {
            Ok(Reply { message, is_replay }) => {
                let bytes = message.encoded_len();
                let mut response = Response::new(message);
                response.extensions_mut().insert(ResponseBytes(bytes));
                if is_replay {
                    self.replays.inc();
                    mark_as_replay(response.metadata_mut());
                }
                report.write_to(response.metadata_mut());
                Ok(response)
            }
            Err(error) => {
                causes::log(&error);
                if let (Error::MissingScope(_), Some(caller)) = (&error, caller) {
                    let key = (caller.tenant, caller.key);
                    self.audit.note_refusal(key, Refusal::Scope, &Origin::of(&extensions));
                }
                let mut status = status::from_error(&error, C::INVALID, max_status_bytes);
                report.write_to(status.metadata_mut());
                Err(status)
            }
        }
    }

    async fn try_run<C: Call>(
        &self,
        call: C,
        context: Option<CallContext>,
        message: C::Request,
        report: &mut RateLimitReport,
    ) -> Result<Reply<C::Response>, Error> {
        // Without a context no layer has found out who calls.
        let caller = context.ok_or(AuthError::Missing)?.caller;
        caller.require(C::ONE_OF)?;
        self.rate_limits.check(&caller, report)?;
        call.run(caller, message).await
    }
}

/// Returns the id of a request, as logs have it.
pub(crate) fn request_id_of<T>(request: &Request<T>) -> String {
    telemetry::request_id::of(request.extensions()).to_owned()
}

fn mark_as_replay(metadata: &mut MetadataMap) {
    metadata.insert(header::IDEMPOTENCY_REPLAYED.as_str(), MetadataValue::from_static("true"));
}
