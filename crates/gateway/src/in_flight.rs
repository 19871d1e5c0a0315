//! Limits how many requests are in flight at once, how many bodies are waited for, and what responses
//! hold.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{Extensions, Method};
use serving::{Client, Exhausted, LateMetrics, Quota, QuotaPermit, Resource, hold_until_sent};

use crate::extract::{BodyMemory, Rejection};

/// The requests that may be in flight at once. A request is in flight from the last byte of its body
/// until its response was sent. As many bodies may be waited for meanwhile, and as many may be discarded:
/// a client that does not send its bodies takes no place of others' work. Clones share the limits.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    working: Arc<Quota>,
    unfinished: Arc<Quota>,
    discarded: Arc<Quota>,
}

/// Marks the response to a request that was not begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotBegun;

impl InFlight {
    /// Returns limits of `max` requests each, of which one client address may make `share_percent`.
    pub(crate) fn new(max: usize, share_percent: u8) -> Self {
        let quota = |resource| Quota::new(resource, max, share_percent);
        Self {
            working: quota(Resource::Requests),
            unfinished: quota(Resource::UnfinishedBodies),
            discarded: quota(Resource::DiscardedBodies),
        }
    }

    /// Returns the quota of requests in flight.
    pub(crate) fn working(&self) -> &Arc<Quota> {
        &self.working
    }

    /// Adapts the limit of requests in flight for as long as the future lives, so that the gateway is late by `most`
    /// at most.
    pub(crate) fn adapt(
        &self,
        most: Duration,
        late: LateMetrics,
    ) -> impl Future<Output = ()> + Send + use<> {
        let working = Arc::clone(&self.working);
        let used = Arc::clone(&working);
        let set = move |limit| working.set_limit(limit);
        serving::adapt(used.total(), (most, late), move || used.used(), set)
    }

    /// Returns whether more than half of the requests are in flight.
    pub(crate) fn is_scarce(&self) -> bool {
        self.working.is_scarce()
    }

    /// Returns the permit to discard a body of this client; `None` if too many are being discarded.
    pub(crate) fn discard(&self, client: &Client) -> Option<QuotaPermit> {
        let mut permit = self.discarded.permit(client);
        permit.grow(1).is_ok().then_some(permit)
    }
}

/// Begins a request, or rejects it if there are too many. One whose body is to come begins once it has
/// arrived; see [`Arrival`].
pub(crate) async fn admit(
    State(in_flight): State<InFlight>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = Client::of(request.extensions());
    let arrival = Arrival { in_flight, client, permit: Arc::default() };
    let admitted = match awaits_body(&request) {
        true => arrival.check(),
        false => arrival.begin(),
    };
    if let Err(exhausted) = admitted {
        return Rejection::NotBegun(exhausted).into_response();
    }
    request.extensions_mut().insert(arrival.clone());
    let mut response = next.run(request).await;
    let permit = arrival.take();
    debug_assert!(
        permit.is_some() || !response.status().is_success(),
        "a handler without JsonBody and IgnoredBody"
    );
    if let Some(permit) = permit {
        hold_until_sent(&mut response, permit);
    }
    response
}

/// Returns whether a request has a body to wait for. That of a GET, if it has one, is ignored.
fn awaits_body(request: &Request) -> bool {
    let is_get = [Method::GET, Method::HEAD].contains(request.method());
    !is_get && !request.body().is_end_stream()
}

/// A request that begins once its body has arrived. Clones are of the same request.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    in_flight: InFlight,
    client: Client,
    permit: Arc<Mutex<Option<QuotaPermit>>>,
}

impl Arrival {
    /// Returns that of a request with these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().cloned()
    }

    /// Returns the permit to wait for the body.
    ///
    /// # Errors
    /// Too many bodies are waited for.
    pub(crate) fn wait(&self) -> Result<QuotaPermit, Exhausted> {
        let mut permit = self.in_flight.unfinished.permit(&self.client);
        permit.grow(1).map(|()| permit)
    }

    /// Returns whether more than half of the bodies that may be waited for are.
    pub(crate) fn is_scarce(&self) -> bool {
        self.in_flight.unfinished.is_scarce()
    }

    /// Begins the request, if it has not begun: from now on it is in flight.
    ///
    /// # Errors
    /// Too many are.
    pub(crate) fn begin(&self) -> Result<(), Exhausted> {
        let mut held = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Some(self.permit()?);
        }
        Ok(())
    }

    /// Checks whether the request could begin now.
    fn check(&self) -> Result<(), Exhausted> {
        self.permit().map(drop)
    }

    fn permit(&self) -> Result<QuotaPermit, Exhausted> {
        let mut permit = self.in_flight.working.permit(&self.client);
        permit.grow(1).map(|()| permit)
    }

    fn take(&self) -> Option<QuotaPermit> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Marks a response whose body takes no memory of its own, as it is the same each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedBody;

/// Takes the memory for a response. It is returned once the response was sent.
pub(crate) fn hold_memory(response: &mut Response, memory: &BodyMemory, client: &Client) {
    if response.extensions_mut().remove::<SharedBody>().is_some() {
        return;
    }
    let mut permit = memory.permit(client);
    let size = response.body().size_hint().lower();
    permit.overdraw(usize::try_from(size).unwrap_or(usize::MAX));
    hold_until_sent(response, permit);
}
