//! An HTTP/2 client that does what the protocol allows, and no client should.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::{Request, StatusCode};
use prost::Message;
use tokio::{sync::watch, time::sleep};

use super::socket::connect;

/// How long a reader of single bytes waits between two of them.
const DRIP: Duration = Duration::from_millis(500);

/// The bytes of a gRPC message before its content: a flag and the length.
const GRPC_PREFIX: usize = 5;

/// An attacker's connection. Its streams end with it.
#[derive(Clone)]
pub(crate) struct Peer {
    requests: SendRequest<Bytes>,
    /// Closed once the connection has ended.
    end: watch::Receiver<()>,
}

/// How a peer takes what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// As it comes.
    All,
    /// Nothing: its receive window is 0.
    Nothing,
    /// One byte each half second.
    Drips,
}

/// A stream on which a message may be sent.
pub(crate) struct Stream {
    pub(crate) response: ResponseFuture,
    pub(crate) body: SendStream<Bytes>,
}

impl Peer {
    /// Opens a connection. Returns `None` if it is refused, or closed before the handshake is
    /// complete.
    pub(crate) async fn connect(from: IpAddr, to: SocketAddr, takes: Takes) -> Option<Self> {
        let stream = connect(from, to).await.ok()?;
        let mut builder = Builder::new();
        match takes {
            Takes::All => builder.initial_window_size(1 << 20),
            Takes::Nothing => builder.initial_window_size(0),
            Takes::Drips => builder.initial_window_size(1),
        };
        builder.max_concurrent_reset_streams(0);
        let (requests, connection) = builder.handshake(stream).await.ok()?;
        let (ended, end) = watch::channel(());
        tokio::spawn(async move {
            let _reason = connection.await;
            drop(ended);
        });
        Some(Self { requests, end })
    }

    /// Waits until the connection has ended.
    pub(crate) async fn closed(mut self) {
        // Nothing is ever sent.
        let _closed = self.end.changed().await;
    }

    /// Opens a stream, once the other end allows another one. Nothing is sent but the head.
    pub(crate) async fn open(&self, head: Request<()>) -> Result<Stream, h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let (response, body) = requests.send_request(head, false)?;
        Ok(Stream { response, body })
    }

    /// Sends a request, and returns the status and the stream of the response.
    pub(crate) async fn send(
        &self,
        head: Request<()>,
        body: Bytes,
    ) -> Result<(StatusCode, RecvStream), h2::Error> {
        let mut stream = self.open(head).await?;
        stream.body.send_data(body, true)?;
        let (head, body) = stream.response.await?.into_parts();
        Ok((head.status, body))
    }

    /// Makes a call, and reads the response to its end.
    pub(crate) async fn call(
        &self,
        head: Request<()>,
        body: Bytes,
    ) -> Result<StatusCode, h2::Error> {
        let (status, mut body) = self.send(head, body).await?;
        while let Some(data) = body.data().await {
            let size = data?.len();
            body.flow_control().release_capacity(size)?;
        }
        Ok(status)
    }

    /// Makes a gRPC call. Returns the response if the call succeeds.
    pub(crate) async fn call_grpc<R: Message + Default>(
        &self,
        head: Request<()>,
        body: Bytes,
    ) -> Option<R> {
        let (_, mut body) = self.send(head, body).await.ok()?;
        let mut frame = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.ok()?;
            body.flow_control().release_capacity(data.len()).ok()?;
            frame.extend_from_slice(&data);
        }
        // A call that fails has its status in the head, or in the trailers.
        let trailers = body.trailers().await.ok()??;
        let is_ok = trailers.get("grpc-status").is_some_and(|status| status == "0");
        if is_ok { R::decode(frame.get(GRPC_PREFIX..)?).ok() } else { None }
    }
}

/// Keeps a response that nobody reads, or of which little is read, until its stream or connection
/// ends.
pub(crate) async fn keep(mut body: RecvStream, takes: Takes) {
    while let Some(Ok(data)) = body.data().await {
        if takes == Takes::Drips {
            sleep(DRIP).await;
            if body.flow_control().release_capacity(data.len().min(1)).is_err() {
                return;
            }
        }
    }
}
