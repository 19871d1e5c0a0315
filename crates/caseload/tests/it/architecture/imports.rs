//! Which source file of a target imports which.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, ItemMod, ItemUse, Macro, Meta, Visibility, visit::Visit};

use super::modules::{self, Modules, SourceFile, Target};

/// What every file imports: the other file, and one of the paths that lead there.
pub(super) type Imports = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

/// Returns what each file of a target imports from the others.
///
/// A file imports the file that defines what its paths mean, through whichever re-exports. Neither
/// the declaration of a module nor its re-export by a parent is an import.
pub(super) fn of(modules: &Modules) -> Imports {
    let mut imports = Imports::new();
    for file in modules.files() {
        let mut visitor = Visitor { modules, file, module: file.module, found: BTreeMap::new() };
        visitor.visit_file(&file.syntax);
        imports.insert(file.path.clone(), visitor.found);
    }
    imports
}

/// Returns the pairs of files that import each other, each with the two paths.
pub(super) fn circles(imports: &Imports) -> BTreeMap<(PathBuf, PathBuf), (String, String)> {
    let mut circles = BTreeMap::new();
    for (file, imported) in imports {
        for (other, path) in imported.iter().filter(|(other, _)| *other > file) {
            if let Some(back) = imports.get(other).and_then(|imported| imported.get(file)) {
                circles.insert((file.clone(), other.clone()), (path.clone(), back.clone()));
            }
        }
    }
    circles
}

struct Visitor<'a> {
    modules: &'a Modules,
    file: &'a SourceFile,
    /// The module that the visitor is in: that of the file, or one that is written in it.
    module: usize,
    found: BTreeMap<PathBuf, String>,
}

impl Visitor<'_> {
    fn add_path(&mut self, path: &[String]) {
        for target in self.modules.resolve(self.module, path) {
            // What is taken from an imported module has a path of its own.
            if let Target::ItemOf(module) = target {
                self.add(module, path);
            }
        }
    }

    fn add(&mut self, module: usize, path: &[String]) {
        let imported = self.modules.path(module);
        if imported != self.file.path {
            self.found.entry(imported.to_owned()).or_insert_with(|| path.join("::"));
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        for path in paths(tokens) {
            // A lone lower-case word may be anything: a variable, a keyword, the name of an option.
            if path.len() > 1 || path[0].starts_with(char::is_uppercase) {
                self.add_path(&path);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_private = matches!(item.vis, Visibility::Inherited);
        for import in modules::imports(item) {
            let targets = self.modules.resolve(self.module, &import.path);
            for target in targets {
                let (Target::Module(module) | Target::ItemOf(module)) = target;
                let is_reexport = !is_private && self.modules.is_inside(module, self.module);
                let has_code = matches!(target, Target::ItemOf(_))
                    || import.is_glob && self.modules.has_code(module);
                if has_code && !is_reexport {
                    self.add(module, &import.path);
                }
            }
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_some() {
            let outer = self.module;
            self.module = self.modules.child(outer, &item.ident.to_string()).unwrap();
            syn::visit::visit_item_mod(self, item);
            self.module = outer;
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments: Vec<_> =
                path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.add_path(&segments);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.add_tokens(item.tokens.clone());
        syn::visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        match &attribute.meta {
            Meta::List(list) => self.add_tokens(list.tokens.clone()),
            Meta::Path(_) | Meta::NameValue(_) => {}
        }
    }

    /// `pub(in path)` names a module, and takes nothing from it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// Returns all that looks like a path in the input of a macro.
fn paths(tokens: TokenStream) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    let mut is_member = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    found.extend(Some(std::mem::take(&mut path)));
                }
                if !(path.is_empty() && is_member) {
                    path.push(ident.to_string());
                }
                (colons, is_member) = (0, false);
                continue;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                colons += 1;
                continue;
            }
            TokenTree::Punct(punct) => is_member = punct.as_char() == '.',
            TokenTree::Group(group) => {
                found.extend(paths(group.stream()));
                is_member = false;
            }
            TokenTree::Literal(_) => is_member = false,
        }
        found.extend(Some(std::mem::take(&mut path)));
        colons = 0;
    }
    found.extend(Some(path));
    found.retain(|path| !path.is_empty());
    found
}
