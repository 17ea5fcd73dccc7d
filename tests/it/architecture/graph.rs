//! Which file uses which: the paths of `use` declarations and of expressions, resolved to the file that
//! defines the item.
//!
//! A re-export is transparent: an import of `store::StoreError` depends on `store/error.rs`, where the
//! type is defined, and not on `store/mod.rs`, which re-exports it. A `mod` declaration is no dependency.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// The files of the crate and the edges between them.
pub struct Graph {
    /// Path of modules, such as `["store", "write", "queue"]`, to what is in that file.
    modules: BTreeMap<Vec<String>, Module>,
}

struct Module {
    path: String,
    /// Names that `use` brings into scope, with the path that each stands for.
    imports: BTreeMap<String, Vec<String>>,
    /// Paths that the code names, imports included.
    named: Vec<Vec<String>>,
}

impl Graph {
    pub fn new<'s>(sources: impl IntoIterator<Item = &'s Source>) -> Self {
        let read = |source: &Source| (module_path(&source.path), Module::new(source));
        Self { modules: sources.into_iter().map(read).collect() }
    }

    /// Cycles between files of one top-level folder, each as its files. Files that use one another directly
    /// or through others are one cycle.
    pub fn cycles(&self) -> Vec<Vec<String>> {
        let edges = self.edges();
        let mut cycles = BTreeSet::new();
        for file in edges.keys() {
            let reached = reachable(&edges, file);
            let cycle: BTreeSet<_> =
                reached.iter().filter(|other| reachable(&edges, other).contains(file)).cloned().collect();
            if reached.contains(file) {
                cycles.insert(cycle.into_iter().collect::<Vec<_>>());
            }
        }
        cycles.into_iter().collect()
    }

    /// The edges between different files of one top-level folder.
    pub fn edges(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
        for (at, module) in &self.modules {
            for named in &module.named {
                let Some(target) = self.resolve(at, named, 0) else { continue };
                if target.first() == at.first() && target != *at {
                    edges.entry(module.path.clone()).or_default().insert(self.modules[&target].path.clone());
                }
            }
        }
        edges
    }

    /// The module that defines what `path` names when it stands in the module `at`.
    fn resolve(&self, at: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
        // An import may name another import; a circle of them does not compile.
        if depth > 16 {
            return None;
        }
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.descend(Vec::new(), rest, depth),
            "self" => self.descend(at.to_vec(), rest, depth),
            "super" => self.descend(at.split_last()?.1.to_vec(), rest, depth),
            _ if self.modules.contains_key(&child(at, first)) => self.descend(at.to_vec(), path, depth),
            _ => {
                let target = self.modules.get(at)?.imports.get(first)?;
                self.resolve(at, &[target, rest].concat(), depth + 1)
            }
        }
    }

    fn descend(&self, mut at: Vec<String>, path: &[String], depth: usize) -> Option<Vec<String>> {
        let mut path = path;
        while let Some((name, rest)) = path.split_first() {
            if name == "super" {
                at.pop();
            } else if self.modules.contains_key(&child(&at, name)) {
                at.push(name.clone());
            } else {
                let import = self.modules.get(&at).and_then(|module| module.imports.get(name));
                return match import {
                    Some(target) => self.resolve(&at, &[target, rest].concat(), depth + 1),
                    None => self.modules.contains_key(&at).then_some(at),
                };
            }
            path = rest;
        }
        // The module itself is named, and nothing in it: what is used of it stands in another path.
        None
    }
}

impl Module {
    fn new(source: &Source) -> Self {
        let text: String = source.code.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
        let tokens = tokens(&text);
        let (mut imports, mut named, mut at) = (BTreeMap::new(), Vec::new(), 0);
        // The depths of braces at which modules inside the file begin.
        let (mut depth, mut inline) = (0_usize, Vec::new());
        // `super` inside such a module is this file.
        let outer = |mut path: Vec<String>, inline: &[usize]| {
            let own = path.iter().take_while(|name| *name == "super").count().min(inline.len());
            path.drain(..own);
            if own > 0 { [vec!["self".to_owned()], path].concat() } else { path }
        };
        while at < tokens.len() {
            match tokens[at] {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    inline.pop_if(|begin| *begin == depth);
                }
                "mod" if tokens.get(at + 2) == Some(&"{") => inline.push(depth),
                "use" => {
                    let mut found = Vec::new();
                    at = use_tree(&tokens, at + 1, &[], &mut found);
                    for (name, path) in found {
                        let path = outer(path, &inline);
                        named.push(path.clone());
                        imports.insert(name, path);
                    }
                    continue;
                }
                name if is_name(name) && tokens.get(at + 1) == Some(&"::") => {
                    let mut path = vec![name.to_owned()];
                    while tokens.get(at + 1) == Some(&"::")
                        && tokens.get(at + 2).is_some_and(|next| is_name(next))
                    {
                        path.push(tokens[at + 2].to_owned());
                        at += 2;
                    }
                    named.push(outer(path, &inline));
                }
                _ => {}
            }
            at += 1;
        }
        Self { path: source.path.clone(), imports, named }
    }
}

fn child(at: &[String], name: &str) -> Vec<String> {
    [at, &[name.to_owned()]].concat()
}

fn module_path(file: &str) -> Vec<String> {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path: Vec<_> = inside.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod" || last == "lib") {
        path.pop();
    }
    path
}

fn reachable(edges: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(file) = open.pop() {
        for next in edges.get(&file).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

/// Reads `a::{b, c as d}` from `at` on; the names that it brings into scope, and the token behind it.
fn use_tree(tokens: &[&str], at: usize, prefix: &[String], found: &mut Vec<(String, Vec<String>)>) -> usize {
    let (mut path, mut at) = (prefix.to_vec(), at);
    loop {
        match tokens.get(at).copied() {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = use_tree(tokens, at, &path, found);
                    if tokens.get(at) == Some(&",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some("::") => at += 1,
            Some("*") => return at + 1,
            Some("as") => {
                let name = tokens.get(at + 1).copied().unwrap_or_default();
                found.push((name.to_owned(), path));
                return at + 2;
            }
            Some("self") if !path.is_empty() => at += 1,
            Some(name) if is_name(name) => {
                path.push(name.to_owned());
                at += 1;
            }
            _ => {
                if let Some(name) = path.last().cloned() {
                    found.push((name, path));
                }
                return at;
            }
        }
    }
}

/// Names, `::` and single characters.
fn tokens(text: &str) -> Vec<&str> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let (mut found, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = if is_part(first) {
            rest.find(|letter| !is_part(letter)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        found.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    found
}

fn is_name(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}
