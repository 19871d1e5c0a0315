//! Response bodies that report to the connection's activity, and hold what the response holds.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Buf, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::{
    activity::RunningRequest,
    delivery::{Delivery, Guarded},
};

/// The size, in bytes, above which a part must be taken before the body ends.
const LARGE_PART: usize = 16 * 1024;

/// A response body whose request counts as running while the body has no frame ready, and not
/// while the client doesn't read: a stream that waits for events keeps its connection open, a
/// client that leaves its flow-control window closed doesn't. hyper buffers at most one frame that
/// the window has no capacity for.
///
/// Over HTTP/2, the end of the body is withheld until the client has taken the last part, if that
/// part is large or the endpoint is short of what responses hold. Once h2 has the end of a body,
/// its stream can't be reset any more, however little of it the client takes; only the whole
/// connection could be closed, which may carry the requests of others. The ends of other bodies are
/// not withheld, as that costs a second write.
pub(crate) struct ResponseBody<B: Body> {
    body: B,
    request: RunningRequest,
    delivery: Arc<Delivery>,
    /// Completes once the client has taken the last part.
    taken: Option<oneshot::Receiver<()>>,
    /// The withheld end: the trailers, if there are any.
    end: Option<End<B>>,
}

/// What a body returns last.
type End<B> = Option<Frame<Guarded<<B as Body>::Data>>>;

impl<B: Body> ResponseBody<B> {
    /// Returns the body of the response to `request`, whose head has been produced.
    pub(crate) fn new(body: B, request: RunningRequest, delivery: Arc<Delivery>) -> Self {
        Self { body, request, delivery, taken: None, end: None }
    }

    /// Guards the data of a frame; returns the frame as an error if it has none.
    fn guard(&mut self, frame: Frame<B::Data>) -> Result<Frame<Guarded<B::Data>>, End<B>> {
        match frame.into_data() {
            Ok(data) => {
                let is_large = data.remaining() > LARGE_PART;
                let withholds =
                    self.delivery.has_stream() && (is_large || self.delivery.limit().is_scarce());
                let (on_taken, taken) = withholds.then(oneshot::channel).unzip();
                self.taken = taken;
                Ok(Frame::data(Guarded::new(data, &self.delivery, on_taken)))
            }
            Err(frame) => Err(frame.into_trailers().ok().map(|mut trailers| {
                self.delivery.guard_headers(&mut trailers);
                Frame::trailers(trailers)
            })),
        }
    }
}

impl<B: Body<Data: Unpin> + Unpin> Body for ResponseBody<B> {
    type Data = Guarded<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        if self.end.is_none() {
            let frame = Pin::new(&mut self.body).poll_frame(cx);
            match frame {
                Poll::Pending => self.request.resume(),
                Poll::Ready(_) => self.request.pause(),
            }
            let end = match ready!(frame) {
                Some(Ok(frame)) => match self.guard(frame) {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(end) => end,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => None,
            };
            self.end = Some(end);
        }
        if let Some(taken) = &mut self.taken {
            // It ends with an error: its sender is only dropped.
            let _dropped = ready!(Pin::new(taken).poll(cx));
            self.taken = None;
        }
        Poll::Ready(self.end.take().flatten().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.taken.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
