//! The order of each crate's modules: each module may use only those that come before it.
//!
//! Cargo ensures that there is no cycle of crates, but not that there is none of modules within a
//! crate. So each crate that has modules declares their order, from the bottom up, in its
//! `Cargo.toml`:
//!
//! ```toml
//! [package.metadata.order]
//! modules = ["time", "frame", ["ring", "page"], "fanout", "fanout::born"]
//! ```
//!
//! Names in an inner list are neighbours: none of them may use another. A name stands for its file
//! and the folder of the same name, except for the modules that have a longer name in the list
//! (`fanout::born` above the rest of `fanout`). `lib.rs` and `main.rs` come after all others. Code
//! under `#[cfg(test)]` may use everything.
//!
//! Owns the reading of the sources, token by token, and the definition of a use. Must never check
//! the uses of other crates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr as _;
use std::{fs, io};

use anyhow::{Context as _, Result, ensure};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use serde::Deserialize;

use crate::process;

/// The part of a `Cargo.toml` that this check reads.
#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    order: Option<Order>,
}

#[derive(Deserialize)]
struct Order {
    modules: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    One(String),
    Neighbours(Vec<String>),
}

/// The keywords that precede the name of a definition.
const DEFINE: [&str; 5] = ["fn", "struct", "enum", "trait", "type"];

/// The path of a module: `["net", "accept"]` for `src/net/accept.rs`. The path of the crate's root
/// is empty.
type Module = Vec<String>;

/// The sources of one crate.
struct Sources {
    /// The modules, each with those that it uses.
    uses: BTreeMap<Module, BTreeSet<Module>>,
}

/// Checks every crate in the folder `crates`.
pub(super) fn check() -> Result<()> {
    let root = process::root()?;
    let mut findings = Vec::new();
    for folder in crates(&root.join("crates"))? {
        let text = fs::read_to_string(folder.join("Cargo.toml"))?;
        let Package { name, metadata } = toml::from_str::<Manifest>(&text)
            .context("a Cargo.toml")?
            .package;
        let sources = Sources::read(&folder.join("src")).with_context(|| name.clone())?;
        let found = sources.check_declared(metadata.order.as_ref());
        findings.extend(
            found
                .into_iter()
                .map(|finding| format!("{name}: {finding}")),
        );
    }
    ensure!(
        findings.is_empty(),
        "the modules are out of order:\n  {}",
        findings.join("\n  ")
    );
    Ok(())
}

fn crates(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut crates: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    crates.retain(|path| path.join("Cargo.toml").is_file());
    crates.sort();
    Ok(crates)
}

impl Sources {
    /// Reads every file below `src`.
    fn read(src: &Path) -> Result<Self> {
        let mut texts = BTreeMap::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path)?;
                    texts.insert(module(path.strip_prefix(src)?), text);
                }
            }
        }
        Self::of(&texts)
    }

    fn of(texts: &BTreeMap<Module, String>) -> Result<Self> {
        let mut files = BTreeMap::new();
        for (module, text) in texts {
            let tokens = TokenStream::from_str(text)
                .map_err(|error| anyhow::anyhow!("{}: {error}", module.join("::")))?;
            let mut file = File::default();
            file.read(tokens);
            files.insert(module.clone(), file);
        }
        // Files that contain only tests.
        let tests: Vec<Module> = files
            .iter()
            .flat_map(|(module, file)| below(module, &file.tests))
            .collect();
        files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        let known: BTreeSet<Module> = files.keys().cloned().collect();
        let reexports = files
            .get(&Module::new())
            .map(|root| root.reexports(&known))
            .unwrap_or_default();
        let defined = files
            .get(&Module::new())
            .map(|root| root.defined.clone())
            .unwrap_or_default();
        // A path to the root counts only if it names something that the root defines: other names
        // that the root re-exports come from other crates.
        let resolve = |module: &Module, path: &[String]| {
            resolve(&known, &reexports, module, path)
                .filter(|used| !used.is_empty() || path.iter().any(|name| defined.contains(name)))
        };
        let uses = files.iter().map(|(module, file)| {
            let uses = file
                .paths
                .iter()
                .filter_map(|path| resolve(module, path))
                .filter(|used| used != module);
            (module.clone(), uses.collect())
        });
        Ok(Self {
            uses: uses.collect(),
        })
    }

    /// Returns the violations of the order that the crate declares. A crate that has modules must
    /// declare one.
    fn check_declared(&self, order: Option<&Order>) -> Vec<String> {
        match order {
            Some(order) => self.check(&order.modules),
            None if self.uses.keys().all(Vec::is_empty) => Vec::new(),
            None => vec![
                "its Cargo.toml declares no order of its modules, see [package.metadata.order]"
                    .to_owned(),
            ],
        }
    }

    /// Returns the violations of the order.
    fn check(&self, order: &[Entry]) -> Vec<String> {
        let ranked: Vec<(usize, Module)> = (0..)
            .zip(order)
            .flat_map(|(rank, entry)| match entry {
                Entry::One(name) => vec![(rank, name)],
                Entry::Neighbours(names) => names.iter().map(|name| (rank, name)).collect(),
            })
            .map(|(rank, name)| (rank, name.split("::").map(str::to_owned).collect()))
            .collect();
        let entry = |module: &Module| {
            ranked
                .iter()
                .filter(|(_, name)| module.starts_with(name))
                .max_by_key(|(_, name)| name.len())
        };
        let mut findings = Vec::new();
        for (_, name) in &ranked {
            if !self
                .uses
                .keys()
                .any(|module| entry(module).is_some_and(|(_, entry)| entry == name))
            {
                findings.push(format!(
                    "the order names {}, which is no module",
                    name.join("::")
                ));
            }
        }
        for (module, uses) in self.uses.iter().filter(|(module, _)| !module.is_empty()) {
            let Some((rank, own)) = entry(module) else {
                findings.push(format!("{} has no place in the order", module.join("::")));
                continue;
            };
            for used in uses {
                if used.is_empty() {
                    findings.push(format!("{} uses the root", module.join("::")));
                } else if entry(used).is_some_and(|(below, other)| other != own && below >= rank) {
                    findings.push(format!("{} uses {}", module.join("::"), used.join("::")));
                }
            }
        }
        findings
    }
}

