//! Runs an import: several windows are under way at once, and are reported in their order.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use runtime::{CancellationToken, command_line::SUCCESS};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{
    interrupt,
    outcome::{Outcome, Stop},
    progress::Progress,
    reader::Windows,
    rejects::Rejects,
    sink::Sink,
    summary::Summary,
    window::Window,
};
use crate::{
    client::{error::ClientError, exit_code, output::Output, stderr},
    printable::printable,
};

/// What an import needs besides its file and its server.
pub(super) struct Frame {
    pub(super) concurrency: usize,
    pub(super) size: Option<u64>,
    pub(super) dry_run: bool,
    pub(super) rejects: Rejects,
    pub(super) output: Output,
    /// How long the windows under way may take after Ctrl-C, in all: a call that is throttled has no
    /// limit of its own, and a window may take several calls.
    pub(super) grace: Duration,
}

/// Why no further window is begun.
enum End {
    /// The file has ended.
    Complete,
    Interrupted,
    Failed(ClientError),
}

type Running<T> = JoinHandle<(Window<T>, Result<Outcome, Stop>)>;

/// An import under way.
struct Import<T> {
    frame: Frame,
    progress: Progress,
    summary: Summary,
    running: VecDeque<Running<T>>,
    end: Option<End>,
    /// Whether a window failed, so that there is a gap before those that follow.
    has_gap: bool,
    /// When the windows under way are given up, once the import was interrupted.
    given_up_at: Option<Instant>,
}

/// Sends all windows of a file to the server, and reports what became of them. Returns the exit code.
pub(super) async fn run<T, S>(
    frame: Frame,
    sink: S,
    mut windows: Windows<T>,
) -> Result<u8, ClientError>
where
    T: Send + Sync + 'static,
    S: Sink<T>,
{
    let sink = Arc::new(sink);
    let interrupted = interrupt::token().map_err(|error| ClientError::Io(error.to_string()))?;
    let mut import = Import::begin(frame);
    while let Some(event) = import.next_event(&mut windows, &interrupted).await {
        match event {
            Event::Interrupted => import.interrupt(),
            Event::GivenUp => import.give_up().await,
            Event::Read(None) => import.end = Some(End::Complete),
            Event::Read(Some(Err(error))) => import.end = Some(End::Failed(error)),
            Event::Read(Some(Ok(window))) => {
                let sink = Arc::clone(&sink);
                import.running.push_back(tokio::spawn(async move {
                    let outcome = sink.submit(&window).await;
                    (window, outcome)
                }));
            }
            Event::Done(window, outcome) => import.report(&window, outcome),
        }
    }
    import.finish()
}

enum Event<T> {
    Interrupted,
    /// The time after the interruption is over.
    GivenUp,
    Read(Option<Result<Window<T>, ClientError>>),
    Done(Window<T>, Result<Outcome, Stop>),
}

