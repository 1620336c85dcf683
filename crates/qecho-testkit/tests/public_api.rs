//! The public API of each crate is what its `api.txt` says, so that it changes on purpose.
//!
//! Everything that is `pub` is exported (rustc's `unreachable_pub` sees to that), so the
//! listing is made of the sources alone: every public item, without bodies and docs, under
//! the public module that it is exported from.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Block, Field, Fields, File, ImplItem, Item, ItemImpl, ItemStruct, ItemUse, Type,
    UseTree, Visibility,
    parse::Parser,
    visit_mut::{self, VisitMut},
};

const CRATES: [&str; 12] = [
    "qecho-cert",
    "qecho-echo",
    "qecho-engine",
    "qecho-io",
    "qecho-measure",
    "qecho-monitor",
    "qecho-netsim",
    "qecho-packet",
    "qecho-peer",
    "qecho-probe",
    "qecho-terminal",
    "qecho-trace",
];

/// The command line, whose API is one function. What else it implements is for itself alone.
const COMMAND_LINE: &str = "qecho-cli";

/// Set to write the files anew.
const UPDATE: &str = "UPDATE_PUBLIC_API";

#[test]
fn each_crate_has_what_its_page_on_crates_io_shows() {
    for name in CRATES.into_iter().chain([COMMAND_LINE]) {
        let folder = crate_folder(name);
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a crate has one");
        for key in ["description", "readme", "keywords", "categories", "include"] {
            let is_told = manifest.lines().any(|line| line.starts_with(key));
            assert!(is_told, "{name} has no {key}");
        }
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(folder.join(file).is_file(), "{name} has no {file}");
        }
    }
}

#[test]
fn the_public_api_of_each_crate_is_what_its_file_says() {
    let mut changed = Vec::new();
    for name in CRATES {
        let folder = crate_folder(name);
        let (file, listing) = (folder.join("api.txt"), Api::read(&folder).listing());
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&file, &listing).expect("the file can be written");
        }
        let stands = fs::read_to_string(&file).unwrap_or_default();
        let (new, old) = (lines(&listing), lines(&stands));
        let gone = old.difference(&new).map(|line| format!("- {line}"));
        let come = new.difference(&old).map(|line| format!("+ {line}"));
        if stands != listing {
            changed.push(format!("{name}:"));
            changed.extend(gone.chain(come));
        }
    }
    assert!(
        changed.is_empty(),
        "the public API has changed; if it should, {UPDATE}=1 cargo test -p qecho-testkit writes \
         it down:\n{}",
        changed.join("\n")
    );
}

#[test]
fn nothing_of_the_state_machine_beneath_is_public() {
    let api = Api::read(&crate_folder("qecho-engine"));
    assert!(
        api.foreign.len() > 10,
        "{:?} is not all that is used",
        api.foreign
    );
    let listing = api.listing();
    let words: HashSet<&str> = listing
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .collect();
    let shown: Vec<&String> = api
        .foreign
        .iter()
        .filter(|name| *name != "self" && words.contains(name.as_str()))
        .filter(|name| !api.own.contains(*name))
        .collect();
    assert!(shown.is_empty(), "{shown:?} of quinn-proto are public");
    assert!(!words.iter().any(|word| word.starts_with("quinn")));
}

fn crate_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().filter(|line| !line.is_empty()).collect()
}

/// Public items of a crate.
struct Api {
    /// The public module that exports an item, what sorts it there, and the item.
    items: Vec<(String, String, Item)>,
    /// Names that are imported from quinn-proto.
    foreign: BTreeSet<String>,
    /// Names that are the crate's own, or of one beneath that is ours.
    own: BTreeSet<String>,
    private_traits: BTreeSet<String>,
}