/// The relevant content of a file.
#[derive(Default)]
struct File {
    /// Every path in the file that may name a module.
    paths: Vec<Vec<String>>,
    /// The functions and types that it defines. Constants may be used from anywhere.
    defined: BTreeSet<String>,
    /// The child modules that exist only for tests.
    tests: Vec<String>,
    /// The new names of imported paths, from `use path as name`.
    renamed: BTreeMap<Vec<String>, String>,
}

impl File {
    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = match &tokens[at] {
                TokenTree::Punct(punct)
                    if punct.as_char() == '#' && is_test(tokens.get(at + 1)) =>
                {
                    self.skip(&tokens, at + 2)
                }
                TokenTree::Ident(ident) if *ident == "use" => self.read_use(&tokens, at + 1),
                TokenTree::Ident(ident) if DEFINE.iter().any(|word| *ident == word) => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(at + 1) {
                        self.defined.insert(name.to_string());
                    }
                    at + 1
                }
                TokenTree::Ident(ident) if *ident == "pub" => match tokens.get(at + 1) {
                    Some(TokenTree::Group(group))
                        if group.delimiter() == Delimiter::Parenthesis =>
                    {
                        at + 2
                    }
                    _ => at + 1,
                },
                TokenTree::Ident(ident)
                    if *ident == "crate" || *ident == "super" || *ident == "self" =>
                {
                    let is_macros = at > 0 && is_punct(tokens.get(at - 1), '$');
                    let (path, end) = read_path(&tokens, at);
                    if path.len() > 1 && !is_macros {
                        self.paths.push(path);
                    }
                    end
                }
                TokenTree::Group(group) => {
                    self.read(group.stream());
                    at + 1
                }
                _ => at + 1,
            };
        }
    }

    /// Skips an item that exists only for tests.
    fn skip(&mut self, tokens: &[TokenTree], from: usize) -> usize {
        let mut is_module = false;
        for (at, token) in tokens.iter().enumerate().skip(from) {
            match token {
                TokenTree::Ident(ident) if *ident == "mod" => is_module = true,
                TokenTree::Ident(ident) if is_module => {
                    self.tests.push(ident.to_string());
                    is_module = false;
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => return at + 1,
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return at + 1,
                _ => {}
            }
        }
        tokens.len()
    }

    fn read_use(&mut self, tokens: &[TokenTree], from: usize) -> usize {
        let end = (from..tokens.len())
            .find(|at| is_punct(tokens.get(*at), ';'))
            .unwrap_or(tokens.len());
        self.read_tree(&[], &tokens[from..end]);
        end
    }

    /// Reads one tree of a `use`: `a::{b, c::d}`.
    fn read_tree(&mut self, before: &[String], tokens: &[TokenTree]) {
        let (path, end) = read_path(tokens, 0);
        let path = [before, &path].concat();
        match tokens.get(end) {
            Some(TokenTree::Group(group)) => {
                for tree in trees(group) {
                    self.read_tree(&path, &tree);
                }
            }
            Some(TokenTree::Ident(word)) if *word == "as" => {
                if let Some(TokenTree::Ident(name)) = tokens.get(end + 1) {
                    self.renamed.insert(path.clone(), name.to_string());
                }
                self.paths.push(path);
            }
            _ => self.paths.push(path),
        }
    }

    /// Returns the names that the root of a crate re-exports from its own modules, with the module
    /// of each.
    fn reexports(&self, known: &BTreeSet<Module>) -> BTreeMap<String, Module> {
        let of_module = self
            .paths
            .iter()
            .filter(|path| path.len() > 1 && known.contains(&path[..1]));
        let name = |path: &Vec<String>| self.renamed.get(path).or(path.last()).cloned();
        of_module
            .filter_map(|path| Some((name(path)?, path[..path.len() - 1].to_vec())))
            .collect()
    }
}

