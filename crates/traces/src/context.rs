//! The context of a span, as W3C Trace Context (level 1) passes it from one program to the next.

use std::fmt;

/// The id of a trace: 16 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The id of a span within a trace: 8 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// Which span of which trace something happens in, and whether the trace is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// Whether the spans of the trace are recorded.
    pub is_sampled: bool,
}

impl TraceId {
    /// Returns the id with these bytes; `None` if all are zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// Returns the last 8 bytes as a number, of which samplers of all languages take the trace's luck.
    pub(crate) fn low(&self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl SpanId {
    /// Returns the id with these bytes; `None` if all are zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 8] {
        self.0
    }
}

impl Context {
    /// Parses the value of a header `traceparent`. Returns `None` if it is malformed: then there is no trace.
    ///
    /// A later version than 00 may have more parts, which are ignored. Of the flags, only `sampled` is known.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let [version] = hex(parts.next()?)?;
        let trace = TraceId::from_bytes(hex(parts.next()?)?)?;
        let span = SpanId::from_bytes(hex(parts.next()?)?)?;
        let [flags] = hex(parts.next()?)?;
        let is_valid = version != 0xff && (version != 0 || parts.next().is_none());
        is_valid.then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

/// Reads bytes from hexadecimal digits in lower case, of which there must be as many as are needed.
fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = (*byte << 4) | value;
        }
    }
    Some(bytes)
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// 32 hexadecimal digits.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The value of a header `traceparent`, of version 00.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_context_is_written_as_it_was_read() {
        for flags in ["00", "01"] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            let context = Context::parse(&text).unwrap();
            assert_eq!(context.is_sampled, flags == "01");
            assert_eq!(context.to_string(), text);
            assert_eq!(
                (context.trace.to_string(), context.span.to_string()),
                (TRACE.into(), SPAN.into())
            );
        }
        assert_eq!(
            Context::parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap().trace.low(),
            0x8448_eb21_1c80_319c
        );
    }

    #[test]
    fn unknown_flags_and_the_parts_of_later_versions_are_left_out() {
        let context = Context::parse(&format!("01-{TRACE}-{SPAN}-ff-more")).unwrap();
        assert_eq!(context.to_string(), format!("00-{TRACE}-{SPAN}-01"));
        assert!(!Context::parse(&format!("00-{TRACE}-{SPAN}-02")).unwrap().is_sampled);
    }

    #[test]
    fn a_malformed_context_is_none() {
        let zeros = "0".repeat(32);
        for text in [
            "",
            TRACE,
            &format!("ff-{TRACE}-{SPAN}-01"),
            &format!("00-{zeros}-{SPAN}-01"),
            &format!("00-{TRACE}-0000000000000000-01"),
            &format!("00-{TRACE}-{SPAN}-01-more"),
            &format!("00-{TRACE}-{SPAN}"),
            &format!("00-{TRACE}-{}-01", &SPAN[1..]),
            &format!("00-{TRACE}0-{SPAN}-01"),
            &format!("00-{TRACE}-{SPAN}-0g"),
            &format!("00-{TRACE}-{SPAN}-+1"),
            &format!("00-{TRACE}-{SPAN}-01").to_uppercase(),
            &format!("00-é{}-{SPAN}-01", &TRACE[2..]),
        ] {
            assert_eq!(Context::parse(text), None, "{text:?}");
        }
    }
}
