//! Plots throughput and p99 over concurrency.

use std::path::Path;

use plotters::prelude::*;

use crate::{
    cell::Contender,
    load::figure::Figure,
    report::{Report, Row},
    work::{Spread, Work},
};

const CONTENDERS: [(Contender, RGBColor); 5] = [
    (Contender::Grpc, RGBColor(0, 90, 181)),
    (Contender::Keyed, RGBColor(120, 170, 230)),
    (Contender::Rest, RGBColor(64, 176, 166)),
    (Contender::Pgbench, RGBColor(220, 50, 32)),
    (Contender::Plain, RGBColor(140, 140, 140)),
];

/// Draws the results of the sample batch with ten tenants: throughput beside p99.
pub(crate) fn draw(report: &Report, path: &Path) {
    let root = SVGBackend::new(path, (960, 400)).into_drawing_area();
    root.fill(&WHITE).unwrap();
    let (left, right) = root.split_horizontally(480);
    panel(&left, "batches a second", report, |row| row.rate);
    panel(&right, "p99 in ms", report, |row| row.p99_ms);
    root.present().unwrap();
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    report: &Report,
    figure: fn(&Row) -> Figure,
) {
    let rows = |contender| {
        report.rows().iter().filter(move |row| {
            row.cell.contender == contender
                && row.cell.work == Work::Sample
                && row.cell.spread == Spread::Tenants
        })
    };
    let highest = CONTENDERS
        .iter()
        .flat_map(|(contender, _)| rows(*contender))
        .map(|row| figure(row).median)
        .fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d((1f64..128f64).log_scale().base(2.0), 0f64..highest * 1.1)
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("requests at a time")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .light_line_style(WHITE)
        .draw()
        .unwrap();
    for (contender, colour) in CONTENDERS {
        let points: Vec<_> =
            rows(contender).map(|row| (row.cell.concurrency as f64, figure(row).median)).collect();
        if points.is_empty() {
            continue;
        }
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))
            .unwrap()
            .label(contender.to_string())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart
            .draw_series(points.into_iter().map(|at| Circle::new(at, 3, colour.filled())))
            .unwrap();
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .position(SeriesLabelPosition::UpperLeft)
        .draw()
        .unwrap();
}