/// Returns the trees between the braces of a `use`.
fn trees(group: &Group) -> Vec<Vec<TokenTree>> {
    let mut trees = vec![Vec::new()];
    for token in group.stream() {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => trees.push(Vec::new()),
            _ => trees
                .last_mut()
                .into_iter()
                .for_each(|tree: &mut Vec<_>| tree.push(token.clone())),
        }
    }
    trees.retain(|tree| !tree.is_empty());
    trees
}

/// Reads the segments of a path from `from` on. Returns them, and the position after them: the
/// first token that is neither a name nor `::`.
fn read_path(tokens: &[TokenTree], from: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    let mut at = from;
    while is_punct(tokens.get(at), ':') {
        at += 1; // the path begins with `::`
    }
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        path.push(ident.to_string());
        at += 1;
        if !(is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')) {
            break;
        }
        at += 2;
    }
    (path, at.max(from + 1))
}

fn is_punct(token: Option<&TokenTree>, char: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

/// Returns whether the tokens after a `#` are `[cfg(test)]`, or `[cfg(all(test, …))]`.
fn is_test(attribute: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(attribute)) = attribute else {
        return false;
    };
    let words: Vec<_> = attribute
        .stream()
        .to_string()
        .split(|c: char| !c.is_alphanumeric())
        .map(str::to_owned)
        .collect();
    words.first().is_some_and(|word| word == "cfg")
        && words.iter().any(|word| word == "test")
        && !words.contains(&"not".to_owned())
}

/// Returns the module of a file below `src`.
fn module(path: &Path) -> Module {
    let mut module: Module = path
        .with_extension("")
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    if module
        .last()
        .is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main"))
    {
        module.pop();
    }
    module
}

fn below<'a>(module: &'a Module, names: &'a [String]) -> impl Iterator<Item = Module> + 'a {
    names
        .iter()
        .map(|name| [module.as_slice(), std::slice::from_ref(name)].concat())
}

