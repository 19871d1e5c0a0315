//! Whether a connection is used, and what it is waited for.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::Version;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{Limits, lifetime::after, opening::Opening};

/// What happens on a connection.
///
/// hyper has one time-out for a head that doesn't come to its end and for a connection that rests
/// between two requests, none for the latter with HTTP/2, and none at all before the first bytes.
///
/// A connection over HTTP/1.1 owes a request from its beginning. One over HTTP/2 owes its opening,
/// and rests from then on: clients open connections ahead of their requests.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests that were read, and for whose answers the service is waited for.
    running: usize,
    /// Those, and requests whose answers are on their way.
    unanswered: usize,
    /// Whether a request, or the opening of HTTP/2, has begun to come or is owed, while none runs.
    is_reading: bool,
    /// The first bytes, as far as they matter.
    opening: Opening,
    /// Whether bytes between requests are more than requests: pings and their answers.
    is_http2: bool,
    /// Since when it is so.
    since: Instant,
}

/// A connection has been waited for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// A request began, or was owed, and did not come.
    Slow,
    /// None came.
    Idle,
}

/// A request that runs until this goes, or is paused.
#[derive(Debug)]
pub(crate) struct Running {
    activity: Arc<Activity>,
    is_paused: bool,
}

impl Activity {
    pub(crate) fn new() -> Self {
        let since = Instant::now();
        Self(Mutex::new(State {
            running: 0,
            unanswered: 0,
            is_reading: true,
            opening: Opening::default(),
            is_http2: false,
            since,
        }))
    }

    /// A request's head was read.
    pub(crate) fn begin(activity: &Arc<Self>, version: Version) -> Running {
        let mut state = activity.state();
        state.running += 1;
        state.unanswered += 1;
        state.is_reading = false;
        state.is_http2 = version == Version::HTTP_2;
        drop(state);
        Running { activity: Arc::clone(activity), is_paused: false }
    }

    /// When to look again: never later than whatever began right after this would be due.
    ///
    /// # Errors
    /// The time that is over.
    pub(crate) fn look(&self, limits: &Limits) -> Result<Instant, Expired> {
        let state = self.state();
        // What begins over HTTP/2 after its opening is a rest, and nothing else.
        let next = after(match state.is_http2 {
            true => limits.idle_timeout,
            false => limits.shortest(),
        });
        if state.running > 0 {
            return Ok(next);
        }
        let (limit, expired) = match state.is_reading {
            true => (limits.header_timeout, Expired::Slow),
            false => (limits.idle_timeout, Expired::Idle),
        };
        match limit.checked_sub(state.since.elapsed()) {
            None | Some(Duration::ZERO) => Err(expired),
            Some(left) => Ok(after(left).min(next)),
        }
    }

    /// Bytes came.
    fn note_bytes(&self, bytes: &[u8]) {
        let mut state = self.state();
        if state.opening.note(bytes) {
            state.is_http2 = true;
            state.is_reading = false;
            state.since = Instant::now();
        }
        // A request that comes before the answer to another one has its time from that one's end.
        if state.unanswered == 0 && !state.is_reading && !state.is_http2 {
            state.is_reading = true;
            state.since = Instant::now();
        }
    }

