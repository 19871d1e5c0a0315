//! Draws the run: memory, connections and files, the time of calls, and how many were answered.

use std::{fs, path::Path};

use plotters::{coord::Shift, prelude::*};

use crate::{
    analysis::Point,
    faultless::{Fault, WINDOW},
    figures::Figures,
    recorder::quantiles,
    sampler::Measure,
};

const SIZE: (u32, u32) = (960, 1040);

/// Colours that are readable on white and on black.
const BLUE: RGBColor = RGBColor(47, 129, 247);
const GREEN: RGBColor = RGBColor(45, 150, 70);
const ORANGE: RGBColor = RGBColor(210, 110, 20);
const PURPLE: RGBColor = RGBColor(150, 100, 230);
const GREY: RGBColor = RGBColor(125, 133, 144);

/// What turns black on white into white on black for readers who prefer that. Attributes of SVG have less
/// weight than any rule.
const DARK: &str = "<style>@media (prefers-color-scheme: dark) {\
    [fill=\"#FFFFFF\"] { fill: #0d1117 } [stroke=\"#FFFFFF\"] { stroke: #0d1117 } [fill=\"#000000\"] { fill: #e6edf3 } \
    [stroke=\"#000000\"] { stroke: #8b949e } [stroke=\"#E6E6E6\"] { stroke: #30363d } }</style>";

/// The lines of the grid, and the marks of faults.
const GRID: RGBColor = RGBColor(230, 230, 230);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Lines with one label: several ones if a program was restarted.
struct Lines {
    label: &'static str,
    colour: RGBColor,
    parts: Vec<Vec<Point>>,
}

/// One of the plots, one below the other.
struct Panel {
    title: &'static str,
    lines: Vec<Lines>,
    /// Whether each line of the grid stands for ten times as much as the one before.
    is_logarithmic: bool,
}

/// Draws a run into a file.
pub(crate) fn draw(figures: &Figures, path: &Path) {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).unwrap();
    let panels = [memory(figures), connections(figures), latency(figures), rate(figures)];
    let areas = root.split_evenly((panels.len(), 1));
    let minutes = figures.windows.last().map_or(1.0, |(at, _)| (at + WINDOW) / 60.0);
    for (panel, area) in panels.iter().zip(&areas) {
        panel.draw(area, minutes, &figures.faults);
    }
    root.present().unwrap();
    drop(areas);
    drop(root);
    let svg = fs::read_to_string(path).unwrap();
    let (head, rest) = svg.split_once('\n').unwrap();
    fs::write(path, format!("{head}\n{DARK}\n{rest}")).unwrap();
}

fn memory(figures: &Figures) -> Panel {
    let of = |name, label, colour| program(figures, Measure::MemoryMib, name, label, colour);
    Panel {
        title: "memory (RSS) in MiB; each vertical line is a fault",
        lines: vec![
            of("server 2", "server 2, which is restarted", GREY),
            of("gateway 2", "gateway 2, which is restarted", ORANGE),
            of("server 1", "server 1", BLUE),
            of("gateway 1", "gateway 1", GREEN),
        ],
        is_logarithmic: false,
    }
}

fn connections(figures: &Figures) -> Panel {
    Panel {
        title: "connections and open files",
        lines: vec![
            program(figures, Measure::Files, "server 1", "files of server 1", BLUE),
            program(figures, Measure::Files, "gateway 1", "files of gateway 1", GREEN),
            program(figures, Measure::ClientConnections, "server 1", "clients of server 1", PURPLE),
            program(
                figures,
                Measure::DatabaseConnections,
                "server 1",
                "server 1 to Postgres",
                ORANGE,
            ),
        ],
        is_logarithmic: false,
    }
}

fn latency(figures: &Figures) -> Panel {
    let line = |label, colour, quantile| Lines {
        label,
        colour,
        parts: vec![quantiles(&figures.windows, quantile)],
    };
    Panel {
        title: "time of calls in ms, from when they were due, in windows of 5 s",
        lines: vec![line("p99", BLUE, 0.99), line("p50", GREEN, 0.5)],
        is_logarithmic: true,
    }
}

fn rate(figures: &Figures) -> Panel {
    let line = |label, colour, count: fn(u64, u64) -> u64| {
        let windows = figures.windows.iter();
        let points =
            windows.map(|(at, calls)| (*at, count(calls.count(), calls.failed) as f64 / WINDOW));
        Lines { label, colour, parts: vec![points.collect()] }
    };
    Panel {
        title: "calls a second, by when they were due",
        lines: vec![
            line("answered", BLUE, |all, failed| all - failed),
            line("given up", ORANGE, |_, failed| failed),
        ],
        is_logarithmic: false,
    }
}

/// Returns a measure of all processes with a name.
fn program(
    figures: &Figures,
    measure: Measure,
    name: &str,
    label: &'static str,
    colour: RGBColor,
) -> Lines {
    let lives = figures.lives_of(measure).filter(|((other, _), _)| *other == name);
    Lines { label, colour, parts: lives.map(|(_, points)| points.to_vec()).collect() }
}

impl Panel {
    fn draw(&self, area: &Area<'_>, minutes: f64, faults: &[Fault]) {
        let height = |value: f64| if self.is_logarithmic { value.max(1.0).log10() } else { value };
        let points = self.lines.iter().flat_map(|lines| lines.parts.iter().flatten());
        // Leaves room for the legend.
        let highest = points.map(|(_, value)| height(*value)).fold(1.0, f64::max) * 1.5;
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, ("sans-serif", 17))
            .margin(10)
            .x_label_area_size(32)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..minutes, 0.0..highest)
            .unwrap();
        let is_logarithmic = self.is_logarithmic;
        chart
            .configure_mesh()
            .x_desc("minutes")
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(WHITE)
            .max_light_lines(1)
            .y_label_formatter(&move |y| {
                format!("{:.0}", if is_logarithmic { 10_f64.powf(*y) } else { *y })
            })
            .draw()
            .unwrap();
        for fault in faults {
            let at = fault.from / 60.0;
            let mark = PathElement::new([(at, 0.0), (at, highest)], GREY.stroke_width(1));
            chart.draw_series([mark]).unwrap();
        }
        for Lines { label, colour, parts } in &self.lines {
            for (number, part) in parts.iter().enumerate() {
                let points = part.iter().map(|(at, value)| (at / 60.0, height(*value)));
                let line = LineSeries::new(points, colour.stroke_width(2));
                let drawn = chart.draw_series(line).unwrap();
                if number == 0 {
                    let style = colour.stroke_width(2);
                    drawn
                        .label(*label)
                        .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
                }
            }
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.filled())
            .position(SeriesLabelPosition::UpperRight)
            .draw()
            .unwrap();
    }
}
