//! A figure of several rounds.

use serde_json::{Value, json};

/// The median of the rounds, and their range.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Figure {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let (middle, last) = (values.len() / 2, values.len() - 1);
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Self { median, min: values[0], max: values[last] }
    }

    pub(crate) fn to_json(self) -> Value {
        json!({"median": self.median, "min": self.min, "max": self.max})
    }
}
