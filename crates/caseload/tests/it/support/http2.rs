//! Frames of HTTP/2 (RFC 9113), for what no well-behaved client sends or shows.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What a client sends first (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A SETTINGS frame that sets nothing.
pub(crate) const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// Types of frames (RFC 9113, 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;

/// The bytes of a frame's header (RFC 9113, 4.1).
const HEADER_LEN: usize = 9;

/// Encodes a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns the headers of a gRPC request, with more headers, encoded with HPACK (RFC 7541) as
/// literals. Each text has less than 127 bytes.
pub(crate) fn call_headers(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let literal = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // POST and http from the static table; path and authority with indexed names.
    let mut block = vec![0x83, 0x86, 0x04];
    block.extend(literal(path));
    block.push(0x01);
    block.extend(literal("a"));
    for (name, value) in
        [("content-type", "application/grpc"), ("te", "trailers")].iter().chain(more)
    {
        block.push(0);
        block.extend(literal(name));
        block.extend(literal(value));
    }
    block
}

/// A frame that was read, as it came.
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
}

impl Frame {
    /// Reads a whole frame. Returns `None` where the connection ends before.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let mut bytes = vec![0; HEADER_LEN];
        from.read_exact(&mut bytes).await.ok()?;
        let size = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        bytes.resize(HEADER_LEN + size, 0);
        from.read_exact(&mut bytes[HEADER_LEN..]).await.ok()?;
        Some(Self { bytes })
    }

    /// Returns the frame's type.
    pub(crate) fn kind(&self) -> u8 {
        self.bytes[3]
    }

    /// Returns the id of the frame's stream.
    pub(crate) fn stream(&self) -> u32 {
        u32::from_be_bytes([self.bytes[5], self.bytes[6], self.bytes[7], self.bytes[8]])
    }
}
