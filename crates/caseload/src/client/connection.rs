//! Calls to a server.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use proto::wire::{header, limits};
use tokio::time::{Instant, sleep};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use super::{
    api_key,
    error::{CallError, ClientError},
    retry::{self, Attempt, Repeat},
    tls,
};
use crate::{cli::ClientOptions, printable::printable};

/// The most time that one attempt may take. A server that hangs is called again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The most time to connect, and as much again for the TLS handshake: a call has no limit of its own until
/// there is a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The largest head of a response. It fits the largest status.
const MAX_HEADER_LIST_BYTES: u32 = limits::MAX_STATUS_BYTES as u32;

/// Makes calls to a server with an API key. Connects when the first call is made.
pub(crate) struct Client {
    channel: Channel,
    /// Neither `Debug` nor HTTP/2's compression shows it.
    authorization: MetadataValue<Ascii>,
    server: String,
    timeout: Duration,
    waits_while_throttled: bool,
    /// Whether the server has answered a call.
    was_reached: AtomicBool,
}

/// A response.
pub(crate) struct Reply<T> {
    pub(crate) message: T,
    /// Whether it is the result of an earlier request with the same idempotency key.
    pub(crate) is_replay: bool,
    /// Whether an attempt at this call was lost: that one may be the earlier request.
    pub(crate) was_lost: bool,
}

impl Client {
    /// Returns a client of the server that the options name.
    ///
    /// # Errors
    /// If there is no API key, or if it would not be safe on its way to the server.
    pub(crate) fn open(options: &ClientOptions) -> Result<Self, ClientError> {
        let key = api_key::find(options.api_key_file.as_deref())?;
        let unusable = |error: &dyn std::fmt::Display| ClientError::Usage(error.to_string());
        let mut authorization = MetadataValue::try_from(format!("Bearer {}", key.expose()))
            .map_err(|error| unusable(&error))?;
        authorization.set_sensitive(true);
        let endpoint = Endpoint::from(options.server.uri().clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .http2_max_header_list_size(MAX_HEADER_LIST_BYTES)
            .user_agent(concat!("caseload/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| unusable(&error))?;
        Ok(Self {
            channel: tls::secure(endpoint, options, CONNECT_TIMEOUT)?.connect_lazy(),
            authorization,
            server: options.server.to_string(),
            timeout: options.timeout,
            waits_while_throttled: false,
            was_reached: AtomicBool::new(false),
        })
    }

    /// Returns the most time that a call may take, unless it is throttled.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Has calls that reach a limit of the caller's wait, however long that takes.
    pub(crate) fn wait_while_throttled(self) -> Self {
        Self { waits_while_throttled: true, ..self }
    }

    /// Makes a call, again after failures that permit it, until the time is over.
    ///
    /// # Errors
    /// Why the last attempt failed; if an earlier one may have succeeded, that the outcome is unknown.
    pub(crate) async fn call<T, U, F>(
        &self,
        repeat: Repeat,
        message: T,
        method: impl Fn(Channel, Request<T>) -> F,
    ) -> Result<Reply<U>, CallError>
    where
        T: Clone,
        F: Future<Output = Result<Response<U>, Status>>,
    {
        let mut deadline = Instant::now() + self.timeout;
        let mut number = 0;
        let mut was_lost = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let request = self.request(message.clone(), left.min(ATTEMPT_TIMEOUT));
            let status = match method(self.channel.clone(), request).await {
                Ok(response) => {
                    self.was_reached.store(true, Relaxed);
                    return Ok(reply(response, was_lost));
                }
                Err(status) => status,
            };
            let attempt = Attempt::of(&status);
            if attempt.is_answer() {
                self.was_reached.store(true, Relaxed);
            }
            let pause = retry::pause(number).max(attempt.retry_after());
            if self.waits_while_throttled && attempt.is_throttled() {
                deadline = Instant::now() + pause + self.timeout;
            }
            let is_repeated = attempt.is_repeated(repeat, self.was_reached.load(Relaxed));
            if !is_repeated || Instant::now() + pause >= deadline {
                return Err(self.conclude(repeat, attempt, was_lost));
            }
            was_lost |= matches!(attempt, Attempt::Lost(_) | Attempt::TimedOut);
            sleep(pause).await;
            number = number.saturating_add(1);
        }
    }

    fn request<T>(&self, message: T, timeout: Duration) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.authorization.clone());
        metadata.insert(header::MAX_STATUS_BYTES.as_str(), limits::MAX_STATUS_BYTES.into());
        request
    }

    /// Returns the failure of the call, given that of its last attempt, and whether an earlier attempt
    /// was lost: that one may have succeeded, unless the server has found the request invalid since.
    fn conclude(&self, repeat: Repeat, attempt: Attempt, was_lost: bool) -> CallError {
        let changes = repeat != Repeat::Read;
        let is_unknown = was_lost && changes;
        match attempt {
            Attempt::Refused(refusal) if is_unknown && !refusal.tells_all() => {
                CallError::OutcomeUnknown(format!("{} ({})", refusal.message, refusal.word))
            }
            Attempt::Refused(refusal) => CallError::Refused(refusal),
            Attempt::Unreached(cause) if is_unknown => CallError::OutcomeUnknown(cause),
            Attempt::Unreached(cause) => {
                CallError::Unreached { server: self.server.clone(), cause }
            }
            Attempt::Insecure(failure) => {
                let cause = printable(&failure.reason);
                match is_unknown {
                    true => CallError::OutcomeUnknown(cause),
                    false => CallError::Insecure { server: self.server.clone(), cause },
                }
            }
            Attempt::Lost(cause) if changes => CallError::OutcomeUnknown(cause),
            Attempt::Lost(cause) => CallError::Lost(cause),
            Attempt::TimedOut if changes => {
                let timeout = humantime::format_duration(self.timeout);
                CallError::OutcomeUnknown(format!("none came within {timeout}"))
            }
            Attempt::TimedOut => CallError::TimedOut(self.timeout),
        }
    }
}

fn reply<T>(response: Response<T>, was_lost: bool) -> Reply<T> {
    let is_replay = response.metadata().as_ref().contains_key(&header::IDEMPOTENCY_REPLAYED);
    Reply { message: response.into_inner(), is_replay, was_lost }
}
