//! What every case of a run shares: how long it attacks, from where, and with which random numbers.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use crate::{guardian::Guardian, random::Random};

/// The setting of one case.
#[derive(Clone)]
pub(crate) struct Stage {
    /// How long the attack lasts.
    pub(crate) attack: Duration,
    /// Whether this is the full form, with every variant of an attack.
    pub(crate) is_full: bool,
    /// The address that attackers connect from. Honest callers use 127.0.0.1.
    pub(crate) attacker: IpAddr,
    pub(crate) seed: u64,
    /// Where honest callers run: on a thread of their own, so that attackers don't delay them within
    /// this process.
    pub(crate) honest: Handle,
    pub(crate) guardian: Arc<Guardian>,
}

impl Stage {
    /// Returns one of several independent streams of random numbers.
    pub(crate) fn random(&self, stream: u64) -> Random {
        Random::new(self.seed, stream)
    }
}