impl<T: Send + Sync + 'static> Import<T> {
    fn begin(frame: Frame) -> Self {
        let progress = Progress::begin(frame.size);
        let summary = Summary { dry_run: frame.dry_run, ..Summary::default() };
        let (running, end, has_gap, given_up_at) = (VecDeque::new(), None, false, None);
        Self { frame, progress, summary, running, end, has_gap, given_up_at }
    }

    /// Returns what happens next; `None` once nothing is left to do.
    async fn next_event(
        &mut self,
        windows: &mut Windows<T>,
        interrupted: &CancellationToken,
    ) -> Option<Event<T>> {
        let goes_on = self.end.is_none();
        let has_room = self.running.len() < self.frame.concurrency;
        let first = self.running.front_mut();
        let is_under_way = first.is_some();
        let given_up_at = self.given_up_at;
        let is_interruptible = given_up_at.is_none() && (goes_on || is_under_way);
        let give_up = async {
            sleep_until(given_up_at?).await;
            Some(Event::GivenUp)
        };
        tokio::select! {
            biased;
            () = interrupted.cancelled(), if is_interruptible => Some(Event::Interrupted),
            Some(event) = give_up, if is_under_way => Some(event),
            Some(done) = async { Some(first?.await) } => {
                self.running.pop_front();
                match done {
                    Ok((window, outcome)) => Some(Event::Done(window, outcome)),
                    // It panicked, which was reported.
                    Err(error) => {
                        self.has_gap = true;
                        let error = ClientError::Io(error.to_string());
                        Some(Event::Read(Some(Err(error))))
                    }
                }
            }
            window = windows.next(), if goes_on && has_room => Some(Event::Read(window)),
            else => None,
        }
    }

    /// Begins no further window, and gives those under way some time.
    fn interrupt(&mut self) {
        self.end.get_or_insert(End::Interrupted);
        self.given_up_at = Some(Instant::now() + self.frame.grace);
        if !self.running.is_empty() {
            let grace = humantime::format_duration(self.frame.grace);
            self.progress.line(&format!(
                "interrupted: waiting up to {grace} for the calls under way; Ctrl-C again ends it at once"
            ));
        }
    }

    /// Gives up the windows under way. What became of them is unknown; a later run finds out.
    async fn give_up(&mut self) {
        for window in &self.running {
            window.abort();
        }
        while let Some(window) = self.running.pop_front() {
            match window.await {
                // It had ended, behind one that had not.
                Ok((window, outcome)) => self.report(&window, outcome),
                Err(_) => self.has_gap = true,
            }
        }
        if self.has_gap && matches!(self.end, Some(End::Complete)) {
            self.end = Some(End::Interrupted);
        }
    }

    /// Reports a window: after all those before it.
    fn report(&mut self, window: &Window<T>, outcome: Result<Outcome, Stop>) {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(stop) => {
                if !std::mem::replace(&mut self.has_gap, true) {
                    self.end = Some(End::Failed(stop.into()));
                }
                return;
            }
        };
        let mut written = Ok(());
        for (place, reason) in &outcome.refused {
            let Some(record) = window.records.get(*place) else { continue };
            self.progress.line(&format!("{}: {}", record.lines(), printable(reason)));
            written = written.and_then(|()| self.frame.rejects.write(&record.raw));
        }
        self.summary.records += window.records.len() as u64;
        self.summary.refused += outcome.refused.len() as u64;
        self.summary.counts += outcome.counts;
        if !self.has_gap {
            self.summary.last_line = window.last_line;
        }
        self.progress.advance(window.bytes, self.summary.records);
        if let Err(error) = written {
            self.has_gap = true;
            self.end = Some(End::Failed(error));
        }
    }

    fn finish(mut self) -> Result<u8, ClientError> {
        self.progress.end();
        if let Err(error) = self.frame.rejects.finish() {
            self.end = Some(End::Failed(error));
        }
        self.summary.is_complete = matches!(self.end, None | Some(End::Complete));
        let code = self.print_end();
        self.print_summary()?;
        Ok(code)
    }

    fn print_summary(&mut self) -> Result<(), ClientError> {
        let output = &mut self.frame.output;
        if output.is_json() {
            output.object(&self.summary)?;
        } else {
            output.line(&self.summary.sentence())?;
        }
        output.flush()
    }

    /// Prints why the import has ended, if that is not the end of the file. Returns the exit code.
    fn print_end(&self) -> u8 {
        let code = match &self.end {
            None | Some(End::Complete) if self.summary.refused > 0 => return exit_code::REFUSED,
            None | Some(End::Complete) => return SUCCESS,
            Some(End::Interrupted) => exit_code::INTERRUPTED,
            Some(End::Failed(error)) => {
                error.print();
                error.exit_code()
            }
        };
        let line = self.summary.last_line;
        let reason = if code == exit_code::INTERRUPTED { "interrupted" } else { "stopped" };
        // What was refused would be refused again.
        let advice = "; run the same command again to go on";
        let advice = if code == exit_code::REFUSED { "" } else { advice };
        stderr::line(&format!("{reason}: everything up to line {line} is done{advice}"));
        code
    }
}
