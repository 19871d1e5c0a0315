//! Whether a connection is used, and what it is waited for.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http::Version;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::ConnectionOptions;

/// What happens on a connection.
///
/// hyper has one time-out for a head that doesn't come to its end and for a connection that rests
/// between two requests, none for the latter with HTTP/2, and none at all before the first bytes.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests that were read and aren't answered yet.
    running: usize,
    /// Whether a request has begun to come, while none runs. A new connection owes one.
    is_reading: bool,
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

/// A request that runs until this goes.
#[derive(Debug)]
pub(crate) struct Running(Arc<Activity>);

impl Activity {
    pub(crate) fn new() -> Self {
        let since = Instant::now();
        Self(Mutex::new(State { running: 0, is_reading: true, is_http2: false, since }))
    }

    /// A request's head was read.
    pub(crate) fn begin(activity: &Arc<Self>, version: Version) -> Running {
        let mut state = activity.state();
        state.running += 1;
        state.is_reading = false;
        state.is_http2 = version == Version::HTTP_2;
        Running(Arc::clone(activity))
    }

    /// When to look again: never later than whatever began right after this would be due.
    ///
    /// # Errors
    /// The time that is over.
    pub(crate) fn look(&self, options: &ConnectionOptions) -> Result<Instant, Expired> {
        let now = Instant::now();
        let next = now + options.shortest();
        let state = self.state();
        if state.running > 0 {
            return Ok(next);
        }
        let (limit, expired) = match state.is_reading {
            true => (options.header_timeout, Expired::Slow),
            false => (options.idle_timeout, Expired::Idle),
        };
        let due = state.since + limit;
        if due <= now { Err(expired) } else { Ok(due.min(next)) }
    }

    /// Bytes came.
    fn note_bytes(&self) {
        let mut state = self.state();
        if state.running == 0 && !state.is_reading && !state.is_http2 {
            state.is_reading = true;
            state.since = Instant::now();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.running -= 1;
        state.since = Instant::now();
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
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.note_bytes();
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
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
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
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const OPTIONS: ConnectionOptions = ConnectionOptions {
        max_connections: 1,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
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
            assert!(activity.look(&OPTIONS).is_ok());
        }
        tokio::time::advance(secs(1)).await;
        assert_eq!(activity.look(&OPTIONS), Err(Expired::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn what_runs_has_all_the_time_that_it_needs() {
        let (_client, _observed, activity) = connection();
        let running = Activity::begin(&activity, Version::HTTP_11);
        tokio::time::advance(secs(3600)).await;
        assert!(activity.look(&OPTIONS).is_ok());
        drop(running);
        assert!(activity.look(&OPTIONS).is_ok());
        tokio::time::advance(secs(60)).await;
        assert_eq!(activity.look(&OPTIONS), Err(Expired::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_further_request_that_begins_is_due_by_its_first_byte() {
        let (mut client, mut observed, activity) = connection();
        drop(Activity::begin(&activity, Version::HTTP_11));
        tokio::time::advance(secs(30)).await;
        let looked = activity.look(&OPTIONS).unwrap();
        client.write_all(b"G").await.unwrap();
        observed.read_u8().await.unwrap();
        // Whoever looks when told to isn't late.
        assert!(looked <= Instant::now() + OPTIONS.header_timeout);
        tokio::time::advance(secs(10)).await;
        assert_eq!(activity.look(&OPTIONS), Err(Expired::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ping_is_no_request() {
        let (mut client, mut observed, activity) = connection();
        drop(Activity::begin(&activity, Version::HTTP_2));
        tokio::time::advance(secs(30)).await;
        client.write_all(b"ping").await.unwrap();
        observed.read_u32().await.unwrap();
        tokio::time::advance(secs(29)).await;
        assert!(activity.look(&OPTIONS).is_ok());
        tokio::time::advance(secs(1)).await;
        assert_eq!(activity.look(&OPTIONS), Err(Expired::Idle));
    }
}
