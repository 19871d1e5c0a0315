//! The messages of OTLP, as far as tests read them: what `opentelemetry/proto/trace/v1/trace.proto` and its likes say.
//! `make interop` reads them with OpenTelemetry's own.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ResourceSpans {
    #[prost(message, required, tag = "1")]
    pub(super) resource: Resource,
    #[prost(message, repeated, tag = "2")]
    pub(super) scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    pub(super) spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(super) name: String,
    #[prost(int32, tag = "6")]
    pub(super) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(super) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "13")]
    pub(super) links: Vec<Link>,
    #[prost(message, optional, tag = "15")]
    pub(super) status: Option<Status>,
}

/// `SpanKind`.
pub(super) const INTERNAL: i32 = 1;
pub(super) const SERVED: i32 = 2;
pub(super) const CALLED: i32 = 3;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Link {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "3")]
    pub(super) code: i32,
}

impl Span {
    /// Whether the status is `STATUS_CODE_ERROR`.
    pub(super) fn has_failed(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.code == 2)
    }

    /// Returns an attribute that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.value(name).map(|value| value.text.as_deref().unwrap())
    }

    /// Returns an attribute that is a number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.value(name).map(|value| value.number.unwrap())
    }

    fn value(&self, name: &str) -> Option<&AnyValue> {
        let attribute = self.attributes.iter().find(|attribute| attribute.key == name)?;
        Some(&attribute.value)
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(message, required, tag = "2")]
    pub(super) value: AnyValue,
}

/// One of them is there.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyValue {
    #[prost(string, optional, tag = "1")]
    pub(super) text: Option<String>,
    #[prost(int64, optional, tag = "3")]
    pub(super) number: Option<i64>,
}