    /// Bytes went. Over HTTP/1.1 they are of an answer, which may take its time as long as it is
    /// taken.
    fn note_written(&self) {
        let mut state = self.state();
        if state.unanswered > 0 && !state.is_http2 {
            state.since = Instant::now();
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.state().is_http2
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// The service has done its part for now.
    pub(crate) fn pause(&mut self) {
        if !self.is_paused {
            self.is_paused = true;
            let mut state = self.activity.state();
            state.running -= 1;
            state.since = Instant::now();
        }
    }

    /// The service is waited for again.
    pub(crate) fn resume(&mut self) {
        if self.is_paused {
            self.is_paused = false;
            self.activity.state().running += 1;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.pause();
        self.activity.state().unanswered -= 1;
    }
}

/// A stream whose bytes are noted.
#[derive(Debug)]
pub(crate) struct Observed<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Observed<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.note_written();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(bytes @ [_, ..]) = buf.filled().get(before..) {
            self.activity.note_bytes(bytes);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_written(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use crate::MaxAge;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMITS: Limits = Limits {
        max_connections: 1,
        header_timeout: secs(10),
        idle_timeout: secs(60),
        max_age: MaxAge { age: Duration::MAX, grace: Duration::MAX },
    };

    const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// A client's end, and the end that is observed.
    fn connection() -> (tokio::io::DuplexStream, Observed<tokio::io::DuplexStream>, Arc<Activity>) {
        let (client, stream) = tokio::io::duplex(64);
        let activity = Arc::new(Activity::new());
        (client, Observed::new(stream, Arc::clone(&activity)), activity)
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_owes_a_request_however_slowly_it_brings_one() {
        let (mut client, mut observed, activity) = connection();
        for _ in 0..9 {
            tokio::time::advance(secs(1)).await;
            client.write_all(b"G").await.unwrap();
            observed.read_u8().await.unwrap();
            assert!(activity.look(&LIMITS).is_ok());
        }
        tokio::time::advance(secs(1)).await;
        assert_eq!(activity.look(&LIMITS), Err(Expired::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn what_runs_has_all_the_time_that_it_needs() {
        let (_client, _observed, activity) = connection();
        let running = Activity::begin(&activity, Version::HTTP_11);
        tokio::time::advance(secs(3600)).await;
        assert!(activity.look(&LIMITS).is_ok());
        drop(running);
        assert!(activity.look(&LIMITS).is_ok());
        tokio::time::advance(secs(60)).await;
        assert_eq!(activity.look(&LIMITS), Err(Expired::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_further_request_that_begins_is_due_by_its_first_byte() {
        let (mut client, mut observed, activity) = connection();
        drop(Activity::begin(&activity, Version::HTTP_11));
        tokio::time::advance(secs(30)).await;
        let looked = activity.look(&LIMITS).unwrap();
        client.write_all(b"G").await.unwrap();
        observed.read_u8().await.unwrap();
        // Whoever looks when told to isn't late.
        assert!(looked <= Instant::now() + LIMITS.header_timeout);
        tokio::time::advance(secs(10)).await;
        assert_eq!(activity.look(&LIMITS), Err(Expired::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ping_is_no_request() {
        let (mut client, mut observed, activity) = connection();
        drop(Activity::begin(&activity, Version::HTTP_2));
        tokio::time::advance(secs(30)).await;
        client.write_all(b"ping").await.unwrap();
        observed.read_u32().await.unwrap();
        tokio::time::advance(secs(29)).await;
        assert!(activity.look(&LIMITS).is_ok());
        tokio::time::advance(secs(1)).await;
        assert_eq!(activity.look(&LIMITS), Err(Expired::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_opened_http_2_rests_and_who_has_not_is_slow() {
        const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let (mut client, mut observed, activity) = connection();
        let (last, before) = OPENING.split_last().unwrap();
        for (bytes, seconds, expired) in [(before, 9, None), (&[*last], 59, None)] {
            client.write_all(bytes).await.unwrap();
            observed.read_exact(&mut vec![0; bytes.len()]).await.unwrap();
            tokio::time::advance(secs(seconds)).await;
            assert_eq!(activity.look(&LIMITS).err(), expired);
        }
        tokio::time::advance(secs(1)).await;
        assert_eq!(activity.look(&LIMITS), Err(Expired::Idle));

        let (mut client, mut observed, activity) = connection();
        client.write_all(before).await.unwrap();
        observed.read_exact(&mut vec![0; before.len()]).await.unwrap();
        tokio::time::advance(secs(10)).await;
        assert_eq!(activity.look(&LIMITS), Err(Expired::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_the_client_does_not_take_is_a_rest() {
        let (_client, _observed, activity) = connection();
        let mut running = Activity::begin(&activity, Version::HTTP_2);
        running.pause();
        running.pause();
        tokio::time::advance(secs(59)).await;
        running.resume();
        tokio::time::advance(secs(3600)).await;
        assert!(activity.look(&LIMITS).is_ok());
        running.pause();
        tokio::time::advance(secs(60)).await;
        assert_eq!(activity.look(&LIMITS), Err(Expired::Idle));
        drop(running);
        assert_eq!(activity.state().running, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_all_the_time_in_which_it_is_taken_whatever_comes_meanwhile() {
        let (mut client, mut observed, activity) = connection();
        let mut answer = Activity::begin(&activity, Version::HTTP_11);
        answer.pause();
        for _ in 0..9 {
            tokio::time::advance(secs(50)).await;
            client.write_all(b"GET").await.unwrap();
            observed.read_exact(&mut [0; 3]).await.unwrap();
            observed.write_all(b"data").await.unwrap();
            client.read_exact(&mut [0; 4]).await.unwrap();
            assert!(activity.look(&LIMITS).is_ok());
        }
        tokio::time::advance(secs(60)).await;
        assert_eq!(activity.look(&LIMITS), Err(Expired::Idle));
    }
}
