//! Points in time, as callers send them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Reason, Rule};

/// A point in time, as the caller sent it: seconds since 1970, and nanoseconds after those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// The seconds; negative before 1970.
    pub seconds: i64,
    /// The nanoseconds.
    pub nanos: i32,
}

impl Time {
    /// Broken by a time that is out of range.
    pub const INVALID: Rule = Rule {
        reason: Reason::InvalidTime,
        description: "a time is in the years 1 to 9999, with 0 to 999,999,999 nanoseconds",
    };

    /// Checks that the time is one that google.protobuf.Timestamp allows.
    ///
    /// # Errors
    /// [`Self::INVALID`].
    pub(crate) fn parse(self) -> Result<SystemTime, &'static Rule> {
        self.check().ok_or(&Self::INVALID)
    }

    fn check(self) -> Option<SystemTime> {
        // 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
        const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
        let nanos = u32::try_from(self.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        if !RANGE.contains(&self.seconds) {
            return None;
        }
        let seconds = Duration::from_secs(self.seconds.unsigned_abs());
        let time = match self.seconds < 0 {
            true => UNIX_EPOCH.checked_sub(seconds)?,
            false => UNIX_EPOCH.checked_add(seconds)?,
        };
        time.checked_add(Duration::from_nanos(nanos.into()))
    }
}

/// Returns what tells a filter by this time from others, of which `None` is none: microseconds since
/// 1970, as the database stores times.
pub(crate) fn micros(time: Option<SystemTime>) -> i128 {
    let micros = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_micros()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_micros()).unwrap_or(i128::MAX),
    };
    // Past every time in microseconds that the wire can carry.
    time.map_or(i128::MAX, micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_range_of_timestamps() {
        for (seconds, nanos, is_valid) in [
            (0, 0, true),
            (-62_135_596_800, 0, true),
            (-62_135_596_801, 999_999_999, false),
            (253_402_300_799, 999_999_999, true),
            (253_402_300_800, 0, false),
            (0, -1, false),
            (0, 1_000_000_000, false),
            (i64::MIN, i32::MIN, false),
            (i64::MAX, i32::MAX, false),
        ] {
            assert_eq!(Time { seconds, nanos }.parse().is_ok(), is_valid, "{seconds} {nanos}");
        }
        let before = Time { seconds: -1, nanos: 999_000_000 }.parse();
        assert_eq!(before, Ok(UNIX_EPOCH - Duration::from_millis(1)));
    }
}