/// Returns the module to which a path in `module` leads, or `None` if it is not a module of this
/// crate.
fn resolve(
    known: &BTreeSet<Module>,
    reexports: &BTreeMap<String, Module>,
    module: &Module,
    path: &[String],
) -> Option<Module> {
    let mut names = path.iter().peekable();
    let mut at = match names.peek()?.as_str() {
        "crate" => {
            names.next();
            let first = names.peek()?;
            match reexports
                .get(*first)
                .filter(|_| !known.contains(std::slice::from_ref(*first)))
            {
                Some(module) => return Some(module.clone()),
                None => Module::new(),
            }
        }
        "self" | "super" => module.clone(),
        first if known.contains(&[module.as_slice(), &[first.to_owned()]].concat()) => {
            module.clone()
        }
        _ => return None,
    };
    for name in names {
        match name.as_str() {
            "self" => {}
            "super" => drop(at.pop()),
            name => {
                at.push(name.to_owned());
                if !known.contains(&at) {
                    at.pop();
                    break;
                }
            }
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)], order: &str) -> Vec<String> {
        let texts = files
            .iter()
            .map(|(path, text)| (module(Path::new(path)), (*text).to_owned()))
            .collect();
        let order: Order = toml::from_str(&format!("modules = {order}")).unwrap();
        Sources::of(&texts).unwrap().check(&order.modules)
    }

    #[test]
    fn a_use_of_a_later_module_is_found_in_every_way_to_write_it() {
        for text in [
            "use crate::b::B;",
            "use crate::{b::{self, B}, c};",
            "use super::b;",
            "fn f() { g!(crate::b::h()) }",
            "fn f() -> super::b::B { loop {} }",
            "use crate::B;",
            "use crate::b::*;",
            "mod inner { fn f() { crate::b::g::<u8>() } }",
        ] {
            let files = [
                ("lib.rs", "mod a; mod b; pub use b::B;"),
                ("a.rs", text),
                ("b.rs", ""),
            ];
            assert_eq!(findings(&files, r#"["a", "b"]"#), ["a uses b"], "{text}");
            assert_eq!(findings(&files, r#"["b", "a"]"#), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_name_that_the_root_renames_belongs_to_its_module() {
        let root = (
            "lib.rs",
            "mod a; mod b; mod c; pub use b::Error as BError; pub use c::Error;",
        );
        let uses = |text| {
            findings(
                &[root, ("a.rs", text), ("b.rs", ""), ("c.rs", "")],
                r#"["c", "a", "b"]"#,
            )
        };
        assert_eq!(uses("use crate::BError;"), ["a uses b"]);
        assert_eq!(uses("use crate::Error;"), [""; 0]);
    }

    #[test]
    fn tests_and_the_root_may_use_everything() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use crate::b::B;"),
            (
                "a.rs",
                "#[cfg(test)] mod tests { use crate::b; } #[cfg(test)] mod more; #[cfg(test)] fn \
                 f() { crate::b::g() }",
            ),
            ("a/more.rs", "use crate::b;"),
            ("b.rs", "#[cfg(all(test, unix))] use crate::c;"),
            ("c.rs", ""),
        ];
        assert_eq!(findings(&files, r#"["a", "b", "c"]"#), [""; 0]);
    }

    #[test]
    fn a_module_may_use_only_the_constants_of_the_root() {
        let root = (
            "main.rs",
            "mod a; use other::c; const VERSION: &str = \"1\"; fn helper() {}",
        );
        let uses = |text| findings(&[root, ("a.rs", text)], r#"["a"]"#);
        assert_eq!(uses("use super::helper;"), ["a uses the root"]);
        assert_eq!(uses("use crate::{VERSION, c};"), [""; 0]);
    }

    #[test]
    fn a_longer_name_has_a_place_of_its_own_and_neighbours_may_not_use_each_other() {
        let files = [
            ("lib.rs", ""),
            ("a/mod.rs", "mod low; mod high; use low::L;"),
            ("a/low.rs", ""),
            ("a/high.rs", "use crate::b; use super::low;"),
            ("b.rs", "use crate::a;"),
        ];
        assert_eq!(findings(&files, r#"["a", "b", "a::high"]"#), [""; 0]);
        assert_eq!(findings(&files, r#"["a", "b"]"#), ["a::high uses b"]);
        assert_eq!(
            findings(&files, r#"["a::low", ["a", "b"], "a::high"]"#),
            ["b uses a"]
        );
    }

    #[test]
    fn every_module_must_be_in_the_order_and_every_name_must_be_a_module() {
        let files = [("lib.rs", "mod a;"), ("a.rs", ""), ("b.rs", "")];
        assert_eq!(
            findings(&files, r#"["a", "c"]"#),
            [
                "the order names c, which is no module",
                "b has no place in the order"
            ]
        );
    }

    #[test]
    fn a_crate_with_modules_declares_their_order() {
        let sources = |files: &[&str]| {
            let texts = files
                .iter()
                .map(|path| (module(Path::new(path)), String::new()))
                .collect();
            Sources::of(&texts).unwrap()
        };
        let declared = Order {
            modules: vec![Entry::One("a".to_owned())],
        };
        assert_eq!(
            sources(&["lib.rs", "a.rs"]).check_declared(Some(&declared)),
            [""; 0]
        );
        assert_eq!(
            sources(&["lib.rs", "a.rs"]).check_declared(None),
            ["its Cargo.toml declares no order of its modules, see [package.metadata.order]"]
        );
        assert_eq!(
            sources(&["lib.rs"]).check_declared(None),
            [""; 0],
            "a crate of one file has no modules"
        );
    }

    #[test]
    fn the_modules_of_every_crate_are_in_order() {
        check().unwrap();
    }
}
