//! Streams that report their bytes to the connection's activity.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::Activity;

/// A stream that records what is read from it and written to it.
#[derive(Debug)]
pub(crate) struct ObservedStream<I> {
    stream: I,
    activity: Arc<Activity>,
}

impl<I> ObservedStream<I> {
    pub(crate) fn new(stream: I, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn record(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.record_written();
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for ObservedStream<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(bytes @ [_, ..]) = buf.filled().get(before..) {
            self.activity.record_read(bytes);
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for ObservedStream<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.record(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.record(&written);
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
    use std::time::Duration;

    use http::Version;
    use prometheus_client::metrics::gauge::Gauge;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
        time::Instant,
    };

    use crate::{
        activity::ReachedLimit,
        limits::{Limits, MaxAge},
    };

    use super::*;

    const LIMITS: Limits = Limits {
        max_connections: 1,
        header_timeout: secs(10),
        idle_timeout: secs(60),
        http1_idle_timeout: secs(60),
        send_timeout: secs(30),
        max_age: MaxAge { age: Duration::MAX, grace: Duration::MAX },
    };

    const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Returns the client's end of a connection, the server's end, and its activity.
    fn connection() -> (DuplexStream, ObservedStream<DuplexStream>, Arc<Activity>) {
        let (client, stream) = tokio::io::duplex(64);
        let activity = Arc::new(Activity::new(Gauge::default()));
        (client, ObservedStream::new(stream, Arc::clone(&activity)), activity)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_is_due_after_the_header_timeout_even_if_its_bytes_keep_arriving() {
        let (mut client, mut stream, activity) = connection();
        for _ in 0..9 {
            tokio::time::advance(secs(1)).await;
            client.write_all(b"G").await.unwrap();
            stream.read_u8().await.unwrap();
            assert!(activity.check(&LIMITS).is_ok());
        }
        tokio::time::advance(secs(1)).await;
        assert_eq!(activity.check(&LIMITS), Err(ReachedLimit::HeaderTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn the_header_timeout_of_a_further_request_starts_with_its_first_byte() {
        let (mut client, mut stream, activity) = connection();
        drop(Activity::start_request(&activity, Version::HTTP_11));
        tokio::time::advance(secs(30)).await;
        let next_check = activity.check(&LIMITS).unwrap();
        client.write_all(b"G").await.unwrap();
        stream.read_u8().await.unwrap();
        assert!(next_check <= Instant::now() + LIMITS.header_timeout);
        tokio::time::advance(secs(10)).await;
        assert_eq!(activity.check(&LIMITS), Err(ReachedLimit::HeaderTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ping_does_not_end_the_idle_time() {
        let (mut client, mut stream, activity) = connection();
        drop(Activity::start_request(&activity, Version::HTTP_2));
        tokio::time::advance(secs(30)).await;
        client.write_all(b"ping").await.unwrap();
        stream.read_u32().await.unwrap();
        tokio::time::advance(secs(29)).await;
        assert!(activity.check(&LIMITS).is_ok());
        tokio::time::advance(secs(1)).await;
        assert_eq!(activity.check(&LIMITS), Err(ReachedLimit::IdleTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn the_header_timeout_applies_to_the_http_2_preface_and_the_idle_timeout_after_it() {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let (mut client, mut stream, activity) = connection();
        let (last, before) = PREFACE.split_last().unwrap();
        for (bytes, seconds) in [(before, 9), (&[*last], 59)] {
            client.write_all(bytes).await.unwrap();
            stream.read_exact(&mut vec![0; bytes.len()]).await.unwrap();
            tokio::time::advance(secs(seconds)).await;
            assert_eq!(activity.check(&LIMITS).err(), None);
        }
        tokio::time::advance(secs(1)).await;
        assert_eq!(activity.check(&LIMITS), Err(ReachedLimit::IdleTimeout));

        let (mut client, mut stream, activity) = connection();
        client.write_all(before).await.unwrap();
        stream.read_exact(&mut vec![0; before.len()]).await.unwrap();
        tokio::time::advance(secs(10)).await;
        assert_eq!(activity.check(&LIMITS), Err(ReachedLimit::HeaderTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_may_take_any_time_while_the_client_reads_it_whatever_it_sends_meanwhile() {
        let (mut client, mut stream, activity) = connection();
        let mut request = Activity::start_request(&activity, Version::HTTP_11);
        request.pause();
        for _ in 0..9 {
            tokio::time::advance(secs(50)).await;
            client.write_all(b"GET").await.unwrap();
            stream.read_exact(&mut [0; 3]).await.unwrap();
            stream.write_all(b"data").await.unwrap();
            client.read_exact(&mut [0; 4]).await.unwrap();
            assert!(activity.check(&LIMITS).is_ok());
        }
        tokio::time::advance(secs(60)).await;
        assert_eq!(activity.check(&LIMITS), Err(ReachedLimit::IdleTimeout));
    }
}
