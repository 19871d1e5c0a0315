//! Limits the calls that wait until their API keys have been looked up.
//!
//! Nobody knows yet whose they are, so no tenant pays for them. Callers with the same key share one
//! look-up, so the limit of look-ups does not limit them.

use std::{net::IpAddr, sync::Arc};

use domain::Error;
use serving::{Client, ConnectionId, Exhausted, Quota, QuotaPermit, Resource};

use crate::{
    audit::Origin,
    shares::{Share, Shares},
};

/// A call whose key is to be looked up.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    /// Who makes it, as far as that is known by the address.
    pub(crate) client: &'a Client,
    /// The client's address, if it may decide whether the key is accepted.
    pub(crate) certain_address: Option<IpAddr>,
    /// The id of the request, as logs have it.
    pub(crate) request_id: &'a str,
    /// The connection that it came on.
    pub(crate) connection: ConnectionId,
    /// The memory that it takes.
    pub(crate) bytes: usize,
}

impl Arrival<'_> {
    /// Returns where the call comes from.
    pub(super) fn origin(&self) -> Origin {
        Origin { client: self.client.clone(), request_id: self.request_id.to_owned() }
    }
}

/// What the calls that wait may take. Calls with keys that were found in the last hour have as much for
/// themselves, so those with made-up keys don't displace them. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct WaitingCalls {
    strangers: Room,
    known: Room,
}

#[derive(Clone, Debug)]
struct Room {
    connections: Arc<Shares<ConnectionId>>,
    memory: Arc<Quota>,
}

/// What a call that waits has taken. It is returned on drop.
#[derive(Debug)]
pub(super) struct WaitingPermit {
    _call: Share<ConnectionId>,
    _memory: QuotaPermit,
}

impl WaitingCalls {
    /// Creates limits for the calls of each connection, and for the memory of all of them in bytes, of
    /// which a client address may take `share_percent`.
    pub(crate) fn new(per_connection: usize, memory: usize, share_percent: u8) -> Self {
        let room = || Room {
            connections: Shares::new(per_connection),
            memory: Quota::new(Resource::WaitingCalls, memory, share_percent),
        };
        Self { strangers: room(), known: room() }
    }

    /// Lets a call wait.
    ///
    /// # Errors
    /// [`Error::Overloaded`] if too many wait, in all or on the call's connection;
    /// [`Error::AddressOverloaded`] if its client's address has its share.
    pub(super) fn admit(
        &self,
        arrival: &Arrival<'_>,
        is_known: bool,
    ) -> Result<WaitingPermit, Error> {
        let Room { connections, memory } = if is_known { &self.known } else { &self.strangers };
        let call = connections.take(arrival.connection).ok_or(Error::Overloaded)?;
        // A share of an address is for strangers: those with known keys may all come from one gateway.
        let nobody = Client::default();
        let mut memory = memory.permit(if is_known { &nobody } else { arrival.client });
        match memory.grow(arrival.bytes) {
            Ok(()) => Ok(WaitingPermit { _call: call, _memory: memory }),
            Err(Exhausted::Total) => Err(Error::Overloaded),
            Err(Exhausted::Address) => Err(Error::AddressOverloaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_admitted(result: &Result<WaitingPermit, Error>) -> bool {
        match result {
            Ok(_) => true,
            Err(error) => {
                assert!(matches!(error, Error::Overloaded), "{error:?}");
                false
            }
        }
    }

    #[test]
    fn a_connection_and_all_of_them_have_a_limit_and_known_keys_one_of_their_own() {
        let client = Client::default();
        let arrival = |bytes| Arrival {
            client: &client,
            certain_address: None,
            request_id: "r-1",
            connection: ConnectionId::default(),
            bytes,
        };
        let waiting = WaitingCalls::new(2, 100, 100);
        let first = waiting.admit(&arrival(60), false);
        assert!(is_admitted(&first));
        assert!(!is_admitted(&waiting.admit(&arrival(41), false)), "the memory");
        let second = waiting.admit(&arrival(40), false);
        assert!(is_admitted(&second));
        assert!(is_admitted(&waiting.admit(&arrival(100), true)));
        drop(first);
        let third = waiting.admit(&arrival(1), false);
        assert!(is_admitted(&third));
        assert!(!is_admitted(&waiting.admit(&arrival(1), false)), "the connection");
        drop((second, third));
        assert!(is_admitted(&waiting.admit(&arrival(100), false)));
    }
}
