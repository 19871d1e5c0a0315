//! The messages of OTLP: those parts of `opentelemetry.proto.collector.trace.v1` that are used, with the names and
//! numbers that they have there.

use prost::Message;
use traces::{Context, Kind, SpanData, Value};

use std::time::{SystemTime, UNIX_EPOCH};

/// What exports spans.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportTraceServiceRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct InstrumentationScope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<Link>,
    #[prost(uint32, tag = "14")]
    dropped_links_count: u32,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Link {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(fixed32, tag = "6")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "AnyValueKind", tags = "1, 3")]
    value: Option<AnyValueKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum AnyValueKind {
    #[prost(string, tag = "1")]
    StringValue(String),
    #[prost(int64, tag = "3")]
    IntValue(i64),
}

/// What a collector answers.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportTraceServiceResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<ExportTracePartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportTracePartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// `SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`: whether the parent is of another program is known.
const HAS_IS_REMOTE: u32 = 0x100;
/// `SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: it is.
const IS_REMOTE: u32 = 0x200;
/// `Status.StatusCode.STATUS_CODE_ERROR`.
const ERROR: i32 = 2;

impl ExportTraceServiceRequest {
    /// Returns a message with these spans of this resource.
    pub(super) fn new(resource: &[(String, String)], spans: Vec<SpanData>) -> Self {
        let attributes = resource.iter().map(|(name, value)| KeyValue::text(name, value.clone()));
        let scope = InstrumentationScope {
            name: "caseload".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let spans = spans.into_iter().map(Span::from).collect();
        let resource_spans = vec![ResourceSpans {
            resource: Some(Resource { attributes: attributes.collect() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }];
        Self { resource_spans }
    }
}

impl KeyValue {
    fn text(key: &str, value: String) -> Self {
        let value = AnyValue { value: Some(AnyValueKind::StringValue(value)) };
        Self { key: key.to_owned(), value: Some(value) }
    }

    fn number(key: &str, value: i64) -> Self {
        let value = AnyValue { value: Some(AnyValueKind::IntValue(value)) };
        Self { key: key.to_owned(), value: Some(value) }
    }
}

impl From<SpanData> for Span {
    fn from(span: SpanData) -> Self {
        let flags_of_parent = match span.parent {
            Some((_, true)) => HAS_IS_REMOTE | IS_REMOTE,
            Some((_, false)) | None => HAS_IS_REMOTE,
        };
        let attributes = span.attributes.into_iter().map(|(name, value)| match value {
            Value::Text(text) => KeyValue::text(name, text.into_owned()),
            Value::Number(number) => KeyValue::number(name, number),
        });
        Self {
            trace_id: span.context.trace.bytes().to_vec(),
            span_id: span.context.span.bytes().to_vec(),
            trace_state: span.state.as_deref().unwrap_or_default().to_owned(),
            parent_span_id: span.parent.map_or_else(Vec::new, |(id, _)| id.bytes().to_vec()),
            flags: flags_of(&span.context) | flags_of_parent,
            name: span.name.into_owned(),
            kind: match span.kind {
                Kind::Internal => 1,
                Kind::Server => 2,
                Kind::Client => 3,
            },
            start_time_unix_nano: nanos(span.begun),
            end_time_unix_nano: nanos(span.ended),
            attributes: attributes.collect(),
            links: span.links.iter().map(Link::from).collect(),
            dropped_links_count: span.dropped_links,
            status: span.has_failed.then_some(Status { code: ERROR }),
        }
    }
}

/// Links are to spans of this program.
impl From<&Context> for Link {
    fn from(context: &Context) -> Self {
        Self {
            trace_id: context.trace.bytes().to_vec(),
            span_id: context.span.bytes().to_vec(),
            flags: flags_of(context) | HAS_IS_REMOTE,
        }
    }
}

/// Returns the flags of W3C Trace Context.
fn flags_of(context: &Context) -> u32 {
    u32::from(context.is_sampled)
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
