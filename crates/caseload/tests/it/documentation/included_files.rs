//! A block after `<!-- file: PATH -->` is that file of docs/, in full.
//!
//! `UPDATE_DOCS=1 cargo test -p caseload --test it -- documentation` writes the blocks anew.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::page::{Page, pages, root};

#[test]
fn pages_show_files_as_they_are() {
    for page in pages() {
        let updated = with_files(&page);
        if updated == page.text {
            continue;
        }
        assert!(
            env::var_os("UPDATE_DOCS").is_some(),
            "{} shows a file as it was: UPDATE_DOCS=1 cargo test -p caseload --test it -- documentation",
            page.name
        );
        fs::write(root().join(&page.name), updated).unwrap();
    }
}

/// Returns the text of a page with its files as they are now.
fn with_files(page: &Page) -> String {
    let mut updated = page.text.clone();
    for block in page.blocks() {
        let Some(path) = block.marker.and_then(|marker| marker.strip_prefix("file: ")) else {
            continue;
        };
        let file = fs::read_to_string(root().join("docs").join(path));
        let file = file.unwrap_or_else(|error| panic!("{}: {path}: {error}", page.name));
        assert!(!file.contains("```"), "{path} would end its block");
        let before = format!("<!-- file: {path} -->\n```{}\n", block.language);
        let shown = format!("{before}{}```\n", block.content);
        assert!(updated.contains(&shown), "{}: the block of {path} follows its marker", page.name);
        updated = updated.replacen(&shown, &format!("{before}{file}```\n"), 1);
    }
    updated
}

#[test]
fn the_page_about_clients_names_each_of_their_files() {
    let page = Page::read("docs/CLIENTS.md");
    let files = files_below(&root().join("docs/clients"));
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let name = file.strip_prefix(root().join("docs")).unwrap().to_str().unwrap();
        let is_named = page.text.contains(&format!("<!-- file: {name} -->"))
            || page.text.contains(&format!("]({name})"));
        assert!(is_named, "docs/CLIENTS.md neither shows {name} nor links to it");
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
