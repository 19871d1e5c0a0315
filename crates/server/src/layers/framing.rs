//! How the message of a call comes in the body of its request.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::Extensions;
use proto::wire::limits;

/// The compression flag and the length before a message (gRPC over HTTP/2).
const PREFIX_BYTES: usize = 5;

/// How the message of a call comes in the body of its request, which is in the request's extensions. A
/// request without it is one of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Behind a prefix, which has its length.
    Grpc,
    /// The body is the encoded message.
    Protobuf,
    /// The body is the message in protobuf's JSON mapping.
    Json,
}

impl Framing {
    /// Returns the framing of the request that has these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self::Grpc)
    }

    /// Returns whether a body of which these bytes were received is larger than a message may be.
    pub(super) fn is_too_large(self, received: &[u8]) -> bool {
        match self {
            Self::Grpc => match received.split_at_checked(PREFIX_BYTES) {
                Some((prefix, message)) => {
                    length(prefix).max(message.len()) > limits::MESSAGE_BYTES
                }
                None => false,
            },
            Self::Protobuf | Self::Json => received.len() > limits::MESSAGE_BYTES,
        }
    }
}

/// Returns the message of a body that has a prefix, and what follows it; `None` if it has no prefix.
pub(super) fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = body.split_at_checked(PREFIX_BYTES)?;
    Some(rest.split_at(length(prefix).min(rest.len())))
}

/// Returns a message behind a prefix.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    body.put_u8(0);
    // No message that is received or made has 4 GiB.
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(message);
    body.freeze()
}

/// Returns the message of a body of one message behind its prefix.
pub(crate) fn message_of(mut body: Bytes) -> Bytes {
    body.split_off(PREFIX_BYTES.min(body.len()))
}

/// Returns the length of the message that follows a prefix.
fn length(prefix: &[u8]) -> usize {
    prefix.iter().skip(1).fold(0, |length, byte| length << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_behind_a_prefix_is_found_again() {
        for message in [&b""[..], b"message"] {
            let body = framed(message);
            assert_eq!(split(&body), Some((message, &b""[..])));
            assert_eq!(split(&[&body[..], b"more"].concat()), Some((message, &b"more"[..])));
            assert_eq!(message_of(body), message);
        }
        assert_eq!(split(b"\0\0\0\0"), None);
        assert_eq!(split(b"\0\0\0\0\x02a"), Some((&b"a"[..], &b""[..])), "cut short");
        assert_eq!(message_of(Bytes::from_static(b"\0\0")), "");
    }

    #[test]
    fn a_body_is_too_large_once_its_message_is() {
        let largest = vec![0; limits::MESSAGE_BYTES];
        let larger = vec![0; limits::MESSAGE_BYTES + 1];
        assert!(!Framing::Grpc.is_too_large(&framed(&largest)));
        assert!(Framing::Grpc.is_too_large(&framed(&larger)));
        // As its prefix says, or in spite of it.
        assert!(Framing::Grpc.is_too_large(&framed(&larger)[..PREFIX_BYTES]));
        assert!(Framing::Grpc.is_too_large(&[b"\0\0\0\0\0", &larger[..]].concat()));
        for framing in [Framing::Protobuf, Framing::Json] {
            assert!(!framing.is_too_large(&largest));
            assert!(framing.is_too_large(&larger));
        }
    }
}
