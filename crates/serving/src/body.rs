//! Response bodies that report to the connection's activity.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Frame, SizeHint};

use crate::activity::RunningRequest;

/// A response body whose request counts as running while the body has no frame ready, and not
/// while the client doesn't read: a stream that waits for events keeps its connection open, a
/// client that leaves its flow-control window closed doesn't. hyper buffers at most one frame that
/// the window has no capacity for.
#[derive(Debug)]
pub(crate) struct ResponseBody<B> {
    body: B,
    request: RunningRequest,
}

impl<B> ResponseBody<B> {
    /// Returns the body of the response to `request`, whose head has been produced.
    pub(crate) fn new(body: B, request: RunningRequest) -> Self {
        Self { body, request }
    }
}

impl<B: Body + Unpin> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match frame {
            Poll::Pending => self.request.resume(),
            Poll::Ready(_) => self.request.pause(),
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
