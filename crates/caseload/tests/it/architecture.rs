//! The structure of the workspace: which crate may depend on which, which file may import which.

mod circles;
mod imports;
mod literals;
mod modules;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// Each crate, and the crates that it depends on.
const DEPENDENCIES: [(&str, &[&str]); 11] = [
    ("caseload-domain", &[]),
    (
        "caseload-gateway",
        &[
            "caseload-proto",
            "caseload-runtime",
            "caseload-serving",
            "caseload-telemetry",
            "caseload-tls",
            "caseload-traces",
        ],
    ),
    ("caseload-localdb", &[]),
    ("caseload-proto", &[]),
    ("caseload-runtime", &[]),
    (
        "caseload-server",
        &[
            "caseload-domain",
            "caseload-proto",
            "caseload-runtime",
            "caseload-serving",
            "caseload-store",
            "caseload-telemetry",
            "caseload-tls",
            "caseload-traces",
        ],
    ),
    ("caseload-serving", &["caseload-runtime", "caseload-telemetry", "caseload-tls"]),
    ("caseload-store", &["caseload-domain", "caseload-traces"]),
    ("caseload-telemetry", &["caseload-proto", "caseload-tls", "caseload-traces"]),
    ("caseload-tls", &[]),
    ("caseload-traces", &[]),
];

/// The program, which may depend on all of them.
const PROGRAM: &str = "caseload";

#[test]
fn crates_depend_on_each_other_as_listed_and_not_otherwise() {
    let metadata = metadata();
    let members: BTreeSet<&str> = members(metadata).map(|package| package.name.as_str()).collect();

    let mut found: BTreeMap<&str, BTreeSet<&str>> = members
        .iter()
        .map(|name| (*name, dependencies(metadata, name, DependencyKind::Normal)))
        .map(|(name, dependencies)| (name, dependencies.intersection(&members).copied().collect()))
        .collect();

    assert!(found.remove(PROGRAM).is_some());
    let listed: BTreeMap<&str, BTreeSet<&str>> = DEPENDENCIES
        .into_iter()
        .map(|(name, known)| (name, known.iter().copied().collect()))
        .collect();
    assert_eq!(found, listed);
}

/// Tests of other crates may depend on it: they start a Postgres.
#[test]
fn only_the_program_and_tests_depend_on_the_private_postgres() {
    let metadata = metadata();
    let users: Vec<&str> = members(metadata)
        .filter(|package| {
            package.dependencies.iter().any(|dependency| {
                dependency.name == "caseload-localdb"
                    && dependency.kind != DependencyKind::Development
            })
        })
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(users, [PROGRAM]);
}

#[test]
fn only_the_store_depends_on_diesel() {
    let metadata = metadata();
    let users: Vec<&str> = members(metadata)
        .filter(|package| {
            package.dependencies.iter().any(|dependency| is_of_postgres(&dependency.name))
        })
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(users, ["caseload-store"]);
}

#[test]
fn the_gateway_links_no_postgres_client() {
    let tree = tree(metadata(), "caseload-gateway");
    assert!(tree.contains("tonic"), "the tree is read: {tree:?}");
    let of_postgres: Vec<_> = tree.iter().filter(|name| is_of_postgres(name)).collect();
    assert!(of_postgres.is_empty(), "{of_postgres:?}");
}

#[test]
fn the_domain_depends_on_no_io() {
    // Without libc: on some platforms sha2 uses it to detect features of the processor.
    const IO: [&str; 13] = [
        "axum", "diesel", "hyper", "mio", "pq-sys", "prost", "reqwest", "rustix", "socket2",
        "tokio", "tonic", "tower", "tracing",
    ];
    let tree = tree(metadata(), "caseload-domain");
    assert!(tree.contains("sha2"), "the tree is read: {tree:?}");
    let doing_io: Vec<_> = IO.iter().filter(|name| tree.contains(**name)).collect();
    assert!(doing_io.is_empty(), "{doing_io:?}");
}

#[test]
fn every_crate_inherits_its_lints_and_its_edition_from_the_workspace() {
    for package in members(metadata()) {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        for inherited in ["[lints]\nworkspace = true\n", "\nedition.workspace = true\n"] {
            assert!(manifest.contains(inherited), "{} lacks {inherited}", package.manifest_path);
        }
    }
}

/// A second version of one of these would be a second runtime, or types that do not fit together.
#[test]
fn the_key_dependencies_have_one_version_each() {
    let lock = fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
    for name in ["axum", "diesel", "h2", "http", "hyper", "prost", "tokio", "tonic"] {
        let versions = lock.matches(&format!("\nname = \"{name}\"\n")).count();
        assert_eq!(versions, 1, "of {name}");
    }
}

fn is_of_postgres(name: &str) -> bool {
    name.starts_with("diesel") || ["pq-sys", "r2d2", "postgres", "tokio-postgres"].contains(&name)
}

fn members(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata.packages.iter().filter(|package| metadata.workspace_members.contains(&package.id))
}

/// Returns the direct dependencies of a crate of the workspace.
fn dependencies<'a>(metadata: &'a Metadata, name: &str, kind: DependencyKind) -> BTreeSet<&'a str> {
    let package = members(metadata).find(|package| package.name.as_str() == name).unwrap();
    let of_kind = package.dependencies.iter().filter(|dependency| dependency.kind == kind);
    of_kind.map(|dependency| dependency.name.as_str()).collect()
}

/// Returns all crates that are linked into a crate of the workspace on this platform, without its
/// tests.
fn tree<'a>(metadata: &'a Metadata, name: &str) -> BTreeSet<&'a str> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let root = members(metadata).find(|package| package.name.as_str() == name).unwrap();
    let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
    let mut left = vec![&root.id];
    while let Some(id) = left.pop() {
        if seen.insert(id) {
            let node = resolve.nodes.iter().find(|node| node.id == *id).unwrap();
            let built = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            });
            left.extend(built.map(|dependency| &dependency.pkg));
        }
    }
    seen.into_iter().map(|id| metadata[id].name.as_str()).collect()
}

/// Returns cargo's metadata of the workspace, for this platform: that of all platforms needs crates
/// that may not have been downloaded.
fn metadata() -> &'static Metadata {
    static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
        MetadataCommand::new()
            .manifest_path(workspace().join("Cargo.toml"))
            .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), host()])
            .exec()
            .unwrap()
    });
    &METADATA
}

/// Returns the target triple of the platform that the tests run on.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc prints its host").to_owned()
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns a path of the workspace as it is seen from the workspace's root.
fn relative(path: &Path) -> PathBuf {
    let root = workspace().canonicalize().unwrap();
    path.canonicalize().unwrap().strip_prefix(root).unwrap().to_owned()
}
