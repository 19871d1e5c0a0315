//! Times, as the documented JSON has them.

use proto::Timestamp;

/// Writes times, and keeps the last one: the tasks of a batch have the same time, and writing it
/// takes longer than converting all else of a task.
#[derive(Debug, Default)]
pub(crate) struct Times {
    last: Option<(i64, String)>,
}

impl Times {
    /// Returns a time as documented: ISO 8601 in UTC, cut to whole seconds, as in
    /// `2024-03-25T15:40:39Z`.
    pub(crate) fn write(&mut self, Timestamp { seconds, .. }: Timestamp) -> String {
        match &self.last {
            Some((last, text)) if *last == seconds => text.clone(),
            _ => {
                let text = Timestamp { seconds, nanos: 0 }.to_string();
                self.last = Some((seconds, text.clone()));
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_whole_seconds() {
        let mut times = Times::default();
        let mut write = |seconds, nanos| times.write(Timestamp { seconds, nanos });
        assert_eq!(write(1_711_381_239, 999_999_999), "2024-03-25T15:40:39Z");
        assert_eq!(write(1_711_381_239, 0), "2024-03-25T15:40:39Z");
        assert_eq!(write(1_711_381_240, 0), "2024-03-25T15:40:40Z");
    }
}
