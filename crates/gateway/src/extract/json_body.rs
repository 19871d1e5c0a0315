//! The body of a request: its size, its type, its JSON.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use axum::{
    body::Body,
    extract::{FromRef, FromRequest, FromRequestParts as _, Request},
};
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Frame};
use proto::wire::{Reason, limits};
use serde::de::DeserializeOwned;
use serving::{Client, Exhausted, QuotaPermit};
use tokio::time::{timeout, timeout_at};
use utoipa::ToSchema;

use super::{
    Rejection,
    body_memory::BodyMemory,
    deadline::{Deadline, MaxTimeout},
    json_error::JsonError,
    object::Object,
};
use crate::{
    in_flight::Arrival,
    openapi::{Draft, Input},
};

/// How long a part of a body is waited for while more than half of the bodies that may be waited for are.
const PART_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a part of a body is waited for without a permit. So whoever sends a body at once is served,
/// however many others send none.
const GRACE: Duration = Duration::from_millis(100);

/// A body of the documented API.
pub(crate) trait RequestBody: DeserializeOwned + ToSchema {
    /// Returns the memory that the lists in the body take beside their texts, in bytes. With many
    /// nearly empty items that is more than ten times the size of the JSON.
    fn list_bytes(&self) -> usize;
}

/// A body that is a JSON object.
///
/// It is rejected if, in this order, it is not declared as JSON (415), exceeds 1 MiB (413), finds
/// no memory left (503), is incomplete, has more than 10,000 items in its
/// arrays, is not JSON, or is not of the documented shape (400).
/// Reading ends at the deadline of the call (504), or when too many bodies are waited for (503). Once the
/// body was read, the request is in flight, unless too many are (503).
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
        let arrival = Arrival::of(&parts.extensions);
        let reading = collect(&parts.headers, body, permit, arrival.as_ref());
        let (bytes, mut permit) =
            timeout_at(deadline, reading).await.map_err(|_| Rejection::DeadlineExceeded)??;
        if let Some(arrival) = arrival {
            arrival.begin().map_err(Rejection::NotBegun)?;
        }
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
    arrival: Option<&Arrival>,
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
    let mut waiting = None;
    while let Some(frame) = next_frame(&mut body, arrival, &mut waiting).await? {
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

/// Returns the next frame. If it is not there yet, it is waited for within the limits, and `waiting` gets
/// the permit.
async fn next_frame(
    body: &mut Body,
    arrival: Option<&Arrival>,
    waiting: &mut Option<QuotaPermit>,
) -> Result<Option<Result<Frame<Bytes>, axum::Error>>, Rejection> {
    let Some(arrival) = arrival else { return Ok(body.frame().await) };
    let mut frame = pin!(body.frame());
    if let Poll::Ready(frame) = poll_fn(|cx| Poll::Ready(frame.as_mut().poll(cx))).await {
        return Ok(frame);
    }
    if waiting.is_none() {
        match arrival.wait() {
            Ok(permit) => *waiting = Some(permit),
            Err(exhausted) => {
                let frame = timeout(GRACE, frame).await;
                return frame.map_err(|_| Rejection::NotBegun(exhausted));
            }
        }
    }
    loop {
        match timeout(PART_TIMEOUT, frame.as_mut()).await {
            Ok(frame) => return Ok(frame),
            Err(_) if arrival.is_scarce() => return Err(Rejection::NotBegun(Exhausted::Total)),
            Err(_) => {}
        }
    }
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

impl<T: RequestBody> Input for JsonBody<T> {
    fn describe(draft: &mut Draft) {
        draft.body::<T>();
        draft.reasons(&[
            Reason::UnsupportedMediaType,
            Reason::BodyTooLarge,
            Reason::BodyIncomplete,
            Reason::InvalidJson,
        ]);
    }
}
