//! The chaos test and the hostile test make every call of the contract: a new one can't be forgotten there.

use std::{fs, path::Path};

use proto::wire::METHODS;

const HOSTILE_PAGE: &str = include_str!("../../../../../docs/HOSTILE.md");

/// Returns the sources of a suite.
fn sources(suite: &str) -> Vec<String> {
    let mut sources = Vec::new();
    add_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(suite), &mut sources);
    assert!(sources.len() > 10, "{suite} is read");
    sources
}

fn add_sources(directory: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// Returns the name of a method of a client: `ListCases` is `list_cases`.
fn snake_case(method: &str) -> String {
    let mut name = String::new();
    for letter in method.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// Services have methods of the same name, so each file has the client of one service only.
#[test]
fn the_chaos_test_makes_every_call_of_the_contract() {
    let sources = sources("chaos");
    let client = |path: &str| {
        let (service, _) = path.rsplit_once('/').unwrap();
        format!("{}Client::new(", service.rsplit('.').next().unwrap())
    };
    let mut clients: Vec<_> = METHODS.iter().map(|(path, _)| client(path)).collect();
    clients.sort_unstable();
    clients.dedup();
    for source in &sources {
        let its: Vec<_> = clients.iter().filter(|client| source.contains(*client)).collect();
        assert!(its.len() < 2, "a file has {its:?}");
    }
    for (path, _) in METHODS {
        let call = format!(".{}(", snake_case(path.rsplit('/').next().unwrap()));
        let is_made =
            sources.iter().any(|source| source.contains(&client(path)) && source.contains(&call));
        assert!(is_made, "the chaos test never calls {path}");
    }
}

/// That each of these calls takes place, and succeeds, is checked by the run itself.
#[test]
fn the_hostile_test_makes_every_call_of_the_contract() {
    let sources = sources("hostile");
    for (path, _) in METHODS {
        let literal = format!("\"{}\"", path.trim_start_matches('/'));
        let is_made = sources.iter().any(|source| source.contains(&literal));
        assert!(is_made, "the hostile test never calls {path}");
    }
}

#[test]
fn the_page_of_the_hostile_test_has_every_case() {
    let sources = sources("hostile");
    let table = sources.iter().find(|source| source.contains("const CASES: &[Case]")).unwrap();
    let names = table.split("name: \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let names: Vec<_> = names.collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let row = format!("| `{name}` |");
        assert!(HOSTILE_PAGE.contains(&row), "docs/HOSTILE.md lacks: {row}");
    }
}
