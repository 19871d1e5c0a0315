//! What a span is made of.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use crate::context::{Context, SpanId};

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something within the program.
    Internal,
    /// A request that is served.
    Server,
    /// A request to another program.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// A span that has ended.
#[derive(Clone, Debug)]
pub struct SpanData {
    /// Its own context.
    pub context: Context,
    /// The span that it is a part of, and whether that is of another program.
    pub parent: Option<(SpanId, bool)>,
    /// What tracing systems of the callers have added to the context.
    pub state: Option<Arc<str>>,
    /// What happened. Nothing that a caller chooses, so that there are only so many names.
    pub name: Cow<'static, str>,
    /// What it is about.
    pub kind: Kind,
    /// When it began.
    pub begun: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// What else is known. No name occurs twice.
    pub attributes: Vec<(&'static str, Value)>,
    /// Spans that have to do with it, but that it is no part of.
    pub links: Vec<Context>,
    /// How many links there were too many.
    pub dropped_links: u32,
    /// Whether it failed.
    pub has_failed: bool,
}
