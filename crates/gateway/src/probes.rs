//! The probes of orchestrators and balancers.

use axum::{Json, extract::State};
use runtime::CancellationToken;
use serde_json::{Value, json};

use crate::{
    extract::Rejection,
    upstream::{Client, Transport},
};

/// Reports that the process runs.
pub(crate) async fn livez() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// Reports whether the gateway is ready: a server behind it serves, and it is not about to end.
pub(crate) async fn readyz<T: Transport>(
    State(client): State<Client<T>>,
    State(shutdown): State<CancellationToken>,
) -> Result<Json<Value>, Rejection> {
    if !shutdown.is_cancelled() && client.is_serving().await {
        Ok(Json(json!({"status": "ready"})))
    } else {
        Err(Rejection::NotReady)
    }
}
