//! Who does what an entry is about.

use std::net::IpAddr;

use crate::KeyId;

/// Who does what an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// A call.
    Call(CallAgent),
    /// A session with the database, as of a command. The database says which role it has, and from where it
    /// comes.
    Session,
}

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallAgent {
    /// The API key of the call.
    pub key: KeyId,
    /// The address of the client, as far as it is known.
    pub address: Option<IpAddr>,
    /// The id of the request, as logs have it.
    pub request_id: String,
}
