//! Where a call comes from.

use std::net::IpAddr;

use domain::{Agent, CallAgent, KeyId};
use http::Extensions;
use serving::Client;

/// Where a call comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The client.
    pub(crate) client: Client,
    /// The id of the request, as logs have it.
    pub(crate) request_id: String,
}

impl Origin {
    /// Returns the origin of a request with these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let request_id = telemetry::request_id::of(extensions).to_owned();
        Self { client: Client::of(extensions), request_id }
    }

    /// Returns who makes a call from here with this key.
    pub(crate) fn agent(&self, key: KeyId) -> Agent {
        Agent::Call(self.call_agent(key))
    }

    /// Returns the same, for what only a call can do.
    pub(crate) fn call_agent(&self, key: KeyId) -> CallAgent {
        let request_id = self.request_id.clone();
        CallAgent { key, address: self.client.address(), request_id }
    }

    /// Returns what the client's address counts as.
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.client.network()
    }
}
