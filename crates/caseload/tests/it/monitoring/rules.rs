//! Reads deploy/prometheus/rules.yaml: not all of YAML, but what that file has.

use super::read;

/// An alert, or a recording rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) is_alert: bool,
    pub(super) expression: String,
}

/// Returns all rules.
pub(super) fn rules() -> Vec<Rule> {
    let text = read("deploy/prometheus/rules.yaml");
    let mut rules: Vec<Rule> = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        let (indent, content) = (line.len() - line.trim_start().len(), line.trim());
        for (key, is_alert) in [("- alert: ", true), ("- record: ", false)] {
            if let Some(name) = content.strip_prefix(key) {
                rules.push(Rule { name: name.to_owned(), is_alert, expression: String::new() });
            }
        }
        let Some(rule) = rules.last_mut() else { continue };
        if let Some(expression) = content.strip_prefix("expr: ") {
            in_block = expression == "|";
            if !in_block {
                expression.clone_into(&mut rule.expression);
            }
        } else if in_block && indent > 8 {
            rule.expression += content;
            rule.expression.push(' ');
        } else {
            in_block = false;
        }
    }
    rules
}

#[test]
fn all_rules_are_read() {
    let text = read("deploy/prometheus/rules.yaml");
    let rules = rules();
    assert_eq!(rules.len(), text.matches("expr: ").count());
    assert!(rules.len() > 15, "{rules:?}");
    for rule in rules {
        assert!(rule.expression.len() > 10, "{rule:?}");
        assert_eq!(rule.is_alert, rule.name.starts_with("Caseload"), "{rule:?}");
    }
}
