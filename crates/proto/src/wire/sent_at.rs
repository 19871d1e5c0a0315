//! When a call was sent, by the clock of its sender.

use std::{fmt, str::FromStr};

/// When a call was sent. The clock starts with the sender's process and has nothing to do with the time
/// of day, so only the times of one clock can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentAt {
    /// Names the clock: a random number of the sender's process.
    pub clock: u64,
    /// The time in microseconds.
    pub micros: u64,
}

/// As the header [`super::header::SENT_AT`] has it.
impl fmt::Display for SentAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{:x}", self.clock, self.micros)
    }
}

/// The text is not that of a [`SentAt`].
#[derive(Debug)]
pub struct MalformedSentAt;

impl FromStr for SentAt {
    type Err = MalformedSentAt;

    fn from_str(text: &str) -> Result<Self, MalformedSentAt> {
        let (clock, micros) = text.split_once(':').ok_or(MalformedSentAt)?;
        let parse = |digits| u64::from_str_radix(digits, 16).map_err(|_| MalformedSentAt);
        Ok(Self { clock: parse(clock)?, micros: parse(micros)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_was_written() {
        for sent_at in
            [SentAt { clock: 0, micros: 0 }, SentAt { clock: u64::MAX, micros: 1_234_567 }]
        {
            assert_eq!(sent_at.to_string().parse::<SentAt>().unwrap(), sent_at);
        }
        for text in ["", ":", "1", "1:", ":1", "1:g", "1:1:1", "1:10000000000000000"] {
            assert!(text.parse::<SentAt>().is_err(), "{text}");
        }
    }
}
