//! Reads a file on a thread of its own: it may be a pipe that blocks.

use std::{io, thread};

use tokio::sync::mpsc;

use super::{kind::Kind, records::Records, window::Window};
use crate::client::error::ClientError;

/// A window, or why there is none.
pub(super) type Item<T> = Result<Window<T>, ClientError>;

/// The windows of a file. An error is the last one.
pub(super) struct Windows<T> {
    receiver: mpsc::Receiver<Item<T>>,
}

impl<T: Send + 'static> Windows<T> {
    /// Starts to read a file, a few windows ahead of what is received. Keeps records as the file has
    /// them, if `keeps_raw`.
    ///
    /// # Errors
    /// If the system can't start another thread.
    pub(super) fn start<K: Kind<Item = T>>(records: Records, keeps_raw: bool) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(2);
        thread::Builder::new().name("reader".to_owned()).spawn(move || {
            // The receiver is gone when the import ends early.
            read::<K>(records, keeps_raw, |window| sender.blocking_send(window).is_ok());
        })?;
        Ok(Self { receiver })
    }

    /// Returns the windows that a channel passes on.
    pub(super) fn from_channel(receiver: mpsc::Receiver<Item<T>>) -> Self {
        Self { receiver }
    }

    /// Returns the next window; `None` at the end. Loses none if it is not awaited to its end.
    pub(super) async fn next(&mut self) -> Option<Item<T>> {
        self.receiver.recv().await
    }
}

/// Reads windows until the end of the file, an error, or until `send` returns false.
fn read<K: Kind>(
    mut records: Records,
    keeps_raw: bool,
    mut send: impl FnMut(Item<K::Item>) -> bool,
) {
    let mut first = 0;
    loop {
        let mut window = Window { first, records: vec![], last_line: 0, bytes: 0 };
        let mut end = None;
        while window.records.len() < K::BATCH && end.is_none() {
            match records.read::<K>() {
                Ok(Some(mut record)) => {
                    if !keeps_raw {
                        record.raw = vec![];
                    }
                    window.records.push(record);
                }
                Ok(None) => end = Some(Ok(())),
                Err(error) => end = Some(Err(error)),
            }
        }
        window.last_line = records.lines().lines();
        window.bytes = records.lines().bytes();
        first += window.records.len() as u64;
        let goes_on = window.records.is_empty() || send(Ok(window));
        match end {
            Some(Err(error)) if goes_on => drop(send(Err(error))),
            None if goes_on => continue,
            _ => {}
        }
        return;
    }
}
