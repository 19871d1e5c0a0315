//! Reads pages of Markdown.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A page, and where it is.
pub(super) struct Page {
    /// The path from the root of the project: `docs/API.md`.
    pub(super) name: String,
    pub(super) text: String,
}

/// A fenced block of code.
pub(super) struct Block<'a> {
    /// The number of the line with the opening fence, from 1.
    pub(super) line: usize,
    pub(super) language: &'a str,
    /// The text of the HTML comment before the block, if there is one.
    pub(super) marker: Option<&'a str>,
    pub(super) content: String,
}

/// Returns the root of the project.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Returns README.md and the pages of docs/.
pub(super) fn pages() -> Vec<Page> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let mut names: Vec<_> = docs
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("docs/{name}"))
        .chain(["README.md".to_owned()])
        .collect();
    names.sort_unstable();
    assert!(names.len() > 5, "{names:?}");
    names.iter().map(|name| Page::read(name)).collect()
}

impl Page {
    /// Reads a page.
    pub(super) fn read(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name)).unwrap();
        Self { name: name.to_owned(), text }
    }

    /// Returns the blocks of code in the order of the page.
    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = vec![];
        let mut open: Option<Block<'_>> = None;
        let mut marker = None;
        for (index, line) in self.text.lines().enumerate() {
            if let Some(mut block) = open.take() {
                if line.trim() == "```" {
                    blocks.push(block);
                } else {
                    block.content.push_str(line);
                    block.content.push('\n');
                    open = Some(block);
                }
            } else if let Some(language) = line.trim().strip_prefix("```") {
                let marker = marker.take();
                open = Some(Block { line: index + 1, language, marker, content: String::new() });
            } else if !line.trim().is_empty() {
                marker = line.trim().strip_prefix("<!-- ").and_then(|it| it.strip_suffix(" -->"));
            }
        }
        assert!(open.is_none(), "{}: a block is not closed", self.name);
        blocks
    }

    /// Returns the text without blocks of code, and without code in lines.
    pub(super) fn prose(&self) -> String {
        let mut is_code = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.trim().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                // Every second part is between backticks.
                prose.extend(line.split('`').step_by(2));
                prose.push('\n');
            }
        }
        prose
    }

    /// Returns the anchors of the headings, as GitHub makes them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = vec![];
        let mut is_code = false;
        for line in self.text.lines() {
            is_code ^= line.trim().starts_with("```");
            let Some((_, heading)) = line.split_once("# ").filter(|_| !is_code) else { continue };
            if !line.starts_with('#') {
                continue;
            }
            let anchor = anchor(heading);
            let earlier = anchors.iter().filter(|other| **other == anchor).count();
            anchors.push(if earlier == 0 { anchor } else { format!("{anchor}-{earlier}") });
        }
        anchors
    }
}

/// Returns the anchor of a heading: in lower case, with hyphens for spaces, without punctuation.
fn anchor(heading: &str) -> String {
    let kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
    heading.trim().chars().filter(kept).collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn anchors_are_as_github_makes_them() {
    let text = "# What became of a request\n## `validate_only`\n## Stopped, and run again\n\
        ```sh\n# a comment\n```\n## 1. A\n## 1. A\n";
    let page = Page { name: String::new(), text: text.to_owned() };
    let expected =
        ["what-became-of-a-request", "validate_only", "stopped-and-run-again", "1-a", "1-a-1"];
    assert_eq!(page.anchors(), expected);
}

#[test]
fn a_block_has_the_marker_before_it_and_no_other() {
    let text = "<!-- run: a -->\n```sh\necho\n\n```\ntext\n<!-- run: b -->\n\n```sh\n```\n\
        <!-- run: c -->\ntext\n```sh\n```\n";
    let page = Page { name: String::new(), text: text.to_owned() };
    let blocks = page.blocks();
    let markers: Vec<_> = blocks.iter().map(|block| block.marker).collect();
    assert_eq!(markers, [Some("run: a"), Some("run: b"), None]);
    assert_eq!(blocks[0].content, "echo\n\n");
    assert_eq!((blocks[0].line, blocks[1].line), (2, 9));
}
