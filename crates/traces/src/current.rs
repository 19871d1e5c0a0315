//! The span of what a thread does at the moment.

use std::{
    cell::RefCell,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use crate::span::Span;

thread_local! {
    static CURRENT: RefCell<Span> = const { RefCell::new(Span::NONE) };
}

/// Returns the span of what this thread does at the moment; nothing where no trace is recorded.
#[must_use]
pub fn current() -> Span {
    // None either while the thread ends.
    CURRENT
        .try_with(|current| current.try_borrow().map(|it| it.clone()))
        .map_or(Span::NONE, |it| it.unwrap_or_default())
}

impl Span {
    /// Has [`current`] return this span while `run` runs.
    pub fn in_scope<T>(&self, run: impl FnOnce() -> T) -> T {
        let _entered = Entered::new(self.clone());
        run()
    }

    /// Has [`current`] return this span whenever the future runs.
    pub fn run<F: Future>(self, future: F) -> InSpan<F> {
        InSpan { span: self, future: Box::pin(future) }
    }
}

/// A future that runs in a span.
#[derive(Debug)]
pub struct InSpan<F> {
    span: Span,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for InSpan<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = Entered::new(self.span.clone());
        self.future.as_mut().poll(context)
    }
}

/// The span is current until this is dropped, also by a panic.
struct Entered {
    before: Span,
}

impl Entered {
    fn new(span: Span) -> Self {
        Self { before: replace(span) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // A span that ends here may do so after the cell was released.
        let _span = replace(mem::take(&mut self.before));
    }
}

fn replace(span: Span) -> Span {
    CURRENT
        .try_with(|current| current.try_borrow_mut().map(|mut it| mem::replace(&mut *it, span)))
        .map_or(Span::NONE, |it| it.unwrap_or_default())
}
