//! Reads the text format of OpenMetrics, as strictly as a test may.

use std::collections::BTreeMap;

/// The metrics of a process.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    pub(super) families: BTreeMap<String, Family>,
}

/// All samples of a metric.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) unit: Option<String>,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

/// A value.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
    /// What comes after the value, without the `#`.
    pub(super) exemplar: Option<String>,
}

impl Scrape {
    /// Parses the text, in which every metric is described before its samples, and once.
    pub(super) fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        let mut current = String::new();
        let lines = text.strip_suffix("# EOF\n").expect("the end of the metrics").lines();
        for line in lines {
            let Some(description) = line.strip_prefix("# ") else {
                let sample = Sample::parse(line);
                let family = scrape.families.get_mut(&current).unwrap();
                let suffix = sample.name.strip_prefix(&current);
                let suffix = suffix.unwrap_or_else(|| panic!("{line} is not of {current}"));
                assert!(allowed(&family.kind).contains(&suffix), "{line}: {}", family.kind);
                family.samples.push(sample);
                continue;
            };
            let (keyword, rest) = description.split_once(' ').unwrap();
            let (name, value) = rest.split_once(' ').unwrap();
            if keyword == "HELP" {
                name.clone_into(&mut current);
                let family = Family { help: value.to_owned(), ..Family::default() };
                let former = scrape.families.insert(name.to_owned(), family);
                assert!(former.is_none(), "{name} is described twice");
            }
            assert_eq!(name, current, "{line}");
            let family = scrape.families.get_mut(name).unwrap();
            match keyword {
                "HELP" => {}
                "TYPE" => value.clone_into(&mut family.kind),
                "UNIT" => family.unit = Some(value.to_owned()),
                _ => panic!("{line}"),
            }
        }
        scrape
    }

    /// Returns all samples.
    pub(super) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.families.values().flat_map(|family| &family.samples)
    }

    /// Returns the samples with this name that have these labels, and maybe others.
    pub(super) fn with<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples().filter(move |sample| {
            let has = |(label, value): &(&str, &str)| {
                sample.labels.get(*label).is_some_and(|it| it == value)
            };
            sample.name == name && labels.iter().all(has)
        })
    }

    /// Returns the sum of the samples with this name that have these labels. There must be one.
    #[track_caller]
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let values: Vec<f64> = self.with(name, labels).map(|sample| sample.value).collect();
        assert!(!values.is_empty(), "there is no {name} with {labels:?}");
        values.iter().sum()
    }

    /// Adds the metrics of another process.
    pub(super) fn merge(&mut self, other: Self) {
        for (name, family) in other.families {
            let merged = self.families.entry(name).or_default();
            let samples = std::mem::take(&mut merged.samples);
            *merged = Family { samples, ..family_description(&family) };
            merged.samples.extend(family.samples);
        }
    }
}

fn family_description(Family { kind, unit, help, .. }: &Family) -> Family {
    let (kind, unit, help) = (kind.clone(), unit.clone(), help.clone());
    Family { kind, unit, help, samples: Vec::new() }
}

/// Returns what the names of samples end with, for each type of metric.
fn allowed(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => panic!("the type {kind}"),
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (sample, exemplar) = match line.split_once(" # ") {
            Some((sample, exemplar)) => (sample, Some(exemplar.to_owned())),
            None => (line, None),
        };
        let (series, value) = sample.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
        let labels = labels.split_terminator("\",").map(|label| {
            let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        });
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        Self { name: name.to_owned(), labels: labels.collect(), value, exemplar }
    }
}
