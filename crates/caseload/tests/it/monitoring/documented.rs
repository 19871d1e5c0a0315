//! docs/OPERATIONS.md lists every metric, as a server and a gateway under load show them.
//!
//! `UPDATE_DOCS=1 cargo test -p caseload --test it -- documented` writes the list anew.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use super::{
    certificates::Certificates,
    read,
    scrape::{Family, Scrape},
};

const PAGE: &str = "docs/OPERATIONS.md";
const BEGIN: &str = "<!-- metrics: begin -->\n";
const END: &str = "<!-- metrics: end -->\n";

/// Returns the name with which a metric is asked for.
fn name(name: &str, family: &Family) -> String {
    match family.kind.as_str() {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    }
}

fn row(name: &str, family: &Family, of: &str) -> String {
    let labels: BTreeSet<&str> =
        family.samples.iter().flat_map(|sample| sample.labels.keys().map(String::as_str)).collect();
    let labels: Vec<_> =
        labels.into_iter().filter(|it| *it != "le").map(|it| format!("`{it}`")).collect();
    let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
    let unit = family.unit.as_deref().unwrap_or("–");
    let meaning = family.help.trim_end_matches('.').replace('|', "\\|");
    format!("| `{name}` | {} | {labels} | {unit} | {of} | {meaning} |\n", family.kind)
}

fn table(server: &Scrape, gateway: &Scrape) -> String {
    let names: BTreeSet<&String> = server.families.keys().chain(gateway.families.keys()).collect();
    let mut table =
        "| metric | type | labels | unit | of | meaning |\n|---|---|---|---|---|---|\n".to_owned();
    for key in names {
        let of = match (server.families.get(key), gateway.families.get(key)) {
            (Some(family), None) => (family, "server"),
            (None, Some(family)) => (family, "gateway"),
            (Some(family), _) => (family, "both"),
            (None, None) => continue,
        };
        table += &row(&name(key, of.0), of.0, of.1);
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_metrics_are_those_that_are_shown() {
    let certificates = Certificates::create();
    let installation = certificates.start(&["--metrics-per-tenant", "3"]).await;
    installation.work().await;
    let (server, gateway) =
        (installation.server.scrape().await, installation.gateway.scrape().await);
    let table = table(&server, &gateway);

    let page = read(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("the beginning of the table");
    let (documented, after) = rest.split_once(END).expect("the end of the table");
    let table = format!("\n{table}\n");
    if env::var_os("UPDATE_DOCS").is_some() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE);
        fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(table == documented, "write it anew with UPDATE_DOCS=1; it is\n{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_units_and_help_texts_follow_the_conventions() {
    let certificates = Certificates::create();
    let installation = certificates.start(&[]).await;
    installation.work().await;
    for process in [&installation.server, &installation.gateway] {
        for (name, family) in process.scrape().await.families {
            let prefixes = ["caseload_", "grpc_server_", "http_server_", "process_"];
            assert!(prefixes.iter().any(|prefix| name.starts_with(prefix)), "{name}");
            assert!(family.help.ends_with('.') && family.help.len() > 6, "{name}: {}", family.help);
            assert!(!family.help.contains("  "), "{name}: {}", family.help);
            if let Some(unit) = family.unit {
                assert!(name.ends_with(&format!("_{unit}")), "{name}: {unit}");
            }
            assert!(!family.samples.is_empty(), "{name} has no samples");
        }
    }
}
