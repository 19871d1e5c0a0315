//! Recognizes the start of an HTTP/2 connection: the client's connection preface and its first
//! SETTINGS frame (RFC 9113, 3.4).

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The size of a frame header: length (3 bytes), type (1), flags (1) and stream (4).
const FRAME_HEADER: usize = 9;
const FRAME_TYPE_AT: usize = PREFACE.len() + 3;
const SETTINGS: u8 = 4;

/// Parses the first bytes of a connection.
#[derive(Debug, Default)]
pub(crate) enum PrefaceParser {
    /// No byte has been read.
    #[default]
    Empty,
    /// All bytes so far match.
    Incomplete {
        /// The number of bytes so far.
        seen: usize,
        /// The length of the SETTINGS frame's payload, as far as it has been read.
        length: usize,
    },
    /// The preface was read, or the connection starts with something else.
    Done,
}

impl PrefaceParser {
    /// Reads further bytes of the connection. Returns `true` once: for the bytes that complete the
    /// preface and the SETTINGS frame.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> bool {
        const HEAD: usize = PREFACE.len() + FRAME_HEADER;
        let (mut seen, mut length) = match *self {
            Self::Empty => (0, 0),
            Self::Incomplete { seen, length } => (seen, length),
            Self::Done => return false,
        };
        let (head, payload) = bytes.split_at(HEAD.saturating_sub(seen).min(bytes.len()));
        for &byte in head {
            let matches = match PREFACE.get(seen) {
                Some(&expected) => byte == expected,
                None if seen < FRAME_TYPE_AT => {
                    length = length << 8 | usize::from(byte);
                    true
                }
                None => seen != FRAME_TYPE_AT || byte == SETTINGS,
            };
            if !matches {
                *self = Self::Done;
                return false;
            }
            seen += 1;
        }
        seen += payload.len();
        let is_complete = seen >= HEAD + length;
        *self = if is_complete { Self::Done } else { Self::Incomplete { seen, length } };
        is_complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The preface, and a frame of this type whose payload has this length.
    fn preface(frame_type: u8, payload: u8) -> Vec<u8> {
        let header = [0, 0, payload, frame_type, 0, 0, 0, 0, 0];
        [PREFACE, &header, &vec![7; payload.into()]].concat()
    }

    #[test]
    fn the_preface_is_complete_with_the_last_byte_of_the_settings_however_it_is_split() {
        for payload in [0, 6, 18] {
            let bytes = preface(SETTINGS, payload);
            for size in 1..=bytes.len() {
                let mut parser = PrefaceParser::default();
                let complete: Vec<bool> =
                    bytes.chunks(size).map(|part| parser.read(part)).collect();
                let (last, before) = complete.split_last().unwrap();
                assert!(*last && !before.contains(&true), "{payload} in {size}s: {complete:?}");
                assert!(!parser.read(b"more"));
            }
            // Also if a request follows at once.
            assert!(PrefaceParser::default().read(&[&bytes[..], b"more"].concat()));
            assert!(!PrefaceParser::default().read(&bytes[..bytes.len() - 1]));
        }
    }

    #[test]
    fn a_connection_that_starts_with_other_bytes_never_has_a_complete_preface() {
        for start in [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/1.1", &preface(6, 8), b"\x16\x03"] {
            let mut parser = PrefaceParser::default();
            assert!(!parser.read(start));
            assert!(matches!(parser, PrefaceParser::Done), "{start:?}");
            assert!(!parser.read(&preface(SETTINGS, 0)));
        }
    }
}
