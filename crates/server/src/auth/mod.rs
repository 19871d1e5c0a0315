//! Authentication: which API key a call has, and whom it belongs to.

mod authenticator;
mod credentials;
mod single_flight;

pub(crate) use authenticator::Authenticator;
pub(crate) use credentials::api_key;
