//! A timer that exists only while there is something to check.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// Ticks at an interval once it is polled, until it is stopped.
#[derive(Debug, Default)]
pub(crate) struct CheckTimer(Option<Pin<Box<Sleep>>>);

impl CheckTimer {
    /// Waits for the next tick. The first one comes one interval after the first poll.
    pub(crate) fn poll_tick(&mut self, interval: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep(interval)));
        ready!(sleep.as_mut().poll(cx));
        sleep.as_mut().reset(Instant::now() + interval);
        Poll::Ready(())
    }

    /// Stops the timer, so that it wakes nobody.
    pub(crate) fn stop(&mut self) {
        self.0 = None;
    }
}
