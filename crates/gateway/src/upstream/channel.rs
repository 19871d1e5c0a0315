//! The connection to a server, which calls share.

use std::{
    error::Error,
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{
    HeaderValue, Request, Response, Uri,
    header::USER_AGENT,
    uri::{Authority, Scheme},
};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::{
    client::legacy::connect::HttpConnector,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use proto::wire::limits;
use telemetry::Throttle;
use tls::ClientTls;
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tonic::{body::Body, codegen::StdError};
use tower::Service;

use super::{causes::in_full, first_read::FirstRead};

/// How long a call waits for a connection at most, and how long each of a host's addresses is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection takes to be made at most. Calls don't wait for that long, but whoever comes later
/// uses it: a look-up of a name takes seconds where a name server is away, and can't be broken off.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a server may take for the TLS handshake, and to show that it accepts the client.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest interval between two log lines about a server to which there is no secure connection.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How often a connection with calls in flight is tested, and how long the server takes to answer at most.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// The limit for all headers of a response, as HTTP/2 counts them.
const MAX_HEADER_LIST_BYTES: u32 = limits::MAX_STATUS_BYTES as u32;

static PROGRAM: HeaderValue =
    HeaderValue::from_static(concat!("caseload-gateway/", env!("CARGO_PKG_VERSION")));

/// A connection to a server. It is made when it is first needed, and anew once it has ended. Clones share
/// it.
///
/// tonic's own channel passes each call on to a task, which passes it on to the connection, and starts a
/// timer for it. Here, a call goes to the connection.
#[derive(Clone, Debug)]
pub(crate) struct Channel(Arc<Shared>);

/// A response to come.
type ResponseFuture =
    Pin<Box<dyn Future<Output = Result<Response<Incoming>, StdError>> + Send + 'static>>;

#[derive(Debug)]
struct Shared {
    uri: Uri,
    origin: Option<(Scheme, Authority)>,
    /// `None` for plaintext.
    tls: Option<ClientTls>,
    state: Mutex<State>,
    insecure: Throttle,
}

#[derive(Debug)]
enum State {
    /// There is no connection.
    Idle,
    /// One is being made. All that wait for it get what comes of it, if it comes in time.
    Connecting(watch::Receiver<Option<Connected>>),
    Open(SendRequest<Body>),
}

type Connected = Result<SendRequest<Body>, Unreachable>;

/// No connection could be made.
#[derive(Clone, Debug)]
pub(super) struct Unreachable(Arc<StdError>);

impl Error for Unreachable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.0)
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection to the server could be made")
    }
}

