//! The modules of one target (a library, a program, a test, a bench), and what their names mean.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use syn::{Attribute, Expr, Item, ItemUse, Lit, Meta, UseTree, visit::Visit};

/// Returns the text of a source file; `None` where there is no such file.
pub(super) type Source<'a> = dyn Fn(&Path) -> Option<String> + 'a;

/// The modules of a target, the root first. A module is known by its index.
#[derive(Default)]
pub(super) struct Modules {
    modules: Vec<Module>,
    files: Vec<SourceFile>,
}

/// A parsed file.
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    pub(super) syntax: syn::File,
    /// The module that the file is.
    pub(super) module: usize,
    /// Whether the module is built for tests only.
    pub(super) is_test: bool,
}

struct Module {
    path: PathBuf,
    parent: Option<usize>,
    names: BTreeMap<String, Vec<Name>>,
    /// Whether its declaration says that it is built for tests only.
    is_test: bool,
    /// The paths that are imported whole, as in `use super::*`.
    globs: Vec<Vec<String>>,
    /// Whether there is anything but declarations of modules and imports.
    has_code: bool,
    /// Whether a macro defines names in it, which can't be seen here.
    has_unseen_names: bool,
}

enum Name {
    Module(usize),
    /// Something that is defined in the module itself.
    Item,
    /// An import of this path.
    Import(Vec<String>),
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Module(usize),
    /// Something that is defined in this module.
    ItemOf(usize),
}

/// One path of a `use`.
pub(super) struct Import {
    pub(super) path: Vec<String>,
    pub(super) is_glob: bool,
    /// The name that it gets; `None` for `*` and `_`.
    name: Option<String>,
}

impl Modules {
    /// Reads the target whose root is this file.
    pub(super) fn read(root: &Path, source: &Source<'_>) -> Self {
        let mut modules = Self::default();
        modules.read_file(root, None, root.parent().unwrap(), source);
        modules.mark_tests();
        modules
    }

    pub(super) fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Returns the file that a module is written in.
    pub(super) fn path(&self, module: usize) -> &Path {
        &self.modules[module].path
    }

    pub(super) fn has_code(&self, module: usize) -> bool {
        self.modules[module].has_code
    }

    /// Returns the module of this name that is declared in `module`.
    pub(super) fn child(&self, module: usize, name: &str) -> Option<usize> {
        self.modules[module].names.get(name)?.iter().find_map(|name| match name {
            Name::Module(child) => Some(*child),
            Name::Item | Name::Import(_) => None,
        })
    }

    fn mark_tests(&mut self) {
        for file in &mut self.files {
            let mut module = Some(file.module);
            while let Some(at) = module {
                file.is_test |= self.modules[at].is_test;
                module = self.modules[at].parent;
            }
        }
    }

    pub(super) fn is_inside(&self, mut module: usize, ancestor: usize) -> bool {
        while let Some(parent) = self.modules[module].parent {
            if parent == ancestor {
                return true;
            }
            module = parent;
        }
        false
    }

    /// Returns what a path means in a module: nothing where it leads out of the target.
    pub(super) fn resolve(&self, module: usize, path: &[String]) -> BTreeSet<Target> {
        self.resolve_once(module, path, &mut BTreeSet::new())
    }

