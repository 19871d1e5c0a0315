//! What the admin port serves: metrics, probes, the version, and the log level.
//!
//! It is for those who run the service. Nobody is asked for a key, so it must not be reachable for
//! others. Whatever is asked for here is bounded: it may not take from callers what they need.

mod log_level;
mod origin;
mod problem;

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use crate::{
    layers::RequestLayers,
    metrics::{Build, MEDIA_TYPE, Metrics},
};
use problem::Problem;

/// How long a request may take, until its response is ready.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest body of a request, in bytes: a filter of logs is a line.
const BODY_BYTES: usize = 4096;

/// After metrics were written, no others are for so many times as long: whoever asks for them again and
/// again gets a tenth of a processor.
const SCRAPE_PAUSE: u32 = 9;

/// The longest pause, where writing them took long because the machine had other things to do.
const MAX_SCRAPE_PAUSE: Duration = Duration::from_secs(1);

/// Tells whether a part of the process can do its work.
type Probe = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// What the admin port of a process serves.
pub struct Admin {
    metrics: Metrics,
    probes: Vec<Probe>,
    scrapes: Arc<Semaphore>,
}

impl Admin {
    /// Returns an admin port that shows these metrics. The process is ready, as nothing says that it is
    /// not.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let scrapes = Arc::new(Semaphore::new(1));
        Self { metrics: metrics.clone(), probes: Vec::new(), scrapes }
    }

    /// Adds a condition: the process is ready only while this returns true.
    #[must_use]
    pub fn ready_if<F>(mut self, is_ready: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        self.probes.push(Box::new(move || Box::pin(is_ready())));
        self
    }

    /// Returns the service.
    pub fn router(self) -> Router {
        let level = get(log_level::get).put(log_level::put).delete(log_level::delete);
        Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(async || Json(Status { status: "live" })))
            .route("/readyz", get(readyz))
            .route("/version", get(version))
            .route("/log-level", level)
            .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
            .method_not_allowed_fallback(async || {
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
            })
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .layer(middleware::from_fn(complete))
            .layer(RequestLayers)
            .with_state(Arc::new(self))
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

/// Rejects what a page in a browser sends, ends requests that take too long, and keeps caches from
/// responses.
async fn complete(request: Request, next: Next) -> Response {
    let mut response = match origin::check(request.uri(), request.headers()) {
        Err(problem) => problem.into_response(),
        Ok(()) => timeout(TIMEOUT, next.run(request)).await.unwrap_or_else(|_elapsed| {
            let detail = "the request took too long";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
        }),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Writes the metrics: one request at a time, on a thread that serves no calls.
async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let Ok(permit) = Arc::clone(&admin.scrapes).acquire_owned().await else {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the process ends").into_response();
    };
    let begun = Instant::now();
    let text = spawn_blocking(move || {
        // The permit is held meanwhile, also if nobody waits for the metrics any more.
        (admin.metrics.encode(), permit)
    })
    .await;
    match text {
        Ok((text, permit)) => {
            let pause = (begun.elapsed() * SCRAPE_PAUSE).min(MAX_SCRAPE_PAUSE);
            tokio::spawn(async move {
                sleep(pause).await;
                drop(permit);
            });
            match text {
                Ok(text) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
                Err(error) => failed(&error),
            }
        }
        Err(panic) => failed(&panic),
    }
}

fn failed(error: &dyn fmt::Display) -> Response {
    tracing::error!(%error, "failed to write metrics");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed to write metrics").into_response()
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    for is_ready in &admin.probes {
        if !is_ready().await {
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the process is not ready")
                .into_response();
        }
    }
    Json(Status { status: "ready" }).into_response()
}

async fn version(State(admin): State<Arc<Admin>>) -> Json<Build> {
    Json(admin.metrics.build())
}
