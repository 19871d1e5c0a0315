//! Postgres' times and the system's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::pg::data_types::PgTimestamp;

/// 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds from 1970.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The time that Postgres answered. Times before 1970 become 1970: the service makes none.
pub(crate) fn from_postgres(time: PgTimestamp) -> SystemTime {
    let micros = time.0.saturating_add(POSTGRES_EPOCH);
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The time as Postgres takes it. What is out of its range becomes the nearest end.
pub(crate) fn to_postgres(time: SystemTime) -> PgTimestamp {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Postgres reads the largest number as infinity.
    let micros = i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX);
    PgTimestamp(micros.saturating_sub(POSTGRES_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_went() {
        let time = UNIX_EPOCH + Duration::from_micros(1_711_381_239_123_456);
        assert_eq!(from_postgres(to_postgres(time)), time);
        assert_eq!(to_postgres(UNIX_EPOCH), PgTimestamp(-POSTGRES_EPOCH));
        assert_eq!(from_postgres(PgTimestamp(i64::MIN)), UNIX_EPOCH);
    }
}
