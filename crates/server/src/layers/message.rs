//! Receives the whole message of a call, before anything is done for it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use proto::{
    RequestLayout,
    wire::{Reason, limits},
};
use serving::ConnectionId;
use tonic::{Status, codegen::Body};

use super::{
    framing::{self, Framing},
    json_size,
};
use crate::{
    shares::{Share, Shares},
    status,
    tenant_quota::TenantPermit,
};

/// The memory of a call besides its head and its message: the state of its stream and of its task,
/// and what is left of the network buffer that its first bytes are in.
const CALL_BYTES: usize = 16 * 1024;

/// What each header takes besides its name and its value.
const HEADER_BYTES: usize = 64;

/// Returns the memory that a call takes before its message.
pub(super) fn head_bytes(headers: &HeaderMap) -> usize {
    CALL_BYTES + headers_bytes(headers)
}

/// Returns the memory that headers take.
pub(super) fn headers_bytes(headers: &HeaderMap) -> usize {
    let sizes =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
    sizes.sum()
}

/// Receives the whole message of a call, with its prefix if it has one, and takes memory for it and for
/// what it takes once it is decoded. A call whose message is not there yet takes `memory` as its bytes
/// arrive, and a share of its connection's unfinished calls until they have.
///
/// # Errors
/// The status of a message that is too large, has too many items, is cut short or followed by
/// another one, and of one for which there is no memory, or no share.
pub(super) async fn receive<B>(
    body: B,
    (framing, layout): (Framing, Option<RequestLayout>),
    head_bytes: usize,
    memory: &mut TenantPermit,
    (unfinished, connection): (&Arc<Shares<ConnectionId>>, ConnectionId),
) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut message = Message::new(framing);
    let mut taken = 0;
    let mut share: Option<Share<ConnectionId>> = None;
    loop {
        let frame = {
            let mut next = pin!(body.frame());
            match poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    if share.is_none() {
                        share = Some(unfinished.take(connection).ok_or_else(overloaded)?);
                    }
                    let size = head_bytes + message.len();
                    grow(memory, size - taken)?;
                    taken = size;
                    next.await
                }
            }
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| malformed("the message is cut short"))?;
        // Trailers mean nothing in a request.
        let Ok(data) = frame.into_data() else { continue };
        message.push(data)?;
    }
    let bytes = message.into_bytes();
    let decoded = decoded_size(&bytes, framing, layout)?;
    grow(memory, head_bytes + bytes.len() + decoded - taken)?;
    Ok(bytes)
}

/// Returns what the message takes once it is decoded. What can't be decoded is left to tonic.
fn decoded_size(
    bytes: &[u8],
    framing: Framing,
    layout: Option<RequestLayout>,
) -> Result<usize, Status> {
    let measure = |message| match layout {
        Some(layout) => {
            layout.decoded_size(message).map_err(|error| status::too_many_items(&error))
        }
        None => Ok(0),
    };
    match framing {
        Framing::Grpc => match framing::split(bytes) {
            Some((message, [])) => measure(message),
            Some(_) => Err(malformed("there is more than one message")),
            None => Ok(0),
        },
        // It is copied behind a prefix.
        Framing::Protobuf => Ok(bytes.len() + measure(bytes)?),
        Framing::Json => json_size::decoded_size(bytes).map_err(|_| too_many_values()),
    }
}

/// The bytes of a message, as far as they were received.
struct Message {
    framing: Framing,
    /// The only frame so far. Most messages have no other.
    first: Bytes,
    /// All frames, joined, if there is more than one. Kept apart, many small frames would take many
    /// times their size.
    joined: BytesMut,
}

impl Message {
    fn new(framing: Framing) -> Self {
        Self { framing, first: Bytes::new(), joined: BytesMut::new() }
    }

    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    /// Adds the bytes of a frame.
    fn push(&mut self, data: Bytes) -> Result<(), Status> {
        if data.is_empty() {
            return Ok(());
        }
        if self.len() == 0 {
            self.first = data;
        } else {
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
            self.joined.extend_from_slice(&data);
        }
        let received = if self.joined.is_empty() { &self.first[..] } else { &self.joined[..] };
        match self.framing.is_too_large(received) {
            true => Err(too_large()),
            false => Ok(()),
        }
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

fn grow(memory: &mut TenantPermit, bytes: usize) -> Result<(), Status> {
    memory.grow(bytes).map_err(|error| status::of_layer(&error))
}

fn overloaded() -> Status {
    status::of_layer(&domain::Error::Overloaded)
}

fn malformed(message: &str) -> Status {
    status::with_reason(Reason::MessageMalformed, message)
}

fn too_large() -> Status {
    let message = format!("the message is larger than {} bytes", limits::MESSAGE_BYTES);
    status::with_reason(Reason::MessageTooLarge, &message)
}

fn too_many_values() -> Status {
    let message = format!("the message has more than {} values", limits::LIST_ITEMS);
    status::with_reason(Reason::MessageTooLarge, &message)
}
