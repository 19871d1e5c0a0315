//! What attackers do on the wire.

pub(crate) mod bomb;
pub(crate) mod effect;
pub(crate) mod http2;
pub(crate) mod message;
pub(crate) mod socket;
pub(crate) mod swarm;
