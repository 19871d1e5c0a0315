//! Conversion between Postgres' times and the system's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::pg::data_types::PgTimestamp;
use domain::Precondition;

/// 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds from 1970.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// Returns Postgres' time as the system's. Times before 1970 become 1970: the service creates none.
pub(crate) fn from_postgres(time: PgTimestamp) -> SystemTime {
    let micros = time.0.saturating_add(POSTGRES_EPOCH);
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Returns the system's time as Postgres'. A time out of Postgres' range becomes the nearest in it.
pub(crate) fn to_postgres(time: SystemTime) -> PgTimestamp {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Postgres reads the largest number as infinity.
    let micros = i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX);
    PgTimestamp(micros.saturating_sub(POSTGRES_EPOCH))
}

/// Returns Postgres' time of this many microseconds since 1970.
pub(crate) fn from_micros(micros: i64) -> PgTimestamp {
    PgTimestamp(micros.saturating_sub(POSTGRES_EPOCH))
}

/// Returns Postgres' time as microseconds since 1970.
pub(crate) fn to_micros(time: PgTimestamp) -> i64 {
    time.0.saturating_add(POSTGRES_EPOCH)
}

/// Returns the times at which something may have been changed last, at least one; `None` if that does
/// not matter.
pub(crate) fn allowed_times(precondition: &Precondition) -> Option<Vec<PgTimestamp>> {
    match precondition {
        Precondition::None => None,
        // Negative infinity, the time of nothing.
        Precondition::OneOf(etags) if etags.is_empty() => Some(vec![PgTimestamp(i64::MIN)]),
        Precondition::OneOf(etags) => {
            Some(etags.iter().map(|etag| to_postgres(etag.updated_at())).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_conversion_there_and_back() {
        let time = UNIX_EPOCH + Duration::from_micros(1_711_381_239_123_456);
        assert_eq!(from_postgres(to_postgres(time)), time);
        assert_eq!(to_postgres(UNIX_EPOCH), PgTimestamp(-POSTGRES_EPOCH));
        assert_eq!(from_postgres(PgTimestamp(i64::MIN)), UNIX_EPOCH);
    }
}
