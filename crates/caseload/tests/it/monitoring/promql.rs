//! Finds the metrics and labels that an expression of PromQL names. It reads what the rules and the
//! dashboard have, not all of the language.

use std::collections::BTreeSet;

/// A metric that an expression selects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) metric: String,
    /// The labels that are compared, and with what.
    pub(super) labels: Vec<(String, Matcher)>,
}

/// What a label is compared with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    /// Whether it must not match.
    is_negative: bool,
    /// The values, of which it must match one, as patterns: `.` is any character, `.*` any text.
    pub(super) patterns: Vec<String>,
}

impl Matcher {
    /// Reads an operator and what it compares with: a value, or a regular expression of which this knows
    /// `.`, `.*` and `|`.
    fn read(operator: &str, value: &str) -> Self {
        let is_negative = operator.starts_with('!');
        if !operator.ends_with('~') {
            assert!(!value.contains('.'), "{value}: not told from a pattern");
            return Self { is_negative, patterns: vec![value.to_owned()] };
        }
        assert!(!value.contains(['\\', '(', '[', '+', '?', '^']), "{value}: not read");
        Self { is_negative, patterns: value.split('|').map(str::to_owned).collect() }
    }

    /// Returns whether it selects a value.
    pub(super) fn selects(&self, value: &str) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, value)) != self.is_negative
    }

    /// Returns whether a variable of Grafana is among its patterns.
    pub(super) fn is_variable(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.starts_with('$'))
    }
}

/// Returns whether a value matches a pattern as a whole.
pub(super) fn matches(pattern: &str, value: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix(".*") {
        let mut ends = value.char_indices().map(|(index, _)| &value[index..]).chain([""]);
        return ends.any(|end| matches(rest, end));
    }
    let (mut pattern, mut value) = (pattern.chars(), value.chars());
    match (pattern.next(), value.next()) {
        (None, None) => true,
        (Some(expected), Some(found)) => {
            (expected == '.' || expected == found) && matches(pattern.as_str(), value.as_str())
        }
        _ => false,
    }
}

/// What an expression names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) selectors: Vec<Selector>,
    /// The labels by which it groups or matches.
    pub(super) groups: BTreeSet<String>,
}

/// Words after which a list of labels comes in parentheses.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Other words of the language that are no metrics.
const WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// Reads an expression.
pub(super) fn read(expression: &str) -> Named {
    let mut named = Named::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first == '[' {
            rest = after(rest, ']');
        } else if first == '"' {
            rest = after(&rest[1..], '"');
        } else if first.is_ascii_digit() {
            let is_number = |it: char| it.is_ascii_alphanumeric() || it == '.';
            rest = rest.trim_start_matches(is_number);
        } else if is_of_name(first) {
            let end = rest.find(|it| !is_of_name(it) && !it.is_ascii_digit());
            let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = read_name(name, behind.trim_start(), &mut named);
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    named
}

/// Reads what is behind a name. Returns the rest.
fn read_name<'a>(name: &str, behind: &'a str, named: &mut Named) -> &'a str {
    if BEFORE_LABELS.contains(&name) {
        let Some(list) = behind.strip_prefix('(') else { return behind };
        let (labels, rest) = list.split_once(')').unwrap();
        named.groups.extend(labels.split(',').map(|label| label.trim().to_owned()));
        return rest;
    }
    // An aggregation may have its labels before what it aggregates.
    let is_function = ["(", "by ", "without "].iter().any(|it| behind.starts_with(it));
    if WORDS.contains(&name) || is_function {
        return behind;
    }
    let (labels, rest) = match behind.strip_prefix('{') {
        Some(list) => list.split_once('}').unwrap(),
        None => ("", behind),
    };
    let labels = labels.split("\",").filter(|label| !label.trim().is_empty()).map(|label| {
        let (name, value) = label.split_once('"').unwrap();
        let operator = name.find(['=', '!']).unwrap();
        let (name, operator) = name.split_at(operator);
        let value = value.trim_end_matches('"');
        (name.trim().to_owned(), Matcher::read(operator.trim(), value))
    });
    named.selectors.push(Selector { metric: name.to_owned(), labels: labels.collect() });
    rest
}

fn is_of_name(it: char) -> bool {
    it.is_ascii_alphabetic() || it == '_' || it == ':'
}

fn after(text: &str, end: char) -> &str {
    text.split_once(end).unwrap().1
}

#[test]
fn metrics_and_labels_are_found_and_functions_and_words_are_not() {
    let named = read(
        r#"histogram_quantile(0.99, sum by (le, kind) (rate(a_bucket{job=~"$job",b="c d"}[5m]))) > 1.5e3
           and x:y:rate5m / ignoring (place) z unless count(up{n!="1"} offset 5m) or vector(1)"#,
    );
    let label =
        |name: &str, operator: &str, value: &str| (name.to_owned(), Matcher::read(operator, value));
    let selector = |metric: &str, labels| Selector { metric: metric.to_owned(), labels };
    assert_eq!(
        named.selectors,
        [
            selector("a_bucket", vec![label("job", "=~", "$job"), label("b", "=", "c d")]),
            selector("x:y:rate5m", vec![]),
            selector("z", vec![]),
            selector("up", vec![label("n", "!=", "1")]),
        ]
    );
    assert_eq!(named.groups.into_iter().collect::<Vec<_>>(), ["kind", "le", "place"]);
}

#[test]
fn patterns_match_as_a_whole() {
    let is_selected = |operator, value, found| Matcher::read(operator, value).selects(found);
    assert!(is_selected("=", "a", "a") && !is_selected("=", "a", "ab"));
    assert!(is_selected("!=", "a", "b") && !is_selected("!=", "a", "a"));
    assert!(is_selected("=~", "a|b.", "bc") && !is_selected("=~", "a|b.", "b"));
    assert!(is_selected("=~", "/api/.*", "/api/v2") && !is_selected("=~", "/api/.*", "/docs"));
    assert!(is_selected("=~", ".*a.*b", "xaxbab") && !is_selected("=~", ".*a.*b", "xaxbabx"));
    assert!(is_selected("!~", "5..", "404") && !is_selected("!~", "5..", "504"));
}
