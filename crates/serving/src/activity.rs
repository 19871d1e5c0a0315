//! Tracks what happens on a connection, and how long nothing has.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Version;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use crate::{deadline::after, limits::Limits, preface::PrefaceParser};

/// Tracks the requests and the idle time of one connection.
///
/// hyper has one timeout for a request head that is incomplete and for an HTTP/1.1 connection that
/// is idle, none for an HTTP/2 connection that is idle, and none before the first byte.
///
/// Over HTTP/1.1 the client must send a request as soon as it has connected. Over HTTP/2 it must
/// send its preface; then the connection is idle, because clients connect ahead of their requests.
#[derive(Debug)]
pub(crate) struct Activity {
    state: Mutex<State>,
    /// Counts the requests of this connection and of others.
    streams: Gauge,
}

#[derive(Debug)]
struct State {
    /// Requests that the service is processing, or whose next body frame it is producing.
    running: usize,
    /// Those, and requests whose responses are being sent.
    unanswered: usize,
    /// Whether, while no request runs, the client must send the rest of a request head or of the
    /// HTTP/2 preface.
    awaits_head: bool,
    preface: PrefaceParser,
    /// Whether bytes between requests may be something other than requests, such as PING frames.
    is_http2: bool,
    /// When the connection became idle, or `awaits_head` was set.
    since: Instant,
    /// Whether the connection is closed with its next response, which says so: it uses HTTP/1.1 and
    /// has reached its maximum age.
    is_closing: bool,
    /// Whether that response's head was produced.
    has_announced_close: bool,
    /// Since when there has been a request that must end within the grace after the maximum age.
    grace_since: Option<Instant>,
}

/// The limit that a connection has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReachedLimit {
    /// A request head, or the HTTP/2 preface, was not completed in time.
    HeaderTimeout,
    /// There was no request.
    IdleTimeout,
    /// The connection is too old.
    MaxAge,
}

/// Counts a request as running until it is dropped or paused.
#[derive(Debug)]
pub(crate) struct RunningRequest {
    activity: Arc<Activity>,
    is_paused: bool,
}

impl Activity {
    /// Starts to track a connection that was opened now. Its requests are counted in `streams`.
    pub(crate) fn new(streams: Gauge) -> Self {
        let state = Mutex::new(State {
            running: 0,
            unanswered: 0,
            awaits_head: true,
            preface: PrefaceParser::default(),
            is_http2: false,
            since: Instant::now(),
            is_closing: false,
            has_announced_close: false,
            grace_since: None,
        });
        Self { state, streams }
    }

    /// Records that a request's head was read.
    pub(crate) fn start_request(activity: &Arc<Self>, version: Version) -> RunningRequest {
        let mut state = activity.state();
        state.running += 1;
        state.unanswered += 1;
        state.awaits_head = false;
        state.is_http2 = version == Version::HTTP_2;
        if state.is_closing && state.grace_since.is_none() {
            state.grace_since = Some(Instant::now());
        }
        drop(state);
        activity.streams.inc();
        RunningRequest { activity: Arc::clone(activity), is_paused: false }
    }

    /// Closes the connection with its next response, unless it turns out to use HTTP/2. While it
    /// is idle it stays open: over HTTP/1.1 nothing but a response can tell the client that no
    /// further request is read.
    pub(crate) fn close_with_next_response(&self) {
        let mut state = self.state();
        state.is_closing = true;
        if state.unanswered > 0 {
            state.grace_since = Some(Instant::now());
        }
    }

