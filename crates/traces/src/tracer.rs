//! Begins the spans of requests.

use std::{borrow::Cow, sync::Arc, time::Instant};

use crate::{
    context::Context,
    data::{Kind, SpanData},
    ids::Ids,
    queue::{Limits, Queue},
    sampling::Sampling,
    shared::Shared,
    span::Span,
};

/// Begins the spans of requests, or does nothing, if it is off. Clones are of the same tracer.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Shared>>);

/// The spans that have ended, for whoever exports them.
#[derive(Debug)]
pub struct EndedSpans(Arc<Shared>);

impl Tracer {
    /// A tracer that is off.
    pub const OFF: Self = Self(None);

    /// Returns a tracer that is on, and where its spans end up. Whoever takes them must go on to do so, or they are
    /// dropped.
    #[must_use]
    pub fn new(sampling: Sampling, limits: Limits) -> (Self, EndedSpans) {
        let shared = Arc::new(Shared { ids: Ids::new(), sampling, ended: Queue::new(limits) });
        (Self(Some(Arc::clone(&shared))), EndedSpans(shared))
    }

    /// Whether there may be any spans.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins to serve a request whose caller has this context, and has added this to it; without one, the request
    /// begins a trace. Returns the context of what is done for it, and its span; no span if the trace is not
    /// sampled, and `None` if the tracer is off.
    #[must_use]
    pub fn serve(
        &self,
        parent: Option<Context>,
        state: impl FnOnce() -> Option<Arc<str>>,
        name: &'static str,
    ) -> Option<(Context, Span)> {
        let shared = self.0.as_ref()?;
        let trace = parent.map_or_else(|| shared.ids.trace(), |parent| parent.trace);
        let is_sampled = shared.sampling.samples(parent.as_ref(), trace);
        let context = Context { trace, span: shared.ids.span(), is_sampled };
        if !is_sampled {
            return Some((context, Span::NONE));
        }
        let state = parent.and_then(|_| state());
        let parent = parent.map(|parent| (parent.span, true));
        let what = (Kind::Server, Cow::Borrowed(name));
        let span = Span::begin(Arc::clone(shared), context, parent, state, what, Instant::now());
        Some((context, span))
    }

    /// Takes no more spans. Those that have ended are exported at once.
    pub fn close(&self) {
        if let Some(shared) = &self.0 {
            shared.ended.close();
        }
    }
}

impl EndedSpans {
    /// Blocks until spans are to be exported, and returns them; `None` once the tracer is closed, and all were
    /// taken.
    #[must_use]
    pub fn take(&self) -> Option<Vec<SpanData>> {
        self.0.ended.take()
    }

    /// Whether the tracer takes no more spans.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.ended.is_closed()
    }

    /// Returns how many spans were dropped so far, as too many waited.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.ended.dropped()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        time::{Duration, SystemTime},
    };

    use super::*;
    use crate::{current, data::Value, sampling::Root};

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn tracer() -> (Tracer, EndedSpans) {
        let sampling = Sampling { is_parent_based: true, root: Root::Always };
        Tracer::new(sampling, Limits { queue: 99, batch: 99, delay: Duration::from_secs(3600) })
    }

    /// Returns what has ended, by name.
    fn ended((tracer, ended): (Tracer, EndedSpans)) -> Vec<SpanData> {
        tracer.close();
        let mut spans = ended.take().unwrap_or_default();
        spans.sort_by(|one, other| one.name.cmp(&other.name));
        spans
    }

    fn serve(tracer: &Tracer, parent: Option<&str>) -> (Context, Span) {
        let parent = parent.map(|text| Context::parse(text).unwrap());
        tracer.serve(parent, || Some("a=b".into()), "request").unwrap()
    }

    #[test]
    fn a_request_is_a_part_of_its_callers_trace_or_begins_one() {
        let tracer = tracer();
        let (context, span) = serve(&tracer.0, Some(CALLER));
        let (root, _span) = serve(&tracer.0, None);
        assert_ne!(root.trace, context.trace);
        drop((span, _span));
        let spans = ended(tracer);
        let of = |context: Context| spans.iter().find(|span| span.context == context).unwrap();
        assert_eq!(context.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        let (parent, is_remote) = of(context).parent.unwrap();
        assert_eq!((parent.to_string().as_str(), is_remote), ("b7ad6b7169203331", true));
        assert_eq!(of(context).state.as_deref(), Some("a=b"));
        assert_eq!((of(root).parent, of(root).state.as_deref()), (None, None));
    }

    #[test]
    fn a_trace_that_is_not_sampled_has_a_context_and_no_spans() {
        let tracer = tracer();
        let (context, span) = serve(&tracer.0, Some(&CALLER.replace("-01", "-00")));
        assert!(!context.is_sampled && !span.is_recording());
        assert_ne!(context.span.to_string(), "b7ad6b7169203331");
        assert!(!span.child(Kind::Client, "x").is_recording());
        span.in_scope(|| assert!(!current().is_recording()));
        assert!(ended(tracer).is_empty());
        assert!(Tracer::default().serve(None, || None, "request").is_none());
    }

    #[test]
    fn a_span_has_what_was_set_until_it_ended_and_its_parent() {
        let tracer = tracer();
        let (_, request) = serve(&tracer.0, Some(CALLER));
        let before = SystemTime::now() - Duration::from_secs(5);
        let begun = Instant::now().checked_sub(Duration::from_secs(4)).unwrap();
        let wait = request.child_since(Kind::Internal, "wait", begun);
        wait.set("n", 1_i64);
        wait.set("n", 2_i64);
        wait.rename(|| "waited".into());
        for _ in 0..=MOST {
            wait.link(&request);
        }
        wait.end();
        wait.fail();
        request.end();
        // It can still have parts.
        request.child(Kind::Client, "later").fail();
        drop(request);
        let spans = ended(tracer);
        let [later, request, wait] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(wait.parent, Some((request.context.span, false)));
        assert_eq!(later.parent, wait.parent);
        assert_eq!((&later.name[..], later.has_failed, wait.has_failed), ("later", true, false));
        assert_eq!((&wait.name[..], wait.kind), ("waited", Kind::Internal));
        assert_eq!(wait.attributes, [("n", Value::Number(2))]);
        assert_eq!((wait.links.len(), wait.dropped_links), (MOST, 1));
        assert_eq!(wait.links[0], request.context);
        assert!(wait.begun > before && wait.ended >= wait.begun + Duration::from_secs(4));
        assert_eq!(wait.state.as_deref(), Some("a=b"));
    }

    /// The most links of a span.
    const MOST: usize = 64;

    #[test]
    fn a_span_is_current_while_its_code_runs_also_if_that_panics() {
        let tracer = tracer();
        let (context, span) = serve(&tracer.0, None);
        let is_current = || current().context() == Some(context);
        span.in_scope(|| {
            assert!(is_current());
            Span::NONE.in_scope(|| assert!(!is_current()));
            assert!(is_current());
        });
        let panicked = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| panic!("a defect"))));
        assert!(panicked.is_err() && !is_current());

        let mut run = span.run(async {
            assert!(is_current());
            std::future::pending::<()>().await;
        });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::pin::Pin::new(&mut run).poll(&mut context).is_pending());
        assert!(!is_current());
    }
}