/// One side of a connection does not accept the other.
#[derive(Debug, thiserror::Error)]
#[error("no secure connection to the server could be made")]
struct Insecure(#[source] StdError);

impl Channel {
    /// Returns a channel to the server at an address, of which scheme, host and port count. Connections to
    /// one with `https` are secured.
    pub(crate) fn new(uri: Uri, tls: Option<ClientTls>) -> Self {
        let origin = uri.scheme().cloned().zip(uri.authority().cloned());
        let tls = tls.filter(|_| uri.scheme() == Some(&Scheme::HTTPS));
        let state = Mutex::new(State::Idle);
        let insecure = Throttle::new(LOG_INTERVAL);
        Self(Arc::new(Shared { uri, origin, tls, state, insecure }))
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = StdError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        // A call waits for the connection itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        self.0.address(&mut request);
        match self.0.connection() {
            Ok(connection) => Box::pin(send(connection, request)),
            Err(connected) => {
                Box::pin(async move { send(await_connection(connected).await?, request).await })
            }
        }
    }
}

impl Shared {
    /// Completes the URI of a request, which has a path only, and names the program.
    fn address(&self, request: &mut Request<Body>) {
        if let Some((scheme, authority)) = &self.origin {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.scheme = Some(scheme.clone());
            parts.authority = Some(authority.clone());
            // A path is all that a request of tonic's lacks.
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        }
        request.headers_mut().insert(USER_AGENT, PROGRAM.clone());
    }

    /// Returns the connection, or what it takes to wait for one, which is then being made. Must be called on
    /// a runtime.
    fn connection(
        self: &Arc<Self>,
    ) -> Result<SendRequest<Body>, watch::Receiver<Option<Connected>>> {
        let mut state = self.lock();
        match &*state {
            State::Open(connection) if !connection.is_closed() => return Ok(connection.clone()),
            // Nobody makes a connection whose maker is gone.
            State::Connecting(connected) if connected.has_changed().is_ok() => {
                return Err(connected.clone());
            }
            State::Idle | State::Connecting(_) | State::Open(_) => {}
        }
        let (sender, connected) = watch::channel(None);
        *state = State::Connecting(connected.clone());
        drop(state);
        // A task of its own: the caller may leave before there is a connection.
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let result = shared.connect().await;
            *shared.lock() = match &result {
                Ok(connection) => State::Open(connection.clone()),
                Err(error) => {
                    shared.log_failure(&**error);
                    State::Idle
                }
            };
            // It may have ended before it was stored.
            shared.forget_ended();
            sender.send_replace(Some(result.map_err(|error| Unreachable(Arc::new(error)))));
        });
        Err(connected)
    }

    /// Makes a connection, which lasts as long as somebody may send requests.
    async fn connect(self: &Arc<Self>) -> Result<SendRequest<Body>, StdError> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        // Of each of a host's addresses, if it has several.
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let stream = timeout(ATTEMPT_TIMEOUT, connector.call(self.uri.clone())).await??;
        match &self.tls {
            Some(tls) => {
                let host = self.uri.host().unwrap_or_default();
                let secured = secure(tls, stream.into_inner(), host, Arc::downgrade(self));
                timeout(HANDSHAKE_TIMEOUT, secured).await?
            }
            None => {
                let (requests, connection) = http2().handshake(stream).await?;
                tokio::spawn(watch_end(Arc::downgrade(self), connection));
                Ok(requests)
            }
        }
    }

    /// Lets go of a connection that has ended: see [`send`].
    fn forget_ended(&self) {
        let mut state = self.lock();
        if matches!(&*state, State::Open(connection) if connection.is_closed()) {
            let ended = mem::replace(&mut *state, State::Idle);
            drop(state);
            // With the last sender go the requests that were not sent, and their callers are told.
            drop(ended);
        }
    }

    /// A certificate that is not accepted needs somebody who replaces it; servers that can't be reached are
    /// found by health checks.
    fn log_failure(&self, error: &(dyn Error + 'static)) {
        let upstream = &self.uri;
        let is_logged = error.is::<Insecure>();
        match is_logged.then(|| self.insecure.allow(Instant::now())).flatten() {
            Some(suppressed) => {
                let error = in_full(error);
                tracing::warn!(%upstream, error, suppressed, "no secure connection to a server");
            }
            None => tracing::debug!(%upstream, error, "no connection to a server"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a request, and waits for the response, without keeping a sender of the connection.
///
/// hyper passes requests to a connection over a channel of tokio's. When the connection ends, hyper drops the channel's
/// receiver, and with it the requests that are in the channel, so that their calls fail. A request that is put into it
/// at that very moment stays there until the last sender is dropped (<https://github.com/tokio-rs/tokio/issues/7714>).
/// If its own call kept one, the call would hang until its deadline.
async fn send(
    mut connection: SendRequest<Body>,
    request: Request<Body>,
) -> Result<Response<Incoming>, StdError> {
    let response = connection.send_request(request);
    drop(connection);
    Ok(response.await?)
}

async fn await_connection(mut connected: watch::Receiver<Option<Connected>>) -> Connected {
    let unreachable = |error: StdError| Err(Unreachable(Arc::new(error)));
    match timeout(CONNECT_TIMEOUT, connected.wait_for(Option::is_some)).await {
        Ok(Ok(connected)) => connected
            .clone()
            .unwrap_or_else(|| unreachable("there is none, and nobody makes one".into())),
        Ok(Err(gone)) => unreachable(gone.into()),
        Err(elapsed) => unreachable(elapsed.into()),
    }
}

/// Returns what begins HTTP/2 on connections.
fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_header_list_size(MAX_HEADER_LIST_BYTES);
    builder
}

/// Makes a connection over TLS on which the server has sent something: it accepts the client. No call is
/// begun before, as it would be unknown whether it has an effect.
async fn secure(
    tls: &ClientTls,
    stream: TcpStream,
    host: &str,
    shared: Weak<Shared>,
) -> Result<SendRequest<Body>, StdError> {
    let stream =
        tls.connect(stream, host).await.map_err(|error| match ClientTls::cause(&error) {
            Some(_) => Insecure(error.into()).into(),
            None => StdError::from(error),
        })?;
    let (stream, is_read) = FirstRead::new(stream);
    let (requests, connection) = http2().handshake(TokioIo::new(stream)).await?;
    let mut connection = Box::pin(connection);
    tokio::select! {
        biased;
        Ok(()) = is_read => {}
        ended = connection.as_mut() => {
            return Err(match ended {
                // The type of the cause is lost in HTTP/2; an alert is what TLS ends a connection with.
                Err(error) if in_full(&error).contains("alert") => Insecure(error.into()).into(),
                Err(error) => error.into(),
                Ok(()) => "the server closed the connection".into(),
            });
        }
    }
    tokio::spawn(watch_end(shared, connection));
    Ok(requests)
}

/// Drives a connection until it ends.
async fn watch_end(
    shared: Weak<Shared>,
    connection: impl Future<Output = Result<(), hyper::Error>>,
) {
    if let Err(error) = connection.await {
        tracing::debug!(
            error = &error as &(dyn Error + 'static),
            "a connection to a server failed"
        );
    }
    if let Some(shared) = shared.upgrade() {
        shared.forget_ended();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use tokio::{
        io::{AsyncRead, AsyncWrite},
        net::TcpListener,
    };
    use tonic::codegen::Bytes;

    use super::*;

    async fn get(channel: &Channel) -> Result<Response<Incoming>, StdError> {
        let request = Request::builder().uri("/path").body(Body::empty()).unwrap();
        channel.clone().call(request).await
    }

    /// Serves one request on the next connection. Returns what it was.
    async fn serve_once(listener: &TcpListener) -> Request<h2::RecvStream> {
        serve(listener.accept().await.unwrap().0).await
    }

    /// Serves one request on a connection. Returns what it was.
    async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin) -> Request<h2::RecvStream> {
        let mut connection =
            h2::server::Builder::new().handshake::<_, Bytes>(stream).await.unwrap();
        let (request, mut response) = connection.accept().await.unwrap().unwrap();
        response.send_response(Response::new(()), true).unwrap();
        connection.graceful_shutdown();
        while let Some(Ok(_)) = connection.accept().await {}
        request
    }

    #[tokio::test]
    async fn a_connection_is_made_when_it_is_needed_and_again_once_it_has_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let channel = Channel::new(format!("http://{addr}/").parse().unwrap(), None);
        for _ in 0..2 {
            let (response, request) = tokio::join!(get(&channel), serve_once(&listener));
            assert_eq!(response.unwrap().status(), 200);
            assert_eq!(request.uri().to_string(), format!("http://{addr}/path"));
            assert_eq!(request.headers()["user-agent"], &PROGRAM);
        }
    }

    #[tokio::test]
    async fn calls_that_wait_for_a_connection_share_what_comes_of_it() {
        let channel = Channel::new("http://127.0.0.1:1".parse().unwrap(), None);
        let shared = |channel: &Channel| match channel.0.connection() {
            Ok(_) => panic!("nobody listens there"),
            Err(connected) => connected,
        };
        let (first, second) = (shared(&channel), shared(&channel));
        assert!(first.same_channel(&second));
        assert!(await_connection(first).await.is_err() && await_connection(second).await.is_err());

        // The next call tries again.
        let error = get(&channel).await.unwrap_err();
        assert!(error.is::<Unreachable>(), "{error:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_no_longer_than_a_second_and_a_later_one_uses_what_came_of_it() {
        let channel = Channel::new("http://127.0.0.1:1".parse().unwrap(), None);
        let (sender, connected) = watch::channel(None);
        *channel.0.lock() = State::Connecting(connected);
        let begun = tokio::time::Instant::now();
        assert!(get(&channel).await.unwrap_err().is::<Unreachable>());
        assert_eq!(begun.elapsed().as_secs(), 1);

        let came = Unreachable(Arc::new("the name is unknown".into()));
        let late = async { sender.send_replace(Some(Err(came))) };
        let (error, _) = tokio::join!(get(&channel), late);
        assert_eq!(error.unwrap_err().source().unwrap().to_string(), "the name is unknown");
    }

    /// A call with a sender would keep the channel to its connection open: see [`send`].
    #[tokio::test]
    async fn a_call_in_flight_keeps_no_sender_and_is_answered() {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (requests, mut connection) = http2().handshake(TokioIo::new(near)).await.unwrap();
        let request = Request::builder().uri("http://host/path").body(Body::empty()).unwrap();
        let mut call = pin!(send(requests, request));
        let is_pending = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
        assert!(is_pending);
        // This ends once nobody can send anything more.
        timeout(Duration::from_secs(30), &mut connection).await.unwrap().unwrap();
        let (response, _request) = tokio::join!(call, serve(far));
        assert_eq!(response.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_connection_that_has_ended_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let channel = Channel::new(format!("http://{addr}").parse().unwrap(), None);
        let (response, _request) = tokio::join!(get(&channel), serve_once(&listener));
        drop(response.unwrap());
        let is_idle = async {
            while !matches!(*channel.0.lock(), State::Idle) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), is_idle).await.expect("no connection is kept");
    }

    #[tokio::test]
    async fn a_connection_is_made_even_if_its_caller_leaves() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let channel = Channel::new(format!("http://{addr}").parse().unwrap(), None);
        drop(get(&channel));
        let (response, _request) = tokio::join!(get(&channel), serve_once(&listener));
        assert_eq!(response.unwrap().status(), 200);
    }
}
