//! What is held until a response was sent.

use std::{any::Any, fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, Response};
use hyper::body::{Buf, Bytes};
use tokio::sync::oneshot;

use crate::{send_limit::SendLimit, stream_task::StreamParts, untaken::Untaken};

/// The size, in bytes, from which a header keeps what its response holds. HPACK's table takes no
/// header of this size, so that it is dropped once it is written.
const LARGE_HEADER: usize = 4096;

/// Holds a value, such as a permit, until the response was written to the client's connection or
/// its stream has ended.
///
/// A call ends when its response is made, but the response takes memory until the client reads it.
pub fn hold_until_sent<B>(response: &mut Response<B>, value: impl Send + Sync + 'static) {
    let held = response.extensions_mut().remove::<Arc<Held>>();
    let held = Held { _value: Box::new(value), _next: held };
    response.extensions_mut().insert(Arc::new(held));
}

/// A list of the values that a response holds.
struct Held {
    _value: Box<dyn Any + Send + Sync>,
    _next: Option<Arc<Held>>,
}

/// Where the parts of a response are counted.
enum Parts {
    /// Over HTTP/2.
    Stream(Arc<StreamParts>),
    /// Over HTTP/1.1.
    Connection(Arc<Untaken>),
}

/// The delivery of one response. What the response holds is dropped with it.
pub(crate) struct Delivery {
    limit: SendLimit,
    parts: Parts,
    _held: Option<Arc<Held>>,
}

impl Delivery {
    /// Starts the delivery of a response, in the task of its stream. From now on it, and not the
    /// response, holds what was to be held. Large headers are its first part.
    pub(crate) fn start<B>(response: &mut Response<B>, connection: &Arc<Untaken>) -> Arc<Self> {
        let delivery = Arc::new(Self {
            limit: connection.limit().clone(),
            parts: match StreamParts::of_this_task(connection) {
                Some(stream) => Parts::Stream(stream),
                None => Parts::Connection(Arc::clone(connection)),
            },
            _held: response.extensions_mut().remove(),
        });
        delivery.guard_headers(response.headers_mut());
        delivery
    }

    /// Guards the large ones of these headers.
    pub(crate) fn guard_headers(self: &Arc<Self>, headers: &mut HeaderMap) {
        for header in headers.values_mut().filter(|value| value.len() >= LARGE_HEADER) {
            let part = Part::new(self, header.len());
            let guarded = GuardedHeader { value: header.clone(), _part: part };
            // The value is valid, as it was before.
            if let Ok(mut value) = HeaderValue::from_maybe_shared(Bytes::from_owner(guarded)) {
                value.set_sensitive(header.is_sensitive());
                *header = value;
            }
        }
    }

    /// Returns the limit for parts that are left.
    pub(crate) fn limit(&self) -> &SendLimit {
        &self.limit
    }

    /// Returns whether the response is on a stream that can be reset by itself.
    pub(crate) fn has_stream(&self) -> bool {
        matches!(self.parts, Parts::Stream(_))
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").finish_non_exhaustive()
    }
}

/// Keeps a delivery from ending until a part of the response was written or discarded.
#[derive(Debug)]
struct Part {
    delivery: Arc<Delivery>,
    /// The generation of the connection, over HTTP/1.1.
    generation: usize,
    bytes: i64,
}

impl Part {
    fn new(delivery: &Arc<Delivery>, bytes: usize) -> Self {
        let generation = match &delivery.parts {
            Parts::Stream(stream) => {
                stream.add();
                0
            }
            Parts::Connection(connection) => connection.add(),
        };
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        delivery.limit.waiting_bytes().inc_by(bytes);
        Self { delivery: Arc::clone(delivery), generation, bytes }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.delivery.limit.waiting_bytes().dec_by(self.bytes);
        match &self.delivery.parts {
            Parts::Stream(stream) => stream.remove(),
            Parts::Connection(connection) => connection.remove(self.generation),
        }
    }
}

struct GuardedHeader {
    value: HeaderValue,
    _part: Part,
}

impl AsRef<[u8]> for GuardedHeader {
    fn as_ref(&self) -> &[u8] {
        self.value.as_bytes()
    }
}

/// Data of a response body. hyper and h2 keep it until it was written or discarded.
#[derive(Debug)]
pub(crate) struct Guarded<D> {
    data: D,
    _part: Part,
    /// Reports by being dropped that the data was taken.
    _on_taken: Option<oneshot::Sender<()>>,
}

impl<D: Buf> Guarded<D> {
    /// Guards data of the response that is delivered.
    pub(crate) fn new(
        data: D,
        delivery: &Arc<Delivery>,
        on_taken: Option<oneshot::Sender<()>>,
    ) -> Self {
        let part = Part::new(delivery, data.remaining());
        Self { data, _part: part, _on_taken: on_taken }
    }
}

impl<D: Buf> Buf for Guarded<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn chunks_vectored<'a>(&'a self, parts: &mut [std::io::IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(parts)
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}
