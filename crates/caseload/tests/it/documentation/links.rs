//! Each relative link leads to a file, and to a heading of it.

use std::path::{Component, Path, PathBuf};

use super::page::{Page, pages, root};

#[test]
fn all_relative_links_lead_somewhere() {
    let mut broken = vec![];
    let mut count = 0;
    for page in pages() {
        for target in targets(&page.prose()) {
            count += 1;
            if let Some(why) = fault(&page, &target) {
                broken.push(format!("{}: {target}: {why}", page.name));
            }
        }
    }
    assert!(count > 100, "links are found: {count}");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Returns where the links of a text lead, without those to other hosts.
fn targets(prose: &str) -> Vec<String> {
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let relative = targets.map(|(target, _)| target).filter(|target| !target.contains("://"));
    relative.map(str::to_owned).collect()
}

/// Returns what is wrong with a link, if anything is.
fn fault(page: &Page, target: &str) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let directory = Path::new(&page.name).parent().unwrap();
    let Some(path) = resolve(&directory.join(path)) else {
        return Some("leads out of the project".to_owned());
    };
    let path = if target.starts_with('#') { PathBuf::from(&page.name) } else { path };
    if !root().join(&path).exists() {
        return Some("there is no such file".to_owned());
    }
    if anchor.is_empty() {
        return None;
    }
    let name = path.to_str().unwrap();
    if !name.ends_with(".md") {
        return Some("only pages have anchors".to_owned());
    }
    let is_there = Page::read(name).anchors().iter().any(|other| other == anchor);
    (!is_there).then(|| "there is no such heading".to_owned())
}

/// Resolves `..` in a path from the root of the project; `None` if it leads out of there.
fn resolve(path: &Path) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if !resolved.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            other => resolved.push(other),
        }
    }
    Some(resolved)
}

#[test]
fn broken_links_are_found() {
    let page = Page { name: "docs/API.md".to_owned(), text: String::new() };
    for target in ["#errors", "API.md#errors", "../README.md", "../proto/caseload", "clients"] {
        assert_eq!(fault(&page, target), None, "{target}");
    }
    for target in ["#no-such", "NONE.md", "../README.md#no-such", "../../etc", "../Makefile#run"] {
        assert!(fault(&page, target).is_some(), "{target}");
    }
    assert_eq!(targets("[a](b.md#c), [d\ne](f) and [g](https://h.example/)"), ["b.md#c", "f"]);
}
