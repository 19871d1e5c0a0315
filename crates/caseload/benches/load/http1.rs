//! HTTP/1.1 responses, read with as little processor time as possible.

use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// Opens a connection.
pub(crate) async fn connect(addr: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Returns the status and the body of the next response.
pub(crate) async fn read_response<'a>(
    stream: &mut TcpStream,
    buffer: &'a mut Vec<u8>,
) -> (&'a [u8], &'a [u8]) {
    buffer.clear();
    let mut head_end = None;
    loop {
        assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "the gateway closed the connection");
        if head_end.is_none() {
            head_end = buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        }
        if let Some(head_end) = head_end
            && buffer.len() >= head_end + content_length(&buffer[..head_end])
        {
            return (&buffer[9..12], &buffer[head_end..]);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).unwrap();
    let value = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
    value.expect("a content-length").parse().unwrap()
}
