//! The fields of spans, as JSON.

use std::fmt::{self, Debug, Write};

use tracing::{
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, FormattedFields, format::Writer},
};

/// Formats the fields of spans as a JSON object, as
/// [`JsonFields`](tracing_subscriber::fmt::format::JsonFields) does, but writes each field as it
/// comes: that one collects the fields in a map first, and, when a field is recorded later, parses
/// the whole object and writes it anew. Every request has a span, and records its caller later.
///
/// A field must be recorded once only, or the object has it twice.
#[derive(Debug, Default)]
pub(crate) struct SpanFields;

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        writer.write_char('{')?;
        write_members(&mut writer, true, |visitor| fields.record(visitor))?;
        writer.write_char('}')
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let object = &mut current.fields;
        if object.pop().is_none() {
            object.push('{');
        }
        let is_empty = object.len() == 1;
        write_members(object, is_empty, |visitor| fields.record(visitor))?;
        object.write_char('}')
    }
}

/// Writes members of an object. `is_empty` says whether it has none before them.
fn write_members(
    writer: &mut dyn Write,
    is_empty: bool,
    record: impl FnOnce(&mut dyn Visit),
) -> fmt::Result {
    let mut members = Members { writer, is_empty, result: Ok(()) };
    record(&mut members);
    members.result
}

struct Members<'a> {
    writer: &'a mut dyn Write,
    is_empty: bool,
    result: fmt::Result,
}

impl Members<'_> {
    fn add(&mut self, field: &Field, value: impl FnOnce(&mut dyn Write) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.try_add(field, value);
        }
    }

    fn try_add(
        &mut self,
        field: &Field,
        value: impl FnOnce(&mut dyn Write) -> fmt::Result,
    ) -> fmt::Result {
        self.writer.write_str(if self.is_empty { "\"" } else { ",\"" })?;
        self.is_empty = false;
        self.writer.write_str(field.name())?;
        self.writer.write_str("\":")?;
        value(self.writer)
    }
}

impl Visit for Members<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        self.add(field, |writer| write!(writer, "{}", serde_json::Value::from(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |writer| write_str(writer, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        self.add(field, |writer| write_str(writer, &text));
    }
}

fn write_str(writer: &mut dyn Write, value: &str) -> fmt::Result {
    // What RFC 8259 (7) has escaped is rare.
    if value.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return write!(writer, "{}", serde_json::Value::from(value));
    }
    writer.write_char('"')?;
    writer.write_str(value)?;
    writer.write_char('"')
}
