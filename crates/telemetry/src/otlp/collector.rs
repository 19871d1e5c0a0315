//! The collector, and what is sent to it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Request, Uri,
    header::{CONTENT_TYPE, HOST, TE, USER_AGENT},
    uri::Scheme,
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tls::ClientTls;
use tokio::net::TcpStream;

use super::{
    connection::Connection,
    endpoint::{Endpoint, FRAME_HEAD, Protocol},
    reply::{self, Accepted, ExportError},
};

/// A connection that was idle for longer is not used again: what is between may have forgotten it, and tells nobody.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// The largest body of a response that is read, in bytes: it says how many spans were rejected, and why.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

static PROGRAM: HeaderValue =
    HeaderValue::from_static(concat!("caseload/", env!("CARGO_PKG_VERSION")));

/// A collector, to which there is a connection at most.
pub(super) struct Collector {
    endpoint: Endpoint,
    protocol: Protocol,
    headers: HeaderMap,
    /// `None` for plaintext.
    tls: Option<ClientTls>,
    /// The connection, and since when it is idle.
    connection: Option<(Connection, Instant)>,
}

/// Without the headers.
impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("endpoint", &self.endpoint)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl Collector {
    /// Returns a collector, to which each request has these headers.
    pub(super) fn new(
        endpoint: Endpoint,
        protocol: Protocol,
        headers: HeaderMap,
        tls: Option<ClientTls>,
    ) -> Self {
        Self { endpoint, protocol, headers, tls, connection: None }
    }

    /// Sends a message. A future that is dropped leaves no connection behind that has begun with the message.
    ///
    /// # Errors
    /// [`ExportError`].
    pub(super) async fn export(&mut self, message: Bytes) -> Result<Accepted, ExportError> {
        // A connection that was kept may have been closed in the meantime, and nobody has looked.
        if let Some((kept, since)) = self.connection.take()
            && since.elapsed() < LONGEST_IDLE
            && let Some(kept) = kept.ready().await
            && let Ok(result) = self.send(kept, message.clone()).await
        {
            return result;
        }
        let connection = self.connect().await?;
        self.send(connection, message).await?
    }

    /// Sends a message on a connection, and keeps that. Returns what the collector says of it.
    ///
    /// # Errors
    /// If there is no response.
    async fn send(
        &mut self,
        mut connection: Connection,
        message: Bytes,
    ) -> Result<Result<Accepted, ExportError>, ExportError> {
        let request = self.request(message)?;
        let (head, body) = connection.send(request).await.map_err(unreached)?.into_parts();
        let body = Limited::new(body, MAX_RESPONSE_BYTES).collect().await;
        let body = match body {
            Ok(body) => body,
            // It has the message, and would say as much again.
            Err(error) if error.is::<LengthLimitError>() => return Ok(Err(ExportError::Malformed)),
            Err(error) => return Err(ExportError::Unreached(error)),
        };
        self.connection = Some((connection, Instant::now()));
        let trailers = body.trailers().cloned();
        let bytes = body.to_bytes();
        Ok(match self.protocol {
            Protocol::Grpc => reply::of_grpc(head.status, &head.headers, &bytes, trailers.as_ref()),
            Protocol::HttpProtobuf => reply::of_http(head.status, &head.headers, &bytes),
        })
    }

    fn request(&self, message: Bytes) -> Result<Request<Full<Bytes>>, ExportError> {
        let Endpoint { path, is_secure, .. } = &self.endpoint;
        let (content_type, message) = match self.protocol {
            Protocol::Grpc => ("application/grpc", framed(&message)?),
            Protocol::HttpProtobuf => ("application/x-protobuf", message),
        };
        let authority = self.endpoint.authority();
        let uri = match self.protocol {
            Protocol::Grpc => Uri::builder()
                .scheme(if *is_secure { Scheme::HTTPS } else { Scheme::HTTP })
                .authority(authority.as_str())
                .path_and_query(path.clone())
                .build(),
            Protocol::HttpProtobuf => Uri::builder().path_and_query(path.clone()).build(),
        };
        let mut request =
            Request::post(uri.map_err(unreached)?).body(Full::new(message)).map_err(unreached)?;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(USER_AGENT, PROGRAM.clone());
        match self.protocol {
            Protocol::Grpc => {
                headers.insert(TE, HeaderValue::from_static("trailers"));
            }
            Protocol::HttpProtobuf => {
                headers.insert(HOST, HeaderValue::try_from(authority).map_err(unreached)?);
            }
        }
        Ok(request)
    }

    async fn connect(&self) -> Result<Connection, ExportError> {
        let host = self.endpoint.bare_host();
        let stream = TcpStream::connect((host, self.endpoint.port)).await.map_err(unreached)?;
        stream.set_nodelay(true).map_err(unreached)?;
        let protocol = self.protocol;
        let connection = match (&self.tls, protocol) {
            (None, _) => Connection::open(stream, protocol).await,
            (Some(tls), Protocol::Grpc) => {
                let stream = tls.connect(stream, host).await.map_err(unreached)?;
                Connection::open(stream, protocol).await
            }
            (Some(tls), Protocol::HttpProtobuf) => {
                let stream = tls.connect_http1(stream, host).await.map_err(unreached)?;
                Connection::open(stream, protocol).await
            }
        };
        connection.map_err(unreached)
    }
}

/// Returns a message as it is sent in a gRPC call: uncompressed, behind its length.
fn framed(message: &Bytes) -> Result<Bytes, ExportError> {
    let length = u32::try_from(message.len()).map_err(unreached)?;
    let mut frame = BytesMut::with_capacity(FRAME_HEAD + message.len());
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(message);
    Ok(frame.freeze())
}

fn unreached(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ExportError {
    ExportError::Unreached(error.into())
}
