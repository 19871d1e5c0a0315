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

/// The compression flag and the length before a message (gRPC over HTTP/2).
const PREFIX_BYTES: usize = 5;

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

/// Receives the whole message of a call, with its prefix, and takes memory for it and for what it
/// takes once it is decoded. A call whose message is not there yet takes `memory` as its bytes
/// arrive, and a share of its connection's unfinished calls until they have.
///
/// # Errors
/// The status of a message that is too large, has too many items, is cut short or followed by
/// another one, and of one for which there is no memory, or no share.
pub(super) async fn receive<B>(
    body: B,
    layout: Option<RequestLayout>,
    head_bytes: usize,
    memory: &mut TenantPermit,
    (unfinished, connection): (&Arc<Shares<ConnectionId>>, ConnectionId),
) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut message = Message::default();
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
    let decoded = decoded_size(&bytes, layout)?;
    grow(memory, head_bytes + bytes.len() + decoded - taken)?;
    Ok(bytes)
}

/// Returns what the message takes once it is decoded. What can't be decoded is left to tonic.
fn decoded_size(bytes: &[u8], layout: Option<RequestLayout>) -> Result<usize, Status> {
    let (Some(layout), Some((prefix, message))) = (layout, bytes.split_at_checked(PREFIX_BYTES))
    else {
        return Ok(0);
    };
    if message.len() > length(prefix) {
        return Err(malformed("there is more than one message"));
    }
    layout.decoded_size(message).map_err(|error| status::too_many_items(&error))
}

/// Returns the length of the message that follows a prefix.
fn length(prefix: &[u8]) -> usize {
    prefix.iter().skip(1).fold(0, |length, byte| length << 8 | usize::from(*byte))
}

/// The bytes of a message, as far as they were received.
#[derive(Default)]
struct Message {
    /// The only frame so far. Most messages have no other.
    first: Bytes,
    /// All frames, joined, if there is more than one. Kept apart, many small frames would take many
    /// times their size.
    joined: BytesMut,
}

impl Message {
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
        let is_too_large = received
            .get(..PREFIX_BYTES)
            .is_some_and(|prefix| length(prefix) > limits::MESSAGE_BYTES)
            || received.len() > PREFIX_BYTES + limits::MESSAGE_BYTES;
        match is_too_large {
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