    /// Checks the header timeout, the idle timeout, and the grace of a connection that is closed
    /// with its next response. Returns when to check again: no later than any of them would be
    /// over if it started right after this check.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(crate) fn check(&self, limits: &Limits) -> Result<Instant, ReachedLimit> {
        let state = self.state();
        // After the preface, the header timeout doesn't apply to HTTP/2.
        let mut next = after(match state.is_http2 {
            true => limits.idle_timeout,
            false => limits.shortest_timeout(),
        });
        if state.is_closing && !state.is_http2 {
            let elapsed = state.grace_since.map_or(Duration::ZERO, |since| since.elapsed());
            match limits.max_age.grace.checked_sub(elapsed) {
                None | Some(Duration::ZERO) => return Err(ReachedLimit::MaxAge),
                Some(left) => next = next.min(after(left)),
            }
        }
        if state.running > 0 {
            return Ok(next);
        }
        let (timeout, reached) = match state.awaits_head {
            true => (limits.header_timeout, ReachedLimit::HeaderTimeout),
            false if state.is_http2 => (limits.idle_timeout, ReachedLimit::IdleTimeout),
            false => (limits.http1_idle_timeout, ReachedLimit::IdleTimeout),
        };
        match timeout.checked_sub(state.since.elapsed()) {
            None | Some(Duration::ZERO) => Err(reached),
            Some(left) => Ok(after(left).min(next)),
        }
    }

    /// Records bytes from the client.
    pub(crate) fn record_read(&self, bytes: &[u8]) {
        let mut state = self.state();
        if state.preface.read(bytes) {
            state.is_http2 = true;
            state.awaits_head = false;
            state.since = Instant::now();
        }
        // The header timeout of a pipelined request starts after the response before it.
        if state.unanswered == 0 && !state.awaits_head && !state.is_http2 {
            state.awaits_head = true;
            state.since = Instant::now();
        }
    }

    /// Records that bytes were sent to the client. Over HTTP/1.1 they belong to a response, which
    /// may take any time while the client reads it.
    pub(crate) fn record_written(&self) {
        let mut state = self.state();
        if state.unanswered > 0 && !state.is_http2 {
            state.since = Instant::now();
        }
    }

    /// Returns whether the connection is known to use HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.state().is_http2
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningRequest {
    /// Pauses the request: the response's head was produced. Returns whether it must announce that the
    /// connection is closed with it.
    #[must_use]
    pub(crate) fn start_response(&mut self) -> bool {
        let mut state = self.activity.state();
        if !self.is_paused {
            self.is_paused = true;
            state.running -= 1;
            state.since = Instant::now();
        }
        state.has_announced_close = state.is_closing && !state.is_http2;
        state.has_announced_close
    }

    /// Stops counting the request as running: the service waits for the client.
    pub(crate) fn pause(&mut self) {
        if !self.is_paused {
            self.is_paused = true;
            let mut state = self.activity.state();
            state.running -= 1;
            state.since = Instant::now();
        }
    }

    /// Counts the request as running again.
    pub(crate) fn resume(&mut self) {
        if self.is_paused {
            self.is_paused = false;
            self.activity.state().running += 1;
        }
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.pause();
        self.activity.streams.dec();
        let mut state = self.activity.state();
        state.unanswered -= 1;
        // Only after such a response may the client expect that no further request is read.
        if !state.has_announced_close {
            state.grace_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::MaxAge;

    use super::*;

    const LIMITS: Limits = Limits {
        max_connections: 1,
        header_timeout: secs(10),
        idle_timeout: secs(60),
        http1_idle_timeout: secs(20),
        send_timeout: secs(30),
        max_age: MaxAge { age: Duration::MAX, grace: Duration::MAX },
    };

    const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_request_may_take_any_time() {
        let activity = Arc::new(Activity::new(Gauge::default()));
        let request = Activity::start_request(&activity, Version::HTTP_11);
        tokio::time::advance(secs(3600)).await;
        assert!(activity.check(&LIMITS).is_ok());
        drop(request);
        assert!(activity.check(&LIMITS).is_ok());
        tokio::time::advance(secs(20)).await;
        assert_eq!(activity.check(&LIMITS), Err(ReachedLimit::IdleTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn each_version_has_its_idle_timeout() {
        for (version, idle) in [(Version::HTTP_11, secs(20)), (Version::HTTP_2, secs(60))] {
            let activity = Arc::new(Activity::new(Gauge::default()));
            drop(Activity::start_request(&activity, version));
            tokio::time::advance(idle.checked_sub(secs(1)).unwrap()).await;
            let next = activity.check(&LIMITS).unwrap();
            assert_eq!(next, Instant::now() + secs(1), "{version:?}");
            tokio::time::advance(secs(1)).await;
            assert_eq!(activity.check(&LIMITS), Err(ReachedLimit::IdleTimeout), "{version:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_while_the_client_does_not_read_a_response() {
        let activity = Arc::new(Activity::new(Gauge::default()));
        let mut request = Activity::start_request(&activity, Version::HTTP_2);
        request.pause();
        request.pause();
        tokio::time::advance(secs(59)).await;
        request.resume();
        tokio::time::advance(secs(3600)).await;
        assert!(activity.check(&LIMITS).is_ok());
        request.pause();
        tokio::time::advance(secs(60)).await;
        assert_eq!(activity.check(&LIMITS), Err(ReachedLimit::IdleTimeout));
        drop(request);
        assert_eq!(activity.state().running, 0);
    }
}
