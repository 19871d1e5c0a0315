//! TLS of Caseload's listeners and clients: the files of certificates, which are read again when they change,
//! and who is at the other end of a connection.
//!
//! rustls does the work, with *ring* as the one provider of cryptography. TLS 1.2 and 1.3 are spoken.

mod certificate;
mod client;
mod error;
mod hangup;
mod identity;
mod listener;
mod options;
mod pem;
mod probe;
mod provider;
mod reload;

pub use certificate::Validity;
pub use client::{ClientFiles, ClientTls};
pub use error::TlsError;
pub use hangup::reload_on_hangup;
pub use identity::IdentityFiles;
pub use listener::{ListenerTls, peer_name};
pub use options::{ClientAuth, TlsOptions};
pub use probe::Probe;
pub use provider::BUFFER_LIMIT;
