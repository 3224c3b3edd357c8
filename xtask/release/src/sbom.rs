//! SBOM in CycloneDX 1.6, from `cargo metadata` and the lock files: every crate that the host and the tools are linked from, and
//! those that run while they are built.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    arch::Arch,
    digest,
    materials::{Materials, output},
};

/// A workspace that is released: its folder, the packages that are, and the target of their dependencies; none if it is
/// built for the architectures of the release.
struct Workspace {
    folder: &'static str,
    released: fn(&Package) -> bool,
    target: Option<&'static str>,
}

/// Output of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

/// `build` or `dev`; none if it is linked.
#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

const WORKSPACES: [Workspace; 2] = [
    Workspace { folder: ".", released: |package| package.name == "porthole", target: None },
    Workspace {
        folder: "plugins",
        // The folders of tools; guests of tests are members too.
        released: |package| package.manifest_path.contains("/plugins/tools/"),
        target: Some("wasm32-wasip2"),
    },
];

/// Crates by their identifier, with what they depend on.
#[derive(Default)]
struct Crates {
    components: BTreeMap<String, Value>,
    dependencies: BTreeMap<String, BTreeSet<String>>,
    released: BTreeSet<String>,
}

/// The SBOM of the repository's programs for these architectures, and of the tools.
pub(crate) fn of(root: &Path, archs: &[Arch], materials: &Materials) -> Result<Value> {
    let mut crates = Crates::default();
    for workspace in &WORKSPACES {
        let folder = root.join(workspace.folder);
        let mut cargo = Command::new("cargo");
        // Cargo's description of this package is not that of the workspace which is asked about.
        cargo.args(["metadata", "--locked", "--format-version", "1"]);
        let targets = workspace
            .target
            .map_or_else(|| archs.iter().map(|arch| arch.target()).collect(), |one| vec![one]);
        for target in targets {
            cargo.args(["--filter-platform", target]);
        }
        let metadata = serde_json::from_str(&output(cargo.current_dir(&folder))?)?;
        let checksums = checksums(&fs::read_to_string(folder.join("Cargo.lock"))?);
        crates.add(&metadata, workspace.released, &checksums)?;
    }
    Ok(crates.document(archs, materials))
}

/// Checksums in a lock file, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let packages = lock.split("[[package]]").skip(1).filter_map(|package| {
        let key = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
            Some(line.trim_matches('"').to_owned())
        };
        Some(((key("name")?, key("version")?), key("checksum")?))
    });
    packages.collect()
}

impl Crates {
    /// Adds what the released packages of a workspace reach: over plain dependencies what is linked, over those of build
    /// scripts and macros what runs while it is built.
    fn add(
        &mut self,
        metadata: &Metadata,
        released: fn(&Package) -> bool,
        checksums: &BTreeMap<(String, String), String>,
    ) -> Result<()> {
        let packages: BTreeMap<&str, &Package> =
            metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
        let nodes: BTreeMap<&str, &Node> =
            metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let roots: Vec<&Package> = metadata.packages.iter().filter(|package| released(package)).collect();
        anyhow::ensure!(!roots.is_empty(), "cargo metadata names no released package");
        let mut linked: BTreeMap<&str, bool> = BTreeMap::new();
        let mut due: Vec<(&str, bool)> = roots.iter().map(|root| (root.id.as_str(), true)).collect();
        while let Some((at, is_linked)) = due.pop() {
            // Gone through again only if it turns out to be linked after all.
            if linked.get(at).is_some_and(|known| *known || !is_linked) {
                continue;
            }
            linked.insert(at, is_linked);
            for dependency in &nodes.get(at).with_context(|| format!("{at} is not resolved"))?.deps {
                let is =
                    |kind: Option<&str>| dependency.dep_kinds.iter().any(|of| of.kind.as_deref() == kind);
                let is_macro =
                    packages.get(dependency.pkg.as_str()).is_some_and(|package| package.is_macro());
                if is(None) || is(Some("build")) {
                    due.push((&dependency.pkg, is_linked && is(None) && !is_macro));
                }
            }
        }
        for (at, is_linked) in &linked {
            let Some(package) = packages.get(at) else { continue };
            let reference = package.reference();
            // Linked into one program is enough.
            if *is_linked || !self.components.contains_key(&reference) {
                self.components.insert(reference.clone(), package.component(*is_linked, checksums));
            }
            let deps = nodes.get(at).map(|node| node.deps.as_slice()).unwrap_or_default();
            let below = deps.iter().filter(|below| linked.contains_key(below.pkg.as_str()));
            let below = below.filter_map(|below| packages.get(below.pkg.as_str()));
            self.dependencies.entry(reference).or_default().extend(below.map(|below| below.reference()));
        }
        self.released.extend(roots.iter().map(|root| root.reference()));
        Ok(())
    }