impl Api {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().expect("a folder has a name");
        let mut api = Self {
            items: Vec::new(),
            foreign: BTreeSet::new(),
            own: BTreeSet::new(),
            private_traits: BTreeSet::new(),
        };
        let root = name.to_string_lossy().replace('-', "_");
        api.file(&folder.join("src/lib.rs"), &folder.join("src"), &root, true);
        let (own, private) = (api.own.clone(), std::mem::take(&mut api.private_traits));
        api.items.retain(|(_, _, item)| match item {
            Item::Impl(of) => {
                let of_a_private_trait = of.trait_.as_ref().is_some_and(|(path, _)| {
                    let name = path.segments.last().map(|last| last.ident.to_string());
                    name.is_some_and(|name| private.contains(&name))
                });
                own.contains(&type_name(&of.self_ty)) && !of_a_private_trait
            }
            _ => true,
        });
        api.items
            .sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        api
    }

    /// Reads a file; its modules are in `folder`.
    fn file(&mut self, file: &Path, folder: &Path, module: &str, is_public: bool) {
        let source = fs::read_to_string(file).expect("a module has its file");
        let parsed = syn::parse_file(&source).expect("what compiles can be parsed");
        self.module(parsed.items, folder, module, is_public);
    }

    fn module(&mut self, items: Vec<Item>, folder: &Path, module: &str, is_public: bool) {
        for mut item in items {
            if is_for_tests(attributes(&mut item)) {
                continue;
            }
            match item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    let is_public = is_public && self::is_public(&inner.vis);
                    let path = match is_public {
                        true => format!("{module}::{name}"),
                        false => module.to_owned(),
                    };
                    let inside = folder.join(&name);
                    match inner.content {
                        Some((_, items)) => self.module(items, &inside, &path, is_public),
                        None => self.file(&inside.with_extension("rs"), &inside, &path, is_public),
                    }
                }
                Item::Use(imported) => self.import(imported, module),
                item => self.item(item, module),
            }
        }
    }

    /// Takes a re-export of what is not the crate's own, or has another name there.
    fn import(&mut self, imported: ItemUse, module: &str) {
        let (root, renames) = first_name(&imported.tree);
        if root.starts_with("quinn") {
            names(&imported.tree, &mut self.foreign);
        }
        if root.starts_with("qecho_") {
            names(&imported.tree, &mut self.own);
        }
        let is_own = !root.starts_with("qecho_") && root != "rustls";
        if is_public(&imported.vis) && (renames || !is_own) {
            let item = Item::Use(imported);
            self.items.push((module.to_owned(), String::new(), item));
        }
    }

    fn item(&mut self, mut item: Item, module: &str) {
        Strip.visit_item_mut(&mut item);
        let (is_public, name) = match &mut item {
            Item::Struct(item) => (is_public(&item.vis), item.ident.to_string()),
            Item::Enum(item) => (is_public(&item.vis), item.ident.to_string()),
            Item::Trait(item) => {
                if !is_public(&item.vis) {
                    self.private_traits.insert(item.ident.to_string());
                }
                (is_public(&item.vis), item.ident.to_string())
            }
            Item::Type(item) => (is_public(&item.vis), item.ident.to_string()),
            Item::Const(item) => {
                // The value of a limit may be tuned.
                *item.expr = parse("_");
                (is_public(&item.vis), item.ident.to_string())
            }
            Item::Fn(item) => (is_public(&item.vis), item.sig.ident.to_string()),
            Item::Impl(block) => {
                let name = type_name(&block.self_ty);
                if block.trait_.is_some() || !block.items.is_empty() {
                    self.items.push((module.to_owned(), name, item));
                }
                return;
            }
            _ => return,
        };
        if is_public {
            self.own.insert(name.clone());
            self.items.push((module.to_owned(), name, item));
        }
    }

    fn listing(&self) -> String {
        let mut listing = String::new();
        let mut module = "";
        for (of, _, item) in &self.items {
            if of != module {
                module = of;
                listing += &format!("\n// {module}\n");
            }
            listing += &prettyplease::unparse(&File {
                shebang: None,
                frontmatter: None,
                attrs: Vec::new(),
                items: vec![item.clone()],
            });
        }
        listing.trim_start().to_owned()
    }
}

fn attributes(item: &mut Item) -> &mut Vec<Attribute> {
    match item {
        Item::Const(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        Item::Fn(item) => &mut item.attrs,
        Item::Impl(item) => &mut item.attrs,
        Item::Macro(item) => &mut item.attrs,
        Item::Mod(item) => &mut item.attrs,
        Item::Static(item) => &mut item.attrs,
        Item::Struct(item) => &mut item.attrs,
        Item::Trait(item) => &mut item.attrs,
        Item::Type(item) => &mut item.attrs,
        Item::Use(item) => &mut item.attrs,
        _ => panic!("a kind of item that no crate has had yet"),
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let test = |attribute: &Attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|condition| condition.is_ident("test"))
    };
    attributes.iter().any(test)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Leaves of an item what others can see and call.
struct Strip;

impl VisitMut for Strip {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| {
            let path = attribute.path();
            path.is_ident("derive") || path.is_ident("non_exhaustive")
        });
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        block.stmts.clear();
    }

    fn visit_item_struct_mut(&mut self, item: &mut ItemStruct) {
        visit_mut::visit_item_struct_mut(self, item);
        for field in &mut item.fields {
            if !is_public(&field.vis) {
                field.vis = Visibility::Inherited;
                field.ty = parse("()");
            }
        }
        if let Fields::Named(fields) = &mut item.fields
            && !fields.named.iter().all(|field| is_public(&field.vis))
        {
            let all = std::mem::take(&mut fields.named).into_iter();
            fields.named = all.filter(|field| is_public(&field.vis)).collect();
            let private = Field::parse_named.parse_str("_private: ()");
            fields.named.push(private.expect("a field"));
        }
    }

    fn visit_item_impl_mut(&mut self, block: &mut ItemImpl) {
        block.items.retain(|item| match item {
            _ if block.trait_.is_some() => false,
            ImplItem::Fn(method) => is_public(&method.vis) && !is_for_tests(&method.attrs),
            ImplItem::Const(of) => is_public(&of.vis),
            _ => false,
        });
        visit_mut::visit_item_impl_mut(self, block);
    }
}

fn type_name(of: &Type) -> String {
    match of {
        Type::Path(of) => match of.path.segments.last() {
            Some(last) => last.ident.to_string(),
            None => String::new(),
        },
        Type::Reference(of) => type_name(&of.elem),
        _ => String::new(),
    }
}

/// Returns the first name of a path, and whether something gets another name.
fn first_name(tree: &UseTree) -> (String, bool) {
    match tree {
        UseTree::Path(path) => (path.ident.to_string(), first_name(&path.tree).1),
        UseTree::Name(name) => (name.ident.to_string(), false),
        UseTree::Rename(rename) => (rename.ident.to_string(), true),
        UseTree::Glob(_) => (String::new(), false),
        UseTree::Group(group) => {
            let mut parts = group.items.iter().map(first_name);
            (String::new(), parts.any(|(_, renames)| renames))
        }
    }
}

/// Gathers the names that a `use` brings in.
fn names(tree: &UseTree, into: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => names(&path.tree, into),
        UseTree::Name(name) => drop(into.insert(name.ident.to_string())),
        UseTree::Rename(rename) => drop(into.insert(rename.rename.to_string())),
        UseTree::Group(group) => group.items.iter().for_each(|part| names(part, into)),
        _ => {}
    }
}

fn parse<T: syn::parse::Parse>(source: &str) -> T {
    syn::parse_str(source).expect("valid Rust")
}
