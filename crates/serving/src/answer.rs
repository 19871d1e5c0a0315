//! The body of an answer, watched.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Frame, SizeHint};

use crate::activity::Running;

/// A body that counts as running while the service is waited for, and not while it is the client
/// that takes nothing: a stream of news keeps its connection, a client that shuts its window
/// doesn't. hyper has one piece at the most in its hand that there is no room for.
#[derive(Debug)]
pub(crate) struct Answer<B> {
    body: B,
    running: Running,
}

impl<B> Answer<B> {
    /// The answer to a request that ran until now.
    pub(crate) fn new(body: B, mut running: Running) -> Self {
        running.pause();
        Self { body, running }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match frame {
            Poll::Pending => self.running.resume(),
            Poll::Ready(_) => self.running.pause(),
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
