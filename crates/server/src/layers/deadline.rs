//! Enforces the deadline of each call.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use domain::Error;
use http::{Extensions, HeaderMap, Request, Response};
use proto::wire::header;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::status;

/// Responds with DEADLINE_EXCEEDED once the `grpc-timeout` of a call is over, and drops the call.
///
/// tonic's own server enforces it too, but with CANCELLED: proxies take that for the caller's wish,
/// and some repeat the call.
///
/// `max_timeout` applies where the caller grants more, or says nothing: a call whose message never
/// arrives would hold its permit forever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadlineLayer {
    max_timeout: Duration,
}

/// The time by which a call must be over, in the extensions of its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallDeadline(std::time::Instant);

impl CallDeadline {
    /// Returns the deadline of the request that has these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Option<std::time::Instant> {
        extensions.get().map(|Self(deadline)| *deadline)
    }

    /// Makes the deadline of the request that has these extensions earlier, by the time that the request
    /// took to get here. Returns the new one.
    pub(super) fn bring_forward(extensions: &mut Extensions, delay: Duration) -> Option<Instant> {
        let Self(deadline) = extensions.get_mut()?;
        // One before the range of the clock has passed, as this one has.
        *deadline = deadline.checked_sub(delay).unwrap_or_else(std::time::Instant::now);
        Some(Instant::from_std(*deadline))
    }
}

impl DeadlineLayer {
    /// Creates a layer that ends every call after `max_timeout` at the latest.
    pub(crate) fn new(max_timeout: Duration) -> Self {
        Self { max_timeout }
    }
}

/// The service of [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Deadline<S> {
    inner: S,
    layer: DeadlineLayer,
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, layer: *self }
    }
}

impl<S, B> Service<Request<B>> for Deadline<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let max = self.layer.max_timeout;
        let timeout = grpc_timeout(request.headers()).map_or(max, |timeout| timeout.min(max));
        // A deadline beyond the range of the clock is never reached.
        let deadline = Instant::now().checked_add(timeout);
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(CallDeadline(deadline.into_std()));
        }
        let call = self.inner.call(request);
        match deadline {
            Some(deadline) => Box::pin(run_until(deadline, call)),
            None => Box::pin(call),
        }
    }
}

async fn run_until(
    deadline: Instant,
    call: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Body>, Infallible> {
    match timeout_at(deadline, call).await {
        Ok(response) => response,
        Err(_) => Ok(exceeded()),
    }
}

fn exceeded() -> Response<Body> {
    status::of_layer(&Error::DeadlineExceeded).into_http()
}

/// Returns the timeout of a call, as the gRPC protocol writes it: at most eight digits and a unit. A
/// malformed one is ignored, as tonic does.
pub(crate) fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&header::GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::GRPC_TIMEOUT.clone(), value.parse().unwrap());
        grpc_timeout(&headers)
    }

    #[test]
    fn every_unit_is_read_and_malformed_values_are_ignored() {
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("5m"), Some(Duration::from_millis(5)));
        assert_eq!(read("6u"), Some(Duration::from_micros(6)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        for text in ["", "S", "5", "123456789S", "-1S", "+1S", "1.5S", "1s", "1 S"] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(grpc_timeout(&HeaderMap::new()), None);
    }
}
