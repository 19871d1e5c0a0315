//! Each alert has its paragraph in docs/OPERATIONS.md.

use super::{read, rules::rules};

#[test]
fn each_alert_is_explained_with_what_to_do_and_no_other() {
    let page = read("docs/OPERATIONS.md");
    let alerts = rules().into_iter().filter(|rule| rule.is_alert).map(|rule| rule.name);
    let alerts: Vec<String> = alerts.collect();
    let sections: Vec<(&str, &str)> = page
        .split("\n#### ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .filter(|(title, _)| title.starts_with("Caseload"))
        .collect();
    let explained: Vec<&str> = sections.iter().map(|(title, _)| *title).collect();
    assert_eq!(explained, alerts);
    for (title, text) in sections {
        let text = text.split("\n## ").next().unwrap();
        for part in ["**What it means.** ", "**What to do.** "] {
            let said = text.split_once(part).map(|(_, said)| said);
            assert!(said.is_some_and(|said| said.len() > 40), "{title} lacks {part}: {text}");
        }
    }
}
