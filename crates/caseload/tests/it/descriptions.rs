//! Descriptions in all scripts and with odd characters.

use serde_json::json;

use crate::support::{App, create_over_grpc, new_task};

#[tokio::test(flavor = "multi_thread")]
async fn a_description_is_trimmed_and_otherwise_stored_unchanged() {
    let app = App::start().await;
    let longest = "🚀".repeat(10_000);
    let table = [
        (" \t\r\n call them \n", "call them"),
        ("\u{2003}\u{a0}inner  \t white\u{3000}space\u{2028}", "inner  \t white\u{3000}space"),
        // Composed and decomposed forms look alike and are not normalized.
        ("caf\u{e9}", "caf\u{e9}"),
        ("cafe\u{301}", "cafe\u{301}"),
        (
            "👩\u{200d}👩\u{200d}👧\u{200d}👦 🏳\u{fe0f}\u{200d}🌈",
            "👩\u{200d}👩\u{200d}👧\u{200d}👦 🏳\u{fe0f}\u{200d}🌈",
        ),
        ("مرحبا \u{202e}abc\u{202c} שלום", "مرحبا \u{202e}abc\u{202c} שלום"),
        ("Z\u{351}\u{346}\u{33a}a\u{315}\u{31b}lgo", "Z\u{351}\u{346}\u{33a}a\u{315}\u{31b}lgo"),
        // Neither of these is white space in Unicode.
        ("\u{feff}mark\u{200b}", "\u{feff}mark\u{200b}"),
        ("\u{1}\u{7f}\u{9f} controls", "\u{1}\u{7f}\u{9f} controls"),
        (
            r#"quotes " ' \ / `$1` {"a":1} %s \u0000 -- '); DROP TABLE tasks"#,
            r#"quotes " ' \ / `$1` {"a":1} %s \u0000 -- '); DROP TABLE tasks"#,
        ),
        ("\u{10ffff}\u{fffd}\u{e000}", "\u{10ffff}\u{fffd}\u{e000}"),
        (&longest, &longest),
        (&format!("\n{longest}\n"), &longest),
    ];
    let kept: Vec<_> = table.iter().map(|(_, kept)| *kept).collect();

    // Once as UTF-8, once with every UTF-16 unit escaped, surrogate pairs included.
    for tasks in [
        table.iter().map(|(given, _)| format!(r#"{{"description":{}}}"#, json!(given))).collect(),
        table
            .iter()
            .map(|(given, _)| format!(r#"{{"description":{}}}"#, escaped(given)))
            .collect::<Vec<_>>(),
    ] {
        let reply = app.create(format!(r#"{{"tasks":[{}]}}"#, tasks.join(","))).await;
        assert_eq!(reply.descriptions(), kept);
    }

    let tasks = table.iter().map(|(given, _)| new_task(given, &[])).collect();
    let created = create_over_grpc(&app, tasks).await;
    assert!(created.iter().map(|task| task.description.as_str()).eq(kept.iter().copied()));

    let stored = app
        .database
        .query("SELECT encode(convert_to(description, 'UTF8'), 'hex') FROM tasks ORDER BY id");
    let hex = |text: &&str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let expected: Vec<_> = [&kept, &kept, &kept].into_iter().flatten().map(hex).collect();
    assert!(stored.lines().eq(expected), "{stored:.2000}");
}

/// Returns a JSON string in which every UTF-16 unit is escaped.
fn escaped(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}
