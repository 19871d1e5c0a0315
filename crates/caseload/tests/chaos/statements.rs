//! When the servers sent statements to Postgres, seen from the network between them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

/// What each batch's name begins with.
const PREFIX: &[u8] = b"chaos-";

/// When a statement with each batch was last sent, by the batch's name. Clones share the times.
#[derive(Clone, Default)]
pub(crate) struct SentStatements(Arc<Mutex<HashMap<Box<[u8]>, Instant>>>);

/// Finds the names of batches in what passes on one connection.
pub(crate) struct Observer {
    sent: SentStatements,
    /// The beginning of what may become a name.
    rest: Vec<u8>,
}

impl SentStatements {
    /// Returns an observer for a new connection.
    pub(crate) fn observer(&self) -> Observer {
        Observer { sent: self.clone(), rest: Vec::new() }
    }

    /// Returns when a statement with this batch was last sent.
    pub(crate) fn last(&self, batch: &str) -> Option<Instant> {
        self.0.lock().unwrap().get(batch.as_bytes()).copied()
    }
}

impl Observer {
    /// Takes the next bytes of the connection.
    pub(crate) fn see(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let (names, rest) = names(&self.rest);
        if !names.is_empty() {
            let now = Instant::now();
            let mut sent = self.sent.0.lock().unwrap();
            for name in names {
                sent.insert(name.into(), now);
            }
        }
        self.rest.drain(..rest);
    }
}

/// Returns the names of batches in descriptions (`chaos-1-23` and a space), and where something begins
/// that may become one with the bytes to come.
fn names(bytes: &[u8]) -> (Vec<&[u8]>, usize) {
    let mut names = Vec::new();
    let mut start = 0;
    while let Some(found) = bytes[start..].iter().position(|byte| *byte == PREFIX[0]) {
        start += found;
        let candidate = &bytes[start..];
        if candidate.len() < PREFIX.len() && PREFIX.starts_with(candidate) {
            return (names, start);
        }
        if !candidate.starts_with(PREFIX) {
            start += 1;
            continue;
        }
        let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
        let Some(len) = candidate[PREFIX.len()..].iter().position(|byte| !is_part(byte)) else {
            return (names, start);
        };
        let name = &candidate[..PREFIX.len() + len];
        if candidate[name.len()] == b' ' {
            names.push(name);
        }
        start += name.len();
    }
    (names, bytes.len())
}
