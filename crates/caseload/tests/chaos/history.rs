//! What the clients know of each batch, in the end.

use std::{collections::HashMap, sync::Mutex};

#[derive(Debug)]
pub(crate) enum Entry {
    /// The tasks that it was answered with, as [`crate::response::Answer::line`] writes them.
    Acknowledged(Box<str>),
    /// Not sent again before it was acknowledged. It may be there.
    GivenUp,
    /// Not sent again after the one try was refused, with the word that nothing was done.
    Refused,
    /// Sent again and again, in vain.
    Stuck,
}

/// By the batch's key.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<HashMap<Box<str>, Entry>>);

impl Ledger {
    pub(crate) fn enter(&self, key: &str, entry: Entry) {
        let before = self.0.lock().unwrap().insert(key.into(), entry);
        assert!(before.is_none(), "two batches have the key {key}");
    }

    pub(crate) fn close(&self) -> HashMap<Box<str>, Entry> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
