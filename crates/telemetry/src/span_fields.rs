//! The fields of spans, as JSON.

use std::fmt::{self, Debug, Write as _};

use tracing::{
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FormatFields, FormattedFields,
        format::{JsonFields, Writer},
    },
};

/// Formats the fields of spans as a JSON object.
///
/// [`JsonFields`] parses the whole object and writes it anew when a field is recorded later, which
/// every request does once its caller is known. This appends the field instead, so a field must be
/// recorded once only.
#[derive(Debug, Default)]
pub(crate) struct SpanFields(JsonFields);

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        self.0.format_fields(writer, fields)
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
        let mut appender = Appender { object, result: Ok(()) };
        fields.record(&mut appender);
        let result = appender.result;
        object.push('}');
        result
    }
}

/// Appends members to an object whose closing brace is missing.
struct Appender<'a> {
    object: &'a mut String,
    result: fmt::Result,
}

impl Appender<'_> {
    fn append(&mut self, field: &Field, value: impl fmt::Display) {
        let comma = if self.object.ends_with('{') { "" } else { "," };
        let appended = write!(self.object, "{comma}\"{field}\":{value}");
        self.result = self.result.and(appended);
    }
}

impl Visit for Appender<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.append(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.append(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.append(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.append(field, serde_json::Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use tracing::{Level, field::Empty, subscriber};

    use crate::logs::tests::Lines;

    #[test]
    fn fields_that_are_recorded_later_are_appended() {
        let lines = Arc::new(Lines::default());
        let _guard = subscriber::set_default(Lines::subscriber(&lines, Level::INFO));
        for span in [
            tracing::info_span!("some", first = "a}", number = Empty, text = Empty, flag = Empty),
            tracing::info_span!("none", number = Empty, text = Empty, flag = Empty),
        ] {
            span.record("number", 7_u64);
            span.record("text", "\"quoted\" {}");
            span.record("flag", tracing::field::debug(Some(true)));
            let _entered = span.entered();
            tracing::info!("logged");
        }
        let log = lines.parsed();
        let later = json!({"number": 7, "text": "\"quoted\" {}", "flag": "Some(true)"});
        for (line, name) in log.iter().zip(["some", "none"]) {
            let span = line["span"].as_object().unwrap();
            assert_eq!(span["name"], name);
            for (field, value) in later.as_object().unwrap() {
                assert_eq!(span[field], *value, "{line}");
            }
        }
        assert_eq!(log[0]["span"]["first"], "a}");
        assert_eq!(log.len(), 2);
    }
}
