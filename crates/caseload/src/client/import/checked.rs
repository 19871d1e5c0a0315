//! Checks windows before they are submitted: whether they are what an earlier run has imported.

use std::{collections::VecDeque, sync::Arc};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    outcome::Stop,
    reader::{Item, Windows},
    window::Window,
};
use crate::{cli::MAX_CONCURRENCY, client::error::ClientError};

/// Checks windows.
pub(super) trait Check<T>: Send + Sync + 'static {
    /// Returns whether a run before has begun with a window.
    ///
    /// # Errors
    /// If the window is not what was imported, or if a call fails.
    fn is_begun(&self, window: &Window<T>) -> impl Future<Output = Result<bool, Stop>> + Send;
}

/// How many windows are checked ahead of the one that is submitted: as many as a run may have under way.
const AHEAD: usize = MAX_CONCURRENCY;

/// Returns windows of `batch` records once those that follow them are checked, too, also behind the end
/// of the file: if lines were removed, a window may have lines of the next one, which exist. After so
/// many windows with which no run has begun, nothing more is checked, as no run has come further.
pub(super) fn start<T, C>(
    windows: Windows<T>,
    check: Arc<C>,
    batch: usize,
    concurrency: usize,
) -> Windows<T>
where
    T: Send + Sync + 'static,
    C: Check<T>,
{
    let (sender, receiver) = mpsc::channel(1);
    let running = VecDeque::new();
    let checker =
        Checker { windows, check, batch, concurrency, running, not_begun: 0, next: 0, end: None };
    tokio::spawn(async move {
        // The receiver is gone when the import ends early.
        let _gone = checker.run(sender).await;
    });
    Windows::from_channel(receiver)
}

/// A check under way: of which window, and whether a run has begun with it.
type Running<T> = JoinHandle<Result<(Window<T>, bool), Stop>>;

struct Checker<T, C> {
    windows: Windows<T>,
    check: Arc<C>,
    batch: usize,
    concurrency: usize,
    /// The checks under way, in the order of their windows.
    running: VecDeque<Running<T>>,
    /// How many windows with which no run has begun came last.
    not_begun: usize,
    /// The number of the first record of the next window.
    next: u64,
    /// Set at the end of the file, to what is wrong with it there.
    end: Option<Result<(), ClientError>>,
}

impl<T: Send + Sync + 'static, C: Check<T>> Checker<T, C> {
    async fn run(
        mut self,
        sender: mpsc::Sender<Item<T>>,
    ) -> Result<(), mpsc::error::SendError<Item<T>>> {
        let mut checked = VecDeque::new();
        loop {
            match self.next().await {
                // What waits is not submitted.
                Err(error) => return sender.send(Err(error)).await,
                Ok(None) => break,
                Ok(Some(window)) if window.records.is_empty() => {}
                Ok(Some(window)) => checked.push_back(window),
            }
            if checked.len() > AHEAD
                && let Some(window) = checked.pop_front()
            {
                sender.send(Ok(window)).await?;
            }
        }
        for window in checked {
            sender.send(Ok(window)).await?;
        }
        match self.end {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => return sender.send(Err(error)).await,
            None => {}
        }
        while let Some(window) = self.windows.next().await {
            sender.send(window).await?;
        }
        Ok(())
    }

    /// Returns the next window that was checked; `None` once nothing more is checked.
    async fn next(&mut self) -> Result<Option<Window<T>>, ClientError> {
        while self.running.len() < self.concurrency && self.not_begun < AHEAD {
            match self.end {
                Some(Err(_)) => break,
                Some(Ok(())) => self.begin(Window::behind_the_end(self.next)),
                None => match self.windows.next().await {
                    Some(Ok(window)) => self.begin(window),
                    Some(Err(error)) => self.end = Some(Err(error)),
                    None => self.end = Some(Ok(())),
                },
            }
        }
        let Some(check) = self.running.pop_front() else { return Ok(None) };
        let checked = check.await.map_err(|error| ClientError::Io(error.to_string()))?;
        let (window, is_begun) = checked?;
        self.not_begun = if is_begun { 0 } else { self.not_begun + 1 };
        Ok(Some(window))
    }

    fn begin(&mut self, window: Window<T>) {
        self.next = window.first + self.batch as u64;
        let check = Arc::clone(&self.check);
        self.running.push_back(tokio::spawn(async move {
            let is_begun = check.is_begun(&window).await?;
            Ok((window, is_begun))
        }));
    }
}
