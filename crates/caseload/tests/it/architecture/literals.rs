//! The words of the wire are written once, in `proto::wire`.

use std::{collections::BTreeSet, fs, path::Path};

use cargo_metadata::TargetKind;
use proc_macro2::{TokenStream, TokenTree};
use proto::wire::{FieldReason, Reason, header};
use syn::{Attribute, ItemFn, ItemMod, Lit, Macro, Meta, visit::Visit};

use super::{
    members, metadata,
    modules::{Modules, is_for_tests},
    relative, workspace,
};

/// The files that define the words: every literal in them is a word.
const REASONS: &str = "crates/proto/src/wire/reason.rs";
const HEADERS: &str = "crates/proto/src/wire/header.rs";

/// Literals that are a word by chance: the file, the word, and what it means there.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    ("crates/gateway/src/problem/codes.rs", "DEADLINE_EXCEEDED", "the name of a gRPC code"),
    ("crates/gateway/src/problem/codes.rs", "INTERNAL", "the name of a gRPC code"),
    ("crates/gateway/src/problem/codes.rs", "OUT_OF_RANGE", "the name of a gRPC code"),
];

/// Tests may state a word literally: they check the wire.
#[test]
fn no_reason_and_no_header_name_is_a_literal_outside_of_proto() {
    let words: BTreeSet<String> =
        [REASONS, HEADERS].iter().flat_map(|file| literals_of(Path::new(file))).collect();
    for reason in Reason::ALL {
        assert!(words.contains(reason.as_str()), "{}", reason.as_str());
    }
    for word in [FieldReason::TooLong.as_str(), header::GRPC_RETRY_PUSHBACK.as_str()] {
        assert!(words.contains(word), "{word}");
    }

    let mut found = BTreeSet::new();
    for package in members(metadata()).filter(|package| package.name != "caseload-proto") {
        for target in package.targets.iter().filter(|target| {
            target.kind.iter().any(|kind| matches!(kind, TargetKind::Lib | TargetKind::Bin))
        }) {
            let root = relative(target.src_path.as_std_path());
            for file in Modules::read(&root, &source).files().iter().filter(|file| !file.is_test) {
                // The names of headers are case-insensitive.
                found.extend(
                    literals(&file.syntax)
                        .into_iter()
                        .filter(|text| words.contains(text) || words.contains(&text.to_lowercase()))
                        .map(|text| (file.path.display().to_string(), text)),
                );
            }
        }
    }
    let gone: Vec<_> = EXCEPTIONS
        .into_iter()
        .filter(|(file, word, _)| !found.remove(&(String::from(*file), String::from(*word))))
        .collect();
    assert!(found.is_empty(), "words of proto::wire as literals: {found:#?}");
    assert!(gone.is_empty(), "exceptions that are needed no more: {gone:?}");
}

#[test]
fn literals_are_found_outside_of_tests() {
    let file = syn::parse_file(
        r#"
        /// A comment.
        #[serde(rename = "attribute")]
        const A: &str = "const";
        fn f() { g(b"bytes", format!("macro", ["inner"])); }
        #[cfg(test)]
        fn only_in_tests() { g("function") }
        #[cfg(test)]
        mod tests { const B: &str = "module"; }
        #[cfg(not(test))]
        mod product { const B: &str = "product"; }
        "#,
    );
    let found = literals(&file.unwrap());
    assert_eq!(
        Vec::from_iter(&found),
        ["attribute", "bytes", "const", "inner", "macro", "product"]
    );
}

fn source(path: &Path) -> Option<String> {
    fs::read_to_string(workspace().join(path)).ok()
}

fn literals_of(file: &Path) -> BTreeSet<String> {
    literals(&syn::parse_file(&source(file).unwrap()).unwrap())
}

/// Returns the strings of a file that are part of the product.
fn literals(file: &syn::File) -> BTreeSet<String> {
    let mut literals = Literals::default();
    literals.visit_file(file);
    literals.0
}

#[derive(Default)]
struct Literals(BTreeSet<String>);

impl Literals {
    fn add(&mut self, literal: &Lit) {
        match literal {
            Lit::Str(text) => drop(self.0.insert(text.value())),
            Lit::ByteStr(bytes) => self.0.extend(String::from_utf8(bytes.value())),
            Lit::CStr(text) => self.0.extend(text.value().into_string()),
            _ => {}
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Literal(literal) => self.add(&Lit::new(literal)),
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Literals {
    fn visit_lit(&mut self, literal: &'ast Lit) {
        self.add(literal);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.add_tokens(item.tokens.clone());
    }

    /// Comments are attributes of another form.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone());
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_item_fn(self, item);
        }
    }
}
