//! The figures as text: Markdown, for the terminal and for docs/SOAK.md.

use std::fmt::{self, Write as _};

use crate::{
    analysis::{LEAST_SECONDS, Point, median},
    faultless::{WINDOW, is_faultless},
    figures::{Figures, SPARED, name},
    kind::Kind,
    recorder::{Calls, together},
    sampler::Measure,
};

/// Returns all figures, without a title.
pub(crate) fn markdown(figures: &Figures) -> String {
    let mut text = String::new();
    write(figures, &mut text).unwrap();
    text
}

fn write(figures: &Figures, out: &mut String) -> fmt::Result {
    head(figures, out)?;
    checks(figures, out)?;
    minutes(figures, out)?;
    kinds(figures, out)?;
    failures(figures, out)?;
    lives(figures, out)?;
    writeln!(out, "\n`{}`", figures.summary())
}

fn head(figures: &Figures, out: &mut String) -> fmt::Result {
    let Figures { minutes, seed, rate, .. } = figures;
    let all = together(figures.windows.iter());
    let calm = figures.calls_without_faults();
    match figures.highest {
        Some(highest) => writeln!(
            out,
            "{minutes} minutes, seed {seed}: {rate:.0} calls a second, {:.0} % of the {highest:.0} that 64 callers \
             in closed loops got.",
            100.0 * rate / highest
        )?,
        None => {
            writeln!(out, "{minutes} minutes, seed {seed}: {rate:.0} calls a second, as given.")?
        }
    }
    writeln!(
        out,
        "{} calls, of which {} were given up; {} and {} without faults, whose p50 was {:.1} ms, and whose p99 \
         {:.1} ms.",
        all.count(),
        all.failed,
        calm.count(),
        calm.failed,
        calm.quantile_ms(0.5),
        calm.quantile_ms(0.99)
    )?;
    writeln!(out, "{}.", figures.settings.join(", "))?;
    let audit = &figures.audit;
    writeln!(
        out,
        "The audit found {} requests whose tasks or cases are there as they must be; {audit}.",
        audit.intact
    )?;
    if let Some(reason) = &figures.stopped {
        writeln!(out, "\n**The run was stopped: {reason}.**")?;
    }
    Ok(())
}

fn checks(figures: &Figures, out: &mut String) -> fmt::Result {
    if !figures.is_long_enough() {
        writeln!(
            out,
            "\n**Too short for a verdict on growth**: that takes programs that live for at least {:.0} minutes.",
            LEAST_SECONDS / 60.0
        )?;
    }
    let missing = figures.missing();
    if !missing.is_empty() {
        writeln!(out, "\n**Not judged, as samples are missing**: {}.", missing.join(", "))?;
    }
    let checks = figures.checks();
    if checks.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| | before | after | limit | per hour | |\n|---|---|---|---|---|---|")?;
    for check in checks {
        let per_hour = check.per_hour.map_or(String::new(), |slope| format!("{slope:+.1}"));
        writeln!(
            out,
            "| {} | {:.1} | {:.1} | {:.1} | {per_hour} | {} |",
            check.what,
            check.before,
            check.after,
            check.limit,
            if check.is_good { "flat" } else { "**grows**" }
        )?;
    }
    Ok(())
}

fn minutes(figures: &Figures, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "\n| minute | fault | calls | given up | p50 ms | p99 ms | p99 ms without faults | server 1 MiB | \
         gateway 1 MiB | server 1 files | gateway 1 files | server 1 clients | server 1 sessions | waiting | \
         disk MiB |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    let last = figures.windows.last().map_or(0.0, |(at, _)| at + WINDOW);
    let mut minute = 0.0;
    while minute * 60.0 < last {
        let (from, to) = (minute * 60.0, minute * 60.0 + 60.0);
        let is_within = |at: f64| at >= from && at < to;
        let of_minute = figures.windows.iter().filter(|(at, _)| is_within(*at));
        let calm = of_minute.clone().filter(|(at, _)| is_faultless(*at, &figures.faults));
        let (all, calm) = (together(of_minute), together(calm));
        let faults = figures.faults.iter().filter(|fault| is_within(fault.from));
        let faults: Vec<_> = faults
            .map(|fault| format!("{} ({:.1} s)", fault.what, fault.to - fault.from))
            .collect();
        let value = |life, measure| {
            let points = figures.series.get(&(life, measure));
            of_minute_text(points.map_or(&[][..], Vec::as_slice), from, to)
        };
        let [server, gateway] = SPARED;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            minute as u64 + 1,
            faults.join(", "),
            all.count(),
            all.failed,
            quantile(&all, 0.5),
            quantile(&all, 0.99),
            quantile(&calm, 0.99),
            value(server, Measure::MemoryMib),
            value(gateway, Measure::MemoryMib),
            value(server, Measure::Files),
            value(gateway, Measure::Files),
            value(server, Measure::ClientConnections),
            value(server, Measure::DatabaseConnections),
            value(server, Measure::WaitingBatches),
            value(("Postgres", 0), Measure::DiskMib),
        )?;
        minute += 1.0;
    }
    Ok(())
}

/// Returns the median of the values within a time; nothing if there are none.
fn of_minute_text(points: &[Point], from: f64, to: f64) -> String {
    let values = points.iter().filter(|(at, _)| *at >= from && *at < to);
    let median = median(values.map(|(_, value)| *value).collect());
    median.map_or(String::new(), |value| format!("{value:.0}"))
}

fn quantile(calls: &Calls, quantile: f64) -> String {
    if calls.count() == 0 { String::new() } else { format!("{:.1}", calls.quantile_ms(quantile)) }
}

fn kinds(figures: &Figures, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "\n| call | of 1,000 drawn | calls without faults | given up | p50 ms | p99 ms |\n|---|---|---|---|---|---|"
    )?;
    for kind in Kind::all() {
        let Some(calls) = figures.kinds.get(&kind) else { continue };
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            kind.name(),
            kind.weight(),
            calls.count(),
            calls.failed,
            quantile(calls, 0.5),
            quantile(calls, 0.99)
        )?;
    }
    Ok(())
}

fn failures(figures: &Figures, out: &mut String) -> fmt::Result {
    if !figures.failures.is_empty() {
        writeln!(out, "\n| minute | calls given up, by their last reason | |\n|---|---|---|")?;
    }
    for ((minute, reason), count) in &figures.failures {
        writeln!(out, "| {} | {reason} | {count} |", minute + 1)?;
    }
    if !figures.attempts.is_empty() {
        writeln!(out, "\n| attempts that failed, most of which were repeated | |\n|---|---|")?;
    }
    for (reason, count) in &figures.attempts {
        writeln!(out, "| {reason} | {count} |")?;
    }
    Ok(())
}

fn lives(figures: &Figures, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "\n| process | from minute | to | memory at first, MiB | at last | files at last | % of a processor |\
         \n|---|---|---|---|---|---|---|"
    )?;
    let memory = figures.series.iter().filter(|((_, measure), _)| *measure == Measure::MemoryMib);
    for ((life, _), points) in memory {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
        let of = |measure| figures.series.get(&(*life, measure)).map_or(&[][..], Vec::as_slice);
        let files = of(Measure::Files).last().map_or(0.0, |(_, files)| *files);
        let processor = median(of(Measure::CpuPercent).iter().map(|(_, value)| *value).collect());
        writeln!(
            out,
            "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {files:.0} | {:.0} |",
            name(*life),
            first.0 / 60.0,
            last.0 / 60.0,
            first.1,
            last.1,
            processor.unwrap_or_default()
        )?;
    }
    Ok(())
}