    fn document(self, archs: &[Arch], materials: &Materials) -> Value {
        let main = format!("porthole-release@{}", materials.version);
        let mut dependencies = self.dependencies;
        dependencies.insert(main.clone(), self.released);
        let dependencies: Vec<Value> =
            dependencies.into_iter().map(|(of, on)| json!({"ref": of, "dependsOn": on})).collect();
        json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": serial(&format!("{}{:?}{archs:?}", materials.commit, materials.locks)),
            "version": 1,
            "metadata": {
                "timestamp": materials.timestamp(),
                "component": {"type": "application", "bom-ref": main, "name": "porthole", "version": materials.version},
            },
            "components": self.components.into_values().collect::<Vec<_>>(),
            "dependencies": dependencies,
        })
    }
}

impl Package {
    fn is_macro(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }

    /// Identifier in the document.
    fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn component(&self, is_linked: bool, checksums: &BTreeMap<(String, String), String>) -> Value {
        let mut component = serde_json::Map::new();
        let mut add = |key: &str, value: Value| component.insert(key.to_owned(), value);
        add("type", "library".into());
        add("bom-ref", self.reference().into());
        add("name", self.name.as_str().into());
        add("version", self.version.as_str().into());
        add("purl", self.reference().into());
        add("scope", if is_linked { "required" } else { "excluded" }.into());
        // Slashes are how old manifests write OR.
        if let Some(license) = &self.license {
            let parts: Vec<&str> = license.split('/').map(str::trim).collect();
            add("licenses", json!([{"expression": parts.join(" OR ")}]));
        }
        if let Some(checksum) = checksums.get(&(self.name.clone(), self.version.clone())) {
            add("hashes", json!([{"alg": "SHA-256", "content": checksum}]));
        }
        component.into()
    }
}

/// A UUID that is the same for the same content: version 8, of a digest.
fn serial(content: &str) -> String {
    let digest = digest::of_bytes(content.as_bytes());
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default().to_owned();
    format!("urn:uuid:{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::materials::example;

    #[test]
    fn the_sbom_has_what_is_linked_with_its_checksum_and_licence() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let sbom = of(&root, &[Arch::Amd64], &example()).unwrap();
        let components = sbom["components"].as_array().unwrap();
        let find = |name: &str| components.iter().find(|component| component["name"] == name);
        for (name, scope) in
            [("wasmtime", "required"), ("serde_derive", "excluded"), ("regex-lite", "required")]
        {
            let component = find(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(component["scope"], scope, "{name}");
            assert_eq!(component["hashes"][0]["content"].as_str().unwrap().len(), 64, "{name}");
            assert!(component["licenses"][0]["expression"].is_string(), "{name}");
        }
        for own in ["porthole", "porthole-guard", "pods_list", "porthole-sdk"] {
            assert!(find(own).is_some_and(|component| component["hashes"].is_null()), "{own}");
        }
        // Neither what only tests use, nor what is for another system, nor tasks.
        for other in ["proptest", "insta", "windows-sys", "porthole-testbed", "xtask", "curious"] {
            assert!(find(other).is_none(), "{other}");
        }
        let references: BTreeSet<&str> =
            components.iter().filter_map(|component| component["bom-ref"].as_str()).collect();
        assert_eq!(references.len(), components.len(), "each has its own reference");
        for dependency in sbom["dependencies"].as_array().unwrap() {
            for on in dependency["dependsOn"].as_array().unwrap() {
                assert!(references.contains(on.as_str().unwrap()), "{on}");
            }
        }
    }

    #[test]
    fn the_sbom_is_of_the_architectures_that_are_released() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        // A dependency on x86 alone.
        let of = |archs: &[Arch]| of(&root, archs, &example()).unwrap();
        let has = |sbom: &Value| {
            let mut components = sbom["components"].as_array().unwrap().iter();
            components.any(|component| component["name"] == "core_detect")
        };
        let [amd64, arm64, both] = [&[Arch::Amd64][..], &[Arch::Arm64], &[Arch::Amd64, Arch::Arm64]].map(of);
        assert_eq!([&amd64, &arm64, &both].map(has), [true, false, true]);
        assert_ne!(amd64["serialNumber"], both["serialNumber"], "another content has another number");
    }

    #[test]
    fn a_serial_number_is_a_uuid_of_its_content() {
        let one = serial("a");
        assert_eq!((one.len(), one.clone()), (45, serial("a")));
        assert_ne!(one, serial("b"));
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [17, 4, 4, 4, 12]);
    }
}
