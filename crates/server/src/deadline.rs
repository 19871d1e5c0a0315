//! The time that a caller gives.

use std::{future::Future, time::Duration};

use domain::Error;
use tokio::time::timeout;
use tonic::metadata::MetadataMap;

/// Runs a call within its `grpc-timeout`, where it has one.
///
/// tonic has such a limit too, but answers CANCELLED, which proxies take for the caller's own
/// wish, and some send the call again. This one is set earlier and asked first, so it answers.
pub(crate) async fn within<T>(
    metadata: &MetadataMap,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match grpc_timeout(metadata) {
        Some(limit) => timeout(limit, call).await.unwrap_or(Err(Error::DeadlineExceeded)),
        None => call.await,
    }
}

/// The time-out of the gRPC protocol: at most eight digits and a unit. One that is malformed
/// counts as none, as it does for tonic.
fn grpc_timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<Duration> {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", value.parse().unwrap());
        grpc_timeout(&metadata)
    }

    #[test]
    fn reads_each_unit_and_nothing_else() {
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("5m"), Some(Duration::from_millis(5)));
        assert_eq!(read("6u"), Some(Duration::from_micros(6)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        for text in ["", "S", "5", "123456789S", "-1S", "+1S", "1.5S", "1s", "1 S"] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(grpc_timeout(&MetadataMap::new()), None);
    }
}
