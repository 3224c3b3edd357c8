//! `porthole plugin new`: creates a tool project that includes the contract and the library for its language.

#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use include_dir::{Dir, include_dir};
use porthole_contract::ToolName;

use crate::cli::Language;

/// Templates: `*.in` files lose that extension and have `{{name}}` replaced; other files are copied unchanged.
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");
const CONTRACT: &str = include_str!("../../../../../wit/porthole.wit");
/// The crates that a tool in Rust is built with, as they are here. The template's workspace names each, with its path.
static RUST_CRATES: [RustCrate; 4] = [
    RustCrate {
        name: "sdk",
        manifest: include_str!("../../../../../plugins/sdk/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk/src"),
    },
    RustCrate {
        name: "sdk-macros",
        manifest: include_str!("../../../../../plugins/sdk-macros/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-macros/src"),
    },
    RustCrate {
        name: "lists",
        manifest: include_str!("../../../../../plugins/lists/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../../plugins/lists/src"),
    },
    RustCrate {
        name: "field-path",
        manifest: include_str!("../../../../../plugins/field-path/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../../plugins/field-path/src"),
    },
];
const RUST_LOCK: &str = include_str!("../../../../../plugins/Cargo.lock");
const JS_SDK: &str = include_str!("../../../../../plugins/sdk/js/porthole.js");
const PYTHON_SDK: &str = include_str!("../../../../../plugins/sdk/python/porthole.py");

/// A crate of `plugins/` that a project in Rust has a copy of, in `porthole/<name>`.
struct RustCrate {
    name: &'static str,
    manifest: &'static str,
    source: Dir<'static>,
}

pub(super) fn new(name: &str, language: Language) -> anyhow::Result<ExitCode> {
    let folder = Path::new(name);
    create(folder, name, language)?;
    println!("{name}/ is a tool in {language:?}, built and tested by itself. Next, in {name}/:\n");
    for command in commands(language) {
        println!("  {}", command.replace("{{name}}", name));
    }
    println!("\nThe tests need `porthole` in the PATH, or its path in $PORTHOLE.");
    Ok(ExitCode::SUCCESS)
}

/// Next steps in a new project.
fn commands(language: Language) -> &'static [&'static str] {
    match language {
        Language::Rust => &[
            "cargo build --release --target wasm32-wasip2",
            "cargo test",
            "cp target/wasm32-wasip2/release/{{name}}.wasm /path/to/plugins/",
        ],
        Language::Js => &["npm install", "npm run build", "npm test", "cp {{name}}.wasm /path/to/plugins/"],
        Language::Python => &[
            "pip install -r requirements.txt",
            "componentize-py -d wit -w tool componentize --stub-wasi tool -o {{name}}.wasm",
            "python -m unittest",
            "cp {{name}}.wasm /path/to/plugins/",
        ],
    }
}

/// Creates the project in a new folder.
fn create(folder: &Path, name: &str, language: Language) -> anyhow::Result<()> {
    // Packages and modules must begin with a letter in these languages.
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || ToolName::parse(name).is_none() {
        bail!("{name:?} is no name for a tool: 1 to 64 of a-z, 0-9 and _, beginning with a letter");
    }
    if folder.exists() {
        bail!("{} is there already; choose another name, or move it away", folder.display());
    }
    let write = |path: PathBuf, text: &str| -> anyhow::Result<()> {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("{}", path.display()))
    };
    write("wit/porthole.wit".into(), CONTRACT)?;
    let own = match language {
        Language::Rust => "rust",
        Language::Js => "js",
        Language::Python => "python",
    };
    for templates in ["all", own] {
        for (path, text) in texts(TEMPLATES.get_dir(templates).context("the templates are not built in")?) {
            write(path, &text.replace("{{name}}", name))?;
        }
    }
    match language {
        Language::Rust => {
            // The versions of Porthole's own tools; cargo removes the unused ones.
            write("Cargo.lock".into(), RUST_LOCK)?;
            for RustCrate { name, manifest, source } in &RUST_CRATES {
                let folder = Path::new("porthole").join(name);
                write(folder.join("Cargo.toml"), manifest)?;
                for (path, text) in texts(source) {
                    write(folder.join("src").join(path), text)?;
                }
            }
        }
        Language::Js => write("porthole.js".into(), JS_SDK)?,
        Language::Python => write("porthole.py".into(), PYTHON_SDK)?,
    }
    Ok(())
}

/// Files below an embedded folder: relative path and text.
fn texts<'d>(folder: &'d Dir<'d>) -> Vec<(PathBuf, &'d str)> {
    let mut texts = Vec::new();
    let mut folders = vec![folder];
    while let Some(inner) = folders.pop() {
        folders.extend(inner.dirs());
        for file in inner.files() {
            let path = file.path().strip_prefix(folder.path()).unwrap_or(file.path());
            let Some(text) = file.contents_utf8() else { continue };
            texts.push((target(path), text));
        }
    }
    texts
}

/// Path of a rendered template. Under its real name it would affect this repository, as a package or as a gitignore.
fn target(path: &Path) -> PathBuf {
    if path.extension().is_none_or(|ending| ending != "in") {
        return path.to_owned();
    }
    let path = path.with_extension("");
    if path.file_name().is_some_and(|name| name == "gitignore") {
        path.with_file_name(".gitignore")
    } else {
        path
    }
}
