//! Spans that are recorded.

use std::{
    borrow::Cow,
    fmt, mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use crate::{
    context::{Context, SpanId},
    data::{Kind, SpanData, Value},
    shared::Shared,
};

/// The most links of a span: as many calls as share a statement.
const MOST_LINKS: usize = 64;

/// A span of a trace that is sampled, or nothing, if no trace is. Clones are of the same span. It ends with
/// [`Self::end`], or when the last clone is dropped.
#[derive(Clone, Default)]
pub struct Span(Option<Arc<Recording>>);

struct Recording {
    shared: Arc<Shared>,
    context: Context,
    state: Option<Arc<str>>,
    begun: Instant,
    /// `None` once it has ended.
    data: Mutex<Option<SpanData>>,
}

impl Span {
    /// Nothing, in which nothing is recorded.
    pub const NONE: Self = Self(None);

    /// Begins a span that has no parent in this program.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        context: Context,
        parent: Option<(SpanId, bool)>,
        state: Option<Arc<str>>,
        (kind, name): (Kind, Cow<'static, str>),
        begun: Instant,
    ) -> Self {
        let now = SystemTime::now();
        let data = SpanData {
            context,
            parent,
            state: state.clone(),
            name,
            kind,
            begun: now.checked_sub(begun.elapsed()).unwrap_or(now),
            // Until it ends.
            ended: now,
            attributes: Vec::new(),
            links: Vec::new(),
            dropped_links: 0,
            has_failed: false,
        };
        let data = Mutex::new(Some(data));
        Self(Some(Arc::new(Recording { shared, context, state, begun, data })))
    }

    /// Whether this is a span. If not, there is no need to find out what could be recorded.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the context; `None` if this is no span.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        self.0.as_ref().map(|recording| recording.context)
    }

    /// Begins a span that is a part of this one, also of one that has ended. If this is none, nor is that.
    #[must_use]
    pub fn child(&self, kind: Kind, name: &'static str) -> Self {
        match &self.0 {
            Some(_) => self.child_since(kind, name, Instant::now()),
            None => Self::NONE,
        }
    }

    /// Begins a span as [`Self::child`] does, but in the past.
    #[must_use]
    pub fn child_since(&self, kind: Kind, name: &'static str, begun: Instant) -> Self {
        let Some(Recording { shared, context, state, .. }) = self.0.as_deref() else {
            return Self::NONE;
        };
        let own = Context { span: shared.ids.span(), ..*context };
        let parent = Some((context.span, false));
        let what = (kind, Cow::Borrowed(name));
        Self::begin(Arc::clone(shared), own, parent, state.clone(), what, begun)
    }

    /// Sets the name: nothing that a caller chooses, so that there are only so many.
    pub fn rename(&self, name: impl FnOnce() -> Cow<'static, str>) {
        self.change(|data| data.name = name());
    }

    /// Sets an attribute, of which a caller may choose the value, but not the length: no secrets, and nothing
    /// personal.
    pub fn set(&self, attribute: &'static str, value: impl Into<Value>) {
        self.change(|data| {
            let value = value.into();
            match data.attributes.iter_mut().find(|(name, _)| *name == attribute) {
                Some((_, old)) => *old = value,
                None => data.attributes.push((attribute, value)),
            }
        });
    }

    /// Adds a link to another span, unless there are very many.
    pub fn link(&self, other: &Self) {
        let Some(other) = other.context() else { return };
        self.change(|data| {
            if data.links.len() < MOST_LINKS {
                data.links.push(other);
            } else {
                data.dropped_links = data.dropped_links.saturating_add(1);
            }
        });
    }

    /// Marks the span as failed.
    pub fn fail(&self) {
        self.change(|data| data.has_failed = true);
    }

    /// Ends the span. What is done with it later is not recorded.
    pub fn end(&self) {
        if let Some(recording) = &self.0 {
            recording.end();
        }
    }

    fn change(&self, change: impl FnOnce(&mut SpanData)) {
        if let Some(recording) = &self.0
            && let Some(data) = &mut *recording.data.lock().unwrap_or_else(PoisonError::into_inner)
        {
            change(data);
        }
    }
}

/// Shows which span it is.
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.context()).finish()
    }
}

impl Recording {
    fn end(&self) {
        let data = mem::take(&mut *self.data.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(mut data) = data {
            // By the clock that is never set back.
            data.ended = data.begun + self.begun.elapsed();
            self.shared.ended.push(data);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.end();
    }
}
