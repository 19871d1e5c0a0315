//! One connection, from its first byte to its last.

use std::{convert::Infallible, error::Error, net::SocketAddr, pin::pin, sync::Arc};

use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{net::TcpStream, time::sleep_until};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use crate::{
    Limits,
    activity::{Activity, Observed},
    answer::Answer,
    lifetime::{Lifetime, Step},
};

/// What all connections of a door have in common.
pub(crate) struct Door<S> {
    pub(crate) builder: Builder<TokioExecutor>,
    pub(crate) service: S,
    pub(crate) limits: Limits,
}

impl<S> Door<S> {
    /// Serves a connection to its end.
    pub(crate) async fn serve<B>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        draining: CancellationToken,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    {
        let activity = Arc::new(Activity::new());
        let service = service_fn(|request: Request<Incoming>| {
            let running = Activity::begin(&activity, request.version());
            let answer = self.service.clone().oneshot(request);
            async move { answer.await.map(|it| it.map(|body| Answer::new(body, running))) }
        });
        let io = TokioIo::new(Observed::new(stream, Arc::clone(&activity)));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let mut lifetime = Lifetime::new(&self.limits);
        let mut is_draining = false;
        loop {
            tokio::select! {
                // What has come is read first, before it is found too late.
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "a connection broke");
                    }
                    return;
                }
                () = draining.cancelled(), if !is_draining => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(lifetime.next()) => match lifetime.step(&activity) {
                    Step::Wait => {}
                    Step::Tell(why) => {
                        tracing::debug!(%peer, ?why, "a connection is told to end");
                        connection.as_mut().graceful_shutdown();
                    }
                    Step::Cut(why) => {
                        tracing::debug!(%peer, ?why, "a connection is cut");
                        return;
                    }
                }
            }
        }
    }
}
