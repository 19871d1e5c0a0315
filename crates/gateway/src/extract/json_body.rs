//! The body of a request: its size, its type, its JSON.

use axum::{
    body::Body,
    extract::{FromRef, FromRequest, FromRequestParts as _, Request},
};
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use proto::wire::limits;
use serde::de::DeserializeOwned;
use serving::{Client, QuotaPermit};
use tokio::time::timeout_at;

use super::{
    Rejection,
    body_memory::BodyMemory,
    deadline::{Deadline, MaxTimeout},
    json_error::JsonError,
    object::Object,
};

/// A body of the documented API.
pub(crate) trait RequestBody: DeserializeOwned {
    /// Returns the memory that the lists in the body take beside their texts, in bytes. With many
    /// nearly empty items that is more than ten times the size of the JSON.
    fn list_bytes(&self) -> usize;
}

/// A body that is a JSON object.
///
/// It is rejected if, in this order, it is not declared as JSON (415), exceeds 1 MiB (413), finds
/// no memory left (503), is incomplete, has more than 10,000 items in its
/// arrays, is not JSON, or is not of the documented shape (400).
/// Reading ends at the deadline of the call (504).
#[derive(Debug)]
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    /// The memory that the value takes. It must be held until the call is over.
    pub(crate) permit: QuotaPermit,
}

impl<S, T> FromRequest<S> for JsonBody<T>
where
    S: Send + Sync,
    T: RequestBody,
    BodyMemory: FromRef<S>,
    MaxTimeout: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let (mut parts, body) = request.into_parts();
        let Deadline(deadline) = Deadline::from_request_parts(&mut parts, state).await?;
        let permit = BodyMemory::from_ref(state).permit(&Client::of(&parts.extensions));
        let reading = collect(&parts.headers, body, permit);
        let (bytes, mut permit) =
            timeout_at(deadline, reading).await.map_err(|_| Rejection::DeadlineExceeded)??;
        JsonError::check_items(&bytes).map_err(Rejection::Json)?;
        let Object(value) = serde_json::from_slice::<Object<T>>(&bytes)
            .map_err(|error| Rejection::Json(JsonError::locate::<T>(&bytes, &error)))?;
        permit.grow(value.list_bytes()).map_err(Rejection::Exhausted)?;
        Ok(Self { value, permit })
    }
}

/// Reads a body to its end, with a permit that grows with it.
async fn collect(
    headers: &HeaderMap,
    mut body: Body,
    mut permit: QuotaPermit,
) -> Result<(Vec<u8>, QuotaPermit), Rejection> {
    if !is_json(headers) {
        return Err(Rejection::UnsupportedMediaType);
    }
    if content_length(headers).is_some_and(|length| length > limits::BODY_BYTES) {
        return Err(Rejection::BodyTooLarge);
    }
    // Frames are copied together as they come. Kept apart, a body of tiny frames would take many
    // times its size.
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Rejection::BodyIncomplete)?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limits::BODY_BYTES - bytes.len() {
            return Err(Rejection::BodyTooLarge);
        }
        permit.grow(data.len()).map_err(Rejection::Exhausted)?;
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, permit))
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
