//! The time that a caller gives.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use domain::Error;
use http::{HeaderMap, Request, Response};
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::status;

/// Answers a call whose `grpc-timeout` is over as DEADLINE_EXCEEDED, and drops what it waits for.
///
/// tonic's own server has such a limit too, but answers CANCELLED, which proxies take for the
/// caller's own wish, and some send the call again.
///
/// Calls whose caller grants more time than the longest, or says nothing, have the longest: a call
/// whose message never comes would hold its place forever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadlineLayer {
    longest: Duration,
}

impl DeadlineLayer {
    pub(crate) const fn new(longest: Duration) -> Self {
        Self { longest }
    }
}

/// See [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Deadline<S> {
    inner: S,
    longest: Duration,
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, longest: self.longest }
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let limit = grpc_timeout(request.headers()).map_or(self.longest, |it| it.min(self.longest));
        // A time that the clock can't tell is as good as none.
        let deadline = Instant::now().checked_add(limit);
        let call = self.inner.call(request);
        match deadline {
            Some(deadline) => Box::pin(within(deadline, call)),
            None => Box::pin(call),
        }
    }
}

async fn within(
    deadline: Instant,
    call: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Body>, Infallible> {
    match timeout_at(deadline, call).await {
        Ok(answer) => answer,
        Err(_) => Ok(status::from_error(&Error::DeadlineExceeded).into_http()),
    }
}

/// The time-out of the gRPC protocol: at most eight digits and a unit. One that is malformed
/// counts as none, as it does for tonic.
pub(crate) fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
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
        headers.insert("grpc-timeout", value.parse().unwrap());
        grpc_timeout(&headers)
    }

    #[test]
    fn reads_each_unit_and_nothing_else() {
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
