//! No two source files of a crate import each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    imports::{self, Imports},
    members, metadata,
    modules::Modules,
    relative, workspace,
};

/// The pairs that may import each other, and why.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "crates/localdb/src/builder.rs",
    "crates/localdb/src/cluster.rs",
    "a constructor idiom: Cluster::temporary() begins a Builder, whose start() returns a Cluster",
)];

#[test]
fn no_two_files_of_a_crate_import_each_other() {
    let found: BTreeMap<_, _> = targets().values().flat_map(imports::circles).collect();
    let allowed: BTreeSet<(PathBuf, PathBuf)> =
        EXCEPTIONS.iter().map(|(one, other, _)| (one.into(), other.into())).collect();

    let circles: Vec<String> = found
        .iter()
        .filter(|(pair, _)| !allowed.contains(pair))
        .map(|((one, other), (path, back))| {
            let (one, other) = (one.display(), other.display());
            format!("{one} imports {path}, and {other} imports {back}")
        })
        .collect();
    assert!(circles.is_empty(), "files that import each other:\n{}", circles.join("\n"));

    let gone: Vec<_> = allowed.iter().filter(|pair| !found.contains_key(pair)).collect();
    assert!(gone.is_empty(), "exceptions that are needed no more: {gone:?}");
}

/// A file that is never read could be part of a circle that is never found.
#[test]
fn every_source_file_of_every_crate_is_read() {
    let read: BTreeSet<PathBuf> =
        targets().values().flat_map(|imports| imports.keys().cloned()).collect();
    let mut there = BTreeSet::new();
    for package in members(metadata()) {
        let root = package.manifest_path.parent().unwrap();
        for directory in ["src", "tests", "benches"] {
            add_sources(&root.join(directory).into_std_path_buf(), &mut there);
        }
    }
    let unread: Vec<_> = there.difference(&read).collect();
    assert!(there.len() > 100 && unread.is_empty(), "{unread:?}");
}

/// Returns the imports of each target of each crate; paths begin at the workspace's root.
fn targets() -> BTreeMap<PathBuf, Imports> {
    let source = |path: &Path| fs::read_to_string(workspace().join(path)).ok();
    members(metadata())
        .flat_map(|package| &package.targets)
        .map(|target| {
            let root = relative(target.src_path.as_std_path());
            let imports = imports::of(&Modules::read(&root, &source));
            (root, imports)
        })
        .collect()
}

fn add_sources(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(relative(&path));
        }
    }
}

/// Returns the pairs of files in these sources that import each other.
fn circles(sources: &[(&str, &str)]) -> Vec<(String, String)> {
    let source = |path: &Path| {
        sources.iter().find(|(file, _)| Path::new(file) == path).map(|(_, text)| (*text).to_owned())
    };
    let modules = Modules::read(Path::new(sources[0].0), &source);
    let names = |path: PathBuf| path.display().to_string();
    imports::circles(&imports::of(&modules))
        .into_keys()
        .map(|(one, other)| (names(one), names(other)))
        .collect()
}

fn pair(one: &str, other: &str) -> Vec<(String, String)> {
    vec![(one.to_owned(), other.to_owned())]
}

#[test]
fn files_that_import_each_other_are_found() {
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::{self, B}; pub struct A(B);"),
        ("src/b.rs", "pub struct B; fn f() -> Option<super::a::A> { None }"),
        ("src/c.rs", "use crate::{a::A, b};"),
    ]);
    assert_eq!(found, pair("src/a.rs", "src/b.rs"));
}

#[test]
fn a_reexport_leads_to_the_file_that_defines_the_name() {
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
        ("src/a/mod.rs", "mod inner; pub use inner::Inner as A;"),
        ("src/a/inner.rs", "use crate::B; pub struct Inner(B);"),
        ("src/b.rs", "pub struct B; impl From<crate::A> for B {}"),
    ]);
    assert_eq!(found, pair("src/a/inner.rs", "src/b.rs"));
}

#[test]
fn a_parent_whose_code_needs_its_child_must_not_be_needed_by_it() {
    let child = ("src/a.rs", "use super::*; pub fn f() -> Parent { Parent }");
    let found = circles(&[("src/lib.rs", "mod a; pub struct Parent; fn g() { a::f(); }"), child]);
    assert_eq!(found, pair("src/a.rs", "src/lib.rs"));

    for declares_only in ["mod a; pub struct Parent;", "mod a; pub use a::f; pub struct Parent;"] {
        assert_eq!(circles(&[("src/lib.rs", declares_only), child]), []);
    }
}

#[test]
fn paths_in_macros_attributes_and_functions_count() {
    for import in [
        "fn f() { println!(\"{}\", [0].len() + crate::b::B); }",
        "#[derive(Parser)] struct A { #[arg(value_parser = crate::b::B)] a: u8 }",
        "fn f() { use crate::b::B; }",
        "mod inner { use super::super::b::B; }",
        "use crate::b as other; const A: u8 = other::B;",
    ] {
        let found = circles(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", &format!("pub struct X; {import}")),
            ("src/b.rs", "use crate::a::X; pub const B: usize = 0;"),
        ]);
        assert_eq!(found, pair("src/a.rs", "src/b.rs"), "{import}");
    }
}

#[test]
fn other_crates_and_a_visibility_are_no_imports() {
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use b::B; use ::b::C; pub(in super::b) struct A;"),
        ("src/b.rs", "use crate::a::A;"),
    ]);
    assert_eq!(found, []);
}

#[test]
fn a_module_may_be_in_a_file_of_another_name() {
    let found = circles(&[
        ("tests/it/main.rs", "#[path = \"../shared/mod.rs\"] mod a; mod b;"),
        ("tests/shared/mod.rs", "use crate::b::B; pub struct A;"),
        ("tests/it/b.rs", "use crate::a::A; pub struct B;"),
    ]);
    assert_eq!(found, pair("tests/it/b.rs", "tests/shared/mod.rs"));
}
