//! The probes of orchestrators and balancers.

use axum::{Json, extract::State};
use http::StatusCode;
use proto::wire::Reason;
use runtime::CancellationToken;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    context::Context,
    extract::Rejection,
    openapi::{Route, schema},
    upstream::{Client, Transport},
};

/// That the gateway runs.
#[derive(Serialize, ToSchema)]
struct Liveness {
    /// `live`.
    #[schema(value_type = Live)]
    status: &'static str,
}

/// That the gateway is ready.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// `ready`.
    #[schema(value_type = Ready)]
    status: &'static str,
}

const LIVE: &str = "live";
const READY: &str = "ready";

schema::values! {
    /// The status of a gateway that runs.
    Live = schema::one_of([LIVE]);
    /// The status of a gateway that is ready.
    Ready = schema::one_of([READY]);
}

/// The operations of the OpenAPI document.
struct LivezOperation;
struct ReadyzOperation;

/// Returns the routes of the probes.
pub(crate) fn routes<T: Transport>() -> [Route<Context<T>>; 2] {
    [
        Route::new(LivezOperation, livez).returns::<Liveness>(
            StatusCode::OK,
            "The gateway runs.",
            r#"{"status":"live"}"#,
        ),
        Route::new(ReadyzOperation, readyz::<T>)
            .returns::<Readiness>(StatusCode::OK, "The gateway is ready.", r#"{"status":"ready"}"#)
            .reason(Reason::NotReady),
    ]
}

/// Reports that the gateway runs.
///
/// It says nothing of the servers behind it; `/readyz` does.
#[utoipa::path(
    impl_for = LivezOperation,
    get,
    path = "/livez",
    operation_id = "getLiveness"
)]
async fn livez() -> Json<Liveness> {
    Json(Liveness { status: LIVE })
}

/// Reports whether the gateway is ready.
///
/// It is if a server behind it serves, and it is not about to end.
#[utoipa::path(
    impl_for = ReadyzOperation,
    get,
    path = "/readyz",
    operation_id = "getReadiness"
)]
async fn readyz<T: Transport>(
    State(client): State<Client<T>>,
    State(shutdown): State<CancellationToken>,
) -> Result<Json<Readiness>, Rejection> {
    if !shutdown.is_cancelled() && client.is_serving().await {
        Ok(Json(Readiness { status: READY }))
    } else {
        Err(Rejection::NotReady)
    }
}
