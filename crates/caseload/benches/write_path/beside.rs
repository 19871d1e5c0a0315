//! Compares two builds that have taken turns.

use std::fmt::Write as _;

use crate::{
    cell::{Cell, Contender},
    measure::Measurement,
};

/// Returns a line for each pair of cells that differ only in the build: the rate of the present build to that of the other
/// one, as the ratio of the medians, that of the means, and the median of the ratios of each round.
pub(crate) fn compare(cells: &[Cell], measurements: &[Vec<Measurement>]) -> String {
    let rates = |of: &Cell| -> Vec<f64> {
        let index = cells.iter().position(|cell| cell == of).unwrap();
        measurements[index].iter().map(Measurement::rate).collect()
    };
    let mut text = String::new();
    for cell in cells.iter().filter(|cell| cell.contender == Contender::Beside) {
        let other = rates(cell);
        let present = rates(&Cell { contender: Contender::Grpc, ..*cell });
        let pairs: Vec<f64> = present.iter().zip(&other).map(|(one, other)| one / other).collect();
        let quartiles = [0.25, 0.75].map(|fraction| quantile(&pairs, fraction));
        writeln!(
            text,
            "beside c={} rounds={}: medians={:.3} means={:.3} rounds_median={:.3} \
             rounds_quartiles={:.3}…{:.3}",
            cell.concurrency,
            pairs.len(),
            quantile(&present, 0.5) / quantile(&other, 0.5),
            present.iter().sum::<f64>() / other.iter().sum::<f64>(),
            quantile(&pairs, 0.5),
            quartiles[0],
            quartiles[1],
        )
        .unwrap();
    }
    text.trim_end().to_owned()
}

/// Returns a quantile, between the two nearest values.
fn quantile(values: &[f64], fraction: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = fraction * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}
