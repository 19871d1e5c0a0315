//! Each block of commands is run by a test, or says why it is not.

use super::page::{Page, pages};

/// The names of the blocks that tests run: in `<!-- run: NAME -->` before a block.
const RUN: [&str; 17] = [
    "base backup",
    "command line",
    "connect",
    "database roles",
    "directory imports",
    "health",
    "installation",
    "key rotation",
    "promotion",
    "readme",
    "recovered ids",
    "recovery",
    "removal of row-level security",
    "row-level security",
    "synchronous standby",
    "tutorial",
    "wal archive",
];

/// The languages of blocks that a reader pastes into a shell.
const SHELLS: [&str; 5] = ["sh", "bash", "shell", "zsh", "console"];

/// Returns the blocks of a page that have this name, in their order.
pub(super) fn commands_to_run(page: &str, name: &str) -> Vec<String> {
    assert!(RUN.contains(&name), "{name} is not listed");
    let marker = format!("run: {name}");
    let page = Page::read(page);
    let blocks = page.blocks().into_iter().filter(|block| block.marker == Some(&*marker));
    let commands: Vec<_> = blocks.map(|block| block.content).collect();
    assert!(!commands.is_empty(), "{}: no block has the marker {marker}", page.name);
    commands
}

#[test]
fn all_commands_are_run_by_a_test_or_marked_as_not_run() {
    let mut unmarked = vec![];
    let mut names = vec![];
    for page in pages() {
        for block in page.blocks() {
            let marker = block.marker.and_then(|marker| marker.split_once(": "));
            let is_command = SHELLS.contains(&block.language);
            match marker {
                Some(("run", name)) if is_command && RUN.contains(&name) => {
                    names.push(name.to_owned());
                }
                Some(("not run", why)) if is_command && !why.trim().is_empty() => {}
                // `make clients` runs these files.
                Some(("file", path)) if path.starts_with("clients/") => {}
                Some(("run" | "not run", _)) => {
                    unmarked.push(format!("{}:{}: unknown marker", page.name, block.line));
                }
                _ if is_command => unmarked.push(format!("{}:{}", page.name, block.line)),
                _ => {}
            }
        }
    }
    assert!(
        unmarked.is_empty(),
        "these blocks need a line `<!-- run: NAME -->` or `<!-- not run: WHY -->` before them: {unmarked:#?}"
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, RUN, "each name is used");
}
