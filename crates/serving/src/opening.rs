//! Whether a client has opened HTTP/2: sent its preface, and its settings (RFC 9113, 3.4).

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame's head: three bytes of length, one of type, one of flags, four of the stream.
const FRAME_HEAD: usize = 9;
const TYPE_AT: usize = PREFACE.len() + 3;
const SETTINGS: u8 = 4;

/// Follows the first bytes of a connection.
#[derive(Debug, Default)]
pub(crate) enum Opening {
    /// None came.
    #[default]
    Awaited,
    /// What came so far is the beginning of an opening.
    Begun {
        /// How many bytes came.
        seen: usize,
        /// How long the settings are, as far as that was read.
        length: usize,
    },
    /// It came to its end, or is none.
    Over,
}

impl Opening {
    /// Takes what came. Tells once, when it does, that the opening came to its end.
    pub(crate) fn note(&mut self, bytes: &[u8]) -> bool {
        const HEAD: usize = PREFACE.len() + FRAME_HEAD;
        let (mut seen, mut length) = match *self {
            Self::Awaited => (0, 0),
            Self::Begun { seen, length } => (seen, length),
            Self::Over => return false,
        };
        let (head, payload) = bytes.split_at(HEAD.saturating_sub(seen).min(bytes.len()));
        for &byte in head {
            let fits = match PREFACE.get(seen) {
                Some(&expected) => byte == expected,
                None if seen < TYPE_AT => {
                    length = length << 8 | usize::from(byte);
                    true
                }
                None => seen != TYPE_AT || byte == SETTINGS,
            };
            if !fits {
                *self = Self::Over;
                return false;
            }
            seen += 1;
        }
        seen += payload.len();
        let is_over = seen >= HEAD + length;
        *self = if is_over { Self::Over } else { Self::Begun { seen, length } };
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The preface, and a frame of this type with this much payload.
    fn opening(kind: u8, payload: u8) -> Vec<u8> {
        let head = [0, 0, payload, kind, 0, 0, 0, 0, 0];
        [PREFACE, &head, &vec![7; payload.into()]].concat()
    }

    #[test]
    fn it_is_over_with_the_last_byte_of_the_settings_however_the_bytes_come() {
        for payload in [0, 6, 18] {
            let bytes = opening(SETTINGS, payload);
            for size in 1..=bytes.len() {
                let mut opening = Opening::default();
                let told: Vec<bool> = bytes.chunks(size).map(|part| opening.note(part)).collect();
                let (last, before) = told.split_last().unwrap();
                assert!(*last && !before.contains(&true), "{payload} in {size}s: {told:?}");
                assert!(!opening.note(b"more"));
            }
            // With a request right behind it.
            assert!(Opening::default().note(&[&bytes[..], b"more"].concat()));
            assert!(!Opening::default().note(&bytes[..bytes.len() - 1]));
        }
    }

    #[test]
    fn what_is_something_else_never_becomes_one() {
        for begin in [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/1.1", &opening(6, 8), b"\x16\x03"] {
            let mut opening = Opening::default();
            assert!(!opening.note(begin));
            assert!(matches!(opening, Opening::Over), "{begin:?}");
            assert!(!opening.note(&super::tests::opening(SETTINGS, 0)));
        }
    }
}
