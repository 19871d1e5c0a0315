//! The spans of a statement that several calls share.

use std::time::Instant;

use traces::{Kind, Span};

/// The name of the span that a call has of a statement which is recorded in another call's trace.
const SHARED: &str = "shared statement";

/// The spans of a statement that calls share.
///
/// A span is a part of one trace only. So that of the statement is a part of the first call whose trace is recorded,
/// and has a link to each such call. The others have a span of the same time, with a link to it.
#[derive(Debug)]
pub(crate) struct StatementSpans(Option<Begun>);

/// The span of a statement, and when it began.
#[derive(Debug)]
struct Begun {
    statement: Span,
    at: Instant,
}

impl StatementSpans {
    /// Begins the span of a statement that does this for all of these calls; none if no trace is recorded.
    pub(crate) fn begin<'a>(
        operation: &'static str,
        calls: impl Iterator<Item = &'a Span> + Clone,
    ) -> Self {
        let mut recorded = calls.clone().filter(|call| call.is_recording());
        let Some(first) = recorded.next() else { return Self(None) };
        let at = Instant::now();
        let statement = query_span(first, operation);
        statement.link(first);
        recorded.for_each(|call| statement.link(call));
        let count = calls.count();
        // As the conventions have it, a single one is no batch.
        if count > 1 {
            statement.set("db.operation.batch.size", i64::try_from(count).unwrap_or(i64::MAX));
        }
        Self(Some(Begun { statement, at }))
    }

    /// Ends the span, and adds those of the other calls.
    pub(crate) fn end<'a>(self, calls: impl Iterator<Item = &'a Span>, has_succeeded: bool) {
        let Some(Begun { statement, at }) = self.0 else { return };
        if !has_succeeded {
            statement.fail();
        }
        statement.end();
        for call in calls.filter(|call| call.is_recording()).skip(1) {
            let shared = call.child_since(Kind::Internal, SHARED, at);
            shared.link(&statement);
            shared.end();
        }
    }
}

/// Begins the span of a statement with this name, as a part of another span.
pub(crate) fn query_span(parent: &Span, name: &'static str) -> Span {
    let span = parent.child(Kind::Client, name);
    span.set("db.system.name", "postgresql");
    span.set("db.operation.name", name);
    span
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use traces::{EndedSpans, Limits, Root, Sampling, SpanData, Tracer, Value};

    use super::*;

    fn tracer() -> (Tracer, EndedSpans) {
        let sampling = Sampling { is_parent_based: true, root: Root::Always };
        Tracer::new(sampling, Limits { queue: 99, batch: 99, delay: Duration::from_secs(3600) })
    }

    fn call(tracer: &Tracer) -> Span {
        tracer.serve(None, || None, "call").unwrap().1
    }

    /// Returns the spans with this name.
    fn named<'a>(spans: &'a [SpanData], name: &str) -> Vec<&'a SpanData> {
        spans.iter().filter(|span| span.name == name).collect()
    }

    #[test]
    fn a_statement_is_a_part_of_one_call_and_linked_with_all_that_are_recorded() {
        let (tracer, ended) = tracer();
        let calls = [Span::NONE, call(&tracer), call(&tracer), Span::NONE, call(&tracer)];
        StatementSpans::begin("create_tasks", calls.iter()).end(calls.iter(), false);
        let contexts: Vec<_> = calls.iter().filter_map(Span::context).collect();
        drop(calls);
        tracer.close();
        let spans = ended.take().unwrap();

        let [statement] = named(&spans, "create_tasks")[..] else { panic!("{spans:?}") };
        assert_eq!(statement.parent, Some((contexts[0].span, false)));
        assert_eq!(statement.context.trace, contexts[0].trace);
        assert_eq!(statement.links, contexts);
        assert!(statement.has_failed);
        let size = ("db.operation.batch.size", Value::Number(5));
        assert!(statement.attributes.contains(&size), "{statement:?}");
        let shared = named(&spans, SHARED);
        assert_eq!(shared.len(), 2);
        for (shared, call) in shared.iter().zip(&contexts[1..]) {
            assert_eq!(shared.parent, Some((call.span, false)));
            assert_eq!(
                (shared.context.trace, &shared.links[..]),
                (call.trace, &[statement.context][..])
            );
        }
    }

    #[test]
    fn a_statement_of_calls_that_are_not_recorded_has_no_span() {
        let (tracer, ended) = tracer();
        let calls = [Span::NONE, Span::NONE];
        StatementSpans::begin("create_tasks", calls.iter()).end(calls.iter(), true);
        tracer.close();
        assert!(ended.take().is_none());
    }

    #[test]
    fn a_statement_of_one_call_is_no_batch() {
        let (tracer, ended) = tracer();
        let calls = [call(&tracer)];
        StatementSpans::begin("create_tasks", calls.iter()).end(calls.iter(), true);
        drop(calls);
        tracer.close();
        let spans = ended.take().unwrap();
        let [statement] = named(&spans, "create_tasks")[..] else { panic!("{spans:?}") };
        assert_eq!((statement.links.len(), statement.has_failed), (1, false));
        let names: Vec<_> = statement.attributes.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["db.system.name", "db.operation.name"]);
        assert_eq!(spans.len(), 2);
    }
}
