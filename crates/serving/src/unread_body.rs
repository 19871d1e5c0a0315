//! What a handler leaves unread of a request's body.
//!
//! Most clients send all of a body before they read the response. If the connection were closed
//! while such a client still writes, it could lose the response.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, header::EXPECT};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// The most of an unread body that is read and discarded, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The longest that an unread body is read.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Receives a request's body back from its handler, if the handler drops it unread.
#[derive(Debug)]
pub struct UnreadBody<B>(Option<oneshot::Receiver<B>>);

/// Returns the request with a body that is sent back if the handler drops it unread, as `wrap` makes
/// one of the same type of it.
///
/// Without effect on a request without a body, and on one that asks with `Expect` before it sends
/// its body: reading it would tell the client to send.
pub fn watch_body<B>(
    request: Request<B>,
    wrap: impl FnOnce(ReturningBody<B>) -> B,
) -> (Request<B>, UnreadBody<B>)
where
    B: Body + Unpin,
{
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return (request, UnreadBody(None));
    }
    let (on_drop, unread) = oneshot::channel();
    let request =
        request.map(|body| wrap(ReturningBody { body: Some(body), on_drop: Some(on_drop) }));
    (request, UnreadBody(Some(unread)))
}

impl<B: Body + Unpin> UnreadBody<B> {
    /// Reads the rest of the body and discards it: up to 16 MiB, for up to two seconds, and not past
    /// the deadline. Returns at once if the body was read to its end, or if there is no permit to discard it.
    pub async fn discard_until<P>(self, deadline: Instant, permit: impl FnOnce() -> Option<P>)
    where
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Some(body) = self.0.and_then(|mut unread| unread.try_recv().ok()) else { return };
        let Some(_permit) = permit() else { return };
        let read = async {
            let mut body = Limited::new(body, MAX_BYTES);
            while let Some(Ok(_)) = body.frame().await {}
        };
        let _elapsed = timeout_at(deadline.min(Instant::now() + TIMEOUT), read).await;
    }
}

/// A body that is sent back when it is dropped before its end.
#[derive(Debug)]
pub struct ReturningBody<B: Body + Unpin> {
    /// `None` after the end, or after an error.
    body: Option<B>,
    on_drop: Option<oneshot::Sender<B>>,
}

impl<B: Body + Unpin> Body for ReturningBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body + Unpin> Drop for ReturningBody<B> {
    fn drop(&mut self) {
        let body = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(on_drop)) = (body, self.on_drop.take()) {
            // Nobody receives it if the request was cancelled.
            let _cancelled = on_drop.send(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use http_body_util::{Full, combinators::UnsyncBoxBody};
    use hyper::body::Bytes;

    use super::*;

    type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

    fn any(body: impl Body<Data = Bytes, Error = Infallible> + Send + 'static) -> AnyBody {
        AnyBody::new(body)
    }

    fn watch(request: Request<AnyBody>) -> (Request<AnyBody>, UnreadBody<AnyBody>) {
        watch_body(request, AnyBody::new)
    }

    /// A body of frames of 1 MiB, which counts those that were read.
    struct Frames {
        left: usize,
        read: Arc<AtomicUsize>,
    }

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
            self.left = left;
            self.read.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1024 * 1024])))))
        }
    }

    fn far_away() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// Returns how many of a body's frames are read if its handler reads the first ones only.
    async fn frames_read(frames: usize, by_handler: usize, expect: bool) -> usize {
        let read = Arc::new(AtomicUsize::new(0));
        let body = any(Frames { left: frames, read: Arc::clone(&read) });
        let mut request = Request::builder();
        if expect {
            request = request.header(EXPECT, "100-continue");
        }
        let (request, unread) = watch(request.body(body).unwrap());
        let mut body = request.into_body();
        for _ in 0..by_handler {
            assert!(body.frame().await.unwrap().is_ok());
        }
        drop(body);
        unread.discard_until(far_away(), || Some(())).await;
        read.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn the_rest_of_a_body_is_read_up_to_the_limit() {
        assert_eq!(frames_read(5, 0, false).await, 5);
        assert_eq!(frames_read(5, 2, false).await, 5);
        // The frame that passes the limit is read, too.
        assert_eq!(frames_read(50, 2, false).await, 2 + 17);
    }

    #[tokio::test]
    async fn a_body_that_the_client_has_not_begun_to_send_is_not_read() {
        assert_eq!(frames_read(5, 0, true).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_permit_a_body_is_not_waited_for() {
        let (request, unread) = watch(Request::new(any(Stalled)));
        drop(request);
        let start = Instant::now();
        unread.discard_until(far_away(), || None::<()>).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_waited_for_until_the_timeout() {
        let (request, unread) = watch(Request::new(any(Stalled)));
        drop(request);
        let start = Instant::now();
        unread.discard_until(far_away(), || Some(())).await;
        assert_eq!(start.elapsed(), TIMEOUT);
    }

    struct Stalled;

    impl Body for Stalled {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_that_was_read_to_its_end_is_not_sent_back() {
        let (request, unread) = watch(Request::new(any(Full::new(Bytes::from("all of it")))));
        let read = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(read, "all of it");
        assert!(unread.0.unwrap().try_recv().is_err());
    }
}
