//! Handles one connection from its first byte to its last.

use std::{convert::Infallible, error::Error, net::SocketAddr, pin::pin, sync::Arc};

use http::{HeaderValue, Request, Response, header::CONNECTION};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use crate::{
    activity::Activity,
    body::ResponseBody,
    lifetime::{Lifetime, Step},
    limits::Limits,
    stream::ObservedStream,
};

/// Serves the connections of one endpoint.
pub(crate) struct ConnectionHandler<S> {
    pub(crate) builder: Builder<TokioExecutor>,
    pub(crate) service: S,
    pub(crate) limits: Limits,
}

impl<S> ConnectionHandler<S> {
    /// Serves a connection until it is closed. Once `shutdown` is cancelled, it accepts no more
    /// requests, and the connection is closed after the running ones.
    pub(crate) async fn serve<I, B>(&self, stream: I, peer: SocketAddr, shutdown: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    {
        let activity = Arc::new(Activity::new());
        let service = service_fn(|request: Request<Incoming>| {
            let mut running = Activity::start_request(&activity, request.version());
            let response = self.service.clone().oneshot(request);
            async move {
                let mut response = response.await?;
                if running.start_response() {
                    // hyper closes the connection after a response with this header. A graceful
                    // shutdown would come too late for responses that are ready at once.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| ResponseBody::new(body, running)))
            }
        });
        let io = TokioIo::new(ObservedStream::new(stream, Arc::clone(&activity)));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let mut lifetime = Lifetime::new(&self.limits);
        let mut is_shutting_down = false;
        loop {
            tokio::select! {
                // Bytes that have arrived are read before a timeout is found to have passed.
                biased;
                closed = connection.as_mut() => {
                    if let Err(error) = closed {
                        tracing::debug!(%peer, %error, "connection failed");
                    }
                    return;
                }
                () = shutdown.cancelled(), if !is_shutting_down => {
                    is_shutting_down = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(lifetime.next_step_at()) => match lifetime.step(&activity) {
                    Step::Wait => {}
                    Step::ShutDown(limit) => {
                        tracing::debug!(%peer, ?limit, "shutting connection down");
                        connection.as_mut().graceful_shutdown();
                    }
                    Step::Close(limit) => {
                        tracing::debug!(%peer, ?limit, "closing connection");
                        return;
                    }
                }
            }
        }
    }
}