    /// `seen` are the names that are already looked up: imports may go round in a circle.
    fn resolve_once(
        &self,
        module: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> BTreeSet<Target> {
        let mut targets = BTreeSet::from([Target::Module(module)]);
        for segment in path {
            let mut next = BTreeSet::new();
            for target in targets {
                match (target, segment.as_str()) {
                    (_, "crate") => drop(next.insert(Target::Module(0))),
                    (Target::Module(_), "self") | (Target::ItemOf(_), _) => {
                        next.insert(target);
                    }
                    (Target::Module(at), "super") => {
                        next.extend(self.modules[at].parent.map(Target::Module));
                    }
                    (Target::Module(at), name) => next.extend(self.look_up(at, name, seen)),
                }
            }
            targets = next;
        }
        targets
    }

    fn look_up(
        &self,
        module: usize,
        name: &str,
        seen: &mut BTreeSet<(usize, String)>,
    ) -> BTreeSet<Target> {
        let mut targets = BTreeSet::new();
        if !seen.insert((module, name.to_owned())) {
            return targets;
        }
        let Module { names, globs, has_unseen_names, .. } = &self.modules[module];
        for meaning in names.get(name).into_iter().flatten() {
            match meaning {
                Name::Module(child) => drop(targets.insert(Target::Module(*child))),
                Name::Item => drop(targets.insert(Target::ItemOf(module))),
                Name::Import(path) => targets.extend(self.resolve_once(module, path, seen)),
            }
        }
        if names.contains_key(name) {
            return targets;
        }
        for glob in globs {
            for target in self.resolve_once(module, glob, seen) {
                if let Target::Module(imported) = target {
                    targets.extend(self.look_up(imported, name, seen));
                }
            }
        }
        if targets.is_empty() && *has_unseen_names {
            targets.insert(Target::ItemOf(module));
        }
        targets
    }

    /// Reads a file whose child modules are in `children`. Returns its module.
    fn read_file(
        &mut self,
        path: &Path,
        parent: Option<usize>,
        children: &Path,
        source: &Source<'_>,
    ) -> usize {
        let text = source(path).unwrap_or_else(|| panic!("{} does not exist", path.display()));
        let syntax =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let module = self.declare(path, parent, &syntax.items, children, source);
        self.files.push(SourceFile { path: path.to_owned(), syntax, module, is_test: false });
        module
    }

    fn declare(
        &mut self,
        path: &Path,
        parent: Option<usize>,
        items: &[Item],
        children: &Path,
        source: &Source<'_>,
    ) -> usize {
        let module = self.modules.len();
        self.modules.push(Module {
            path: path.to_owned(),
            parent,
            names: BTreeMap::new(),
            globs: Vec::new(),
            is_test: false,
            has_code: items.iter().any(is_code),
            has_unseen_names: items
                .iter()
                .any(|item| matches!(item, Item::Macro(item) if item.ident.is_none())),
        });
        for item in items {
            if let Item::Mod(child) = item {
                let name = child.ident.to_string();
                let directory = children.join(&name);
                let declared = match &child.content {
                    Some((_, items)) => self.declare(path, Some(module), items, &directory, source),
                    None => {
                        let (file, children) = file_of(path, &child.attrs, children, &name, source);
                        self.read_file(&file, Some(module), &children, source)
                    }
                };
                self.modules[declared].is_test = is_for_tests(&child.attrs);
                self.bind(module, name, Name::Module(declared));
            } else if let Some(name) = name_of(item) {
                self.bind(module, name, Name::Item);
            }
            let mut imports = Imports::default();
            imports.visit_item(item);
            for import in imports.0 {
                match import.name {
                    Some(name) => self.bind(module, name, Name::Import(import.path)),
                    None if import.is_glob => self.modules[module].globs.push(import.path),
                    None => {}
                }
            }
        }
        module
    }

    fn bind(&mut self, module: usize, name: String, meaning: Name) {
        self.modules[module].names.entry(name).or_default().push(meaning);
    }
}

/// Returns the paths of a `use`.
pub(super) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    // `use ::name` means a crate, whatever else has the name.
    if item.leading_colon.is_none() {
        collect(&item.tree, &mut Vec::new(), &mut found);
    }
    found
}

fn collect(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
    let mut add = |last: String, name: Option<String>, is_glob: bool| {
        let mut path = path.clone();
        if !is_glob && (last != "self" || path.is_empty()) {
            path.push(last);
        }
        let name = name.map(|name| match name.as_str() {
            "self" => path.last().cloned().unwrap_or_default(),
            _ => name,
        });
        found.push(Import { path, is_glob, name: name.filter(|name| name != "_") });
    };
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            collect(&tree.tree, path, found);
            path.pop();
        }
        UseTree::Name(tree) => add(tree.ident.to_string(), Some(tree.ident.to_string()), false),
        UseTree::Rename(tree) => add(tree.ident.to_string(), Some(tree.rename.to_string()), false),
        UseTree::Glob(_) => add(String::new(), None, true),
        UseTree::Group(tree) => tree.items.iter().for_each(|tree| collect(tree, path, found)),
    }
}

/// All imports of an item, those in the bodies of functions too. Modules in it have their own.
#[derive(Default)]
struct Imports(Vec<Import>);

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.0.extend(imports(item));
    }

    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}
}

/// Returns the file of `mod name;`, and the directory of that module's own child modules.
fn file_of(
    parent: &Path,
    attributes: &[Attribute],
    children: &Path,
    name: &str,
    source: &Source<'_>,
) -> (PathBuf, PathBuf) {
    if let Some(path) = attributes.iter().find_map(path_attribute) {
        let file = normal(&parent.parent().unwrap().join(path));
        let directory = file.parent().unwrap().to_owned();
        return (file, directory);
    }
    let directory = children.join(name);
    let beside = children.join(format!("{name}.rs"));
    let file = if source(&beside).is_some() { beside } else { directory.join("mod.rs") };
    (file, directory)
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else { return None };
    let Expr::Lit(value) = &meta.value else { return None };
    let Lit::Str(text) = &value.lit else { return None };
    meta.path.is_ident("path").then(|| text.value())
}

/// Resolves the `..` of a path.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => drop(normal.pop()),
            component => normal.push(component),
        }
    }
    normal
}

fn is_code(item: &Item) -> bool {
    !matches!(item, Item::Mod(_) | Item::Use(_) | Item::ExternCrate(_))
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Whether an item is there in tests only.
pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "test")
    })
}
