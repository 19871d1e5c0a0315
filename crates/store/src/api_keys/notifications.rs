//! Tells servers of each change of a key, as of a revocation, and of a tenant's hosts.

use std::{io, time::Instant};

use domain::KeyDigest;
use tokio::sync::mpsc;

use crate::{connections::listener::Notification, database::Database};

/// What is notified, by a trigger.
const CHANNEL: &str = "caseload_api_keys";

/// What is notified of a change of hosts. What is notified of one of a key is its digest.
const HOSTS: &str = "hosts";

/// The most changes that wait to be taken.
const WAITING: usize = 256;

/// What has changed of the API keys, and of the hosts on which they are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// The key with this digest was changed or deleted.
    Of(KeyDigest),
    /// The hosts of a tenant were changed, and no key.
    OfHosts,
    /// Any key, and any host, may have been before this time: notifications may have been missed. Changes since
    /// then are told.
    OfAny(Instant),
}

impl Database {
    /// Starts to listen for changes of API keys and hosts that others make, for as long as the receiver and a clone of
    /// this database exist. A change is there within a quarter of a second, as long as the connection for it
    /// is: once there is another one, that is told as [`KeyChange::OfAny`].
    ///
    /// # Errors
    /// If the system can't start another thread.
    pub fn key_changes(&self) -> io::Result<mpsc::Receiver<KeyChange>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.listen(CHANNEL, move |notification| {
            sender.blocking_send(change(notification)).is_ok()
        })?;
        Ok(receiver)
    }
}

fn change(notification: Notification) -> KeyChange {
    let of_any = || KeyChange::OfAny(Instant::now());
    match notification {
        Notification::Payload(payload) if payload == HOSTS => KeyChange::OfHosts,
        Notification::Payload(payload) => payload.parse().map_or_else(|_| of_any(), KeyChange::Of),
        Notification::Gap => of_any(),
    }
}

#[cfg(test)]
mod tests {
    use domain::ApiKey;

    use super::*;

    #[test]
    fn what_is_not_a_digest_may_mean_any_key() {
        let digest = ApiKey::from_random_bytes([7; 32]).digest();
        let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(change(Notification::Payload(hex.clone())), KeyChange::Of(digest));
        for payload in ["", "x", &hex[1..], &format!("{hex}00"), &hex.replace(&hex[..1], "g")] {
            let change = change(Notification::Payload(payload.to_owned()));
            assert!(matches!(change, KeyChange::OfAny(_)), "{payload}");
        }
        let before = Instant::now();
        assert!(matches!(change(Notification::Gap), KeyChange::OfAny(since) if since >= before));
        assert_eq!(change(Notification::Payload("hosts".to_owned())), KeyChange::OfHosts);
    }
}
