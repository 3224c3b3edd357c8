//! etcd, kube-apiserver and kubectl: located, or built from their Go modules.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Kubernetes version. Every `k8s.io/*` staging module has the corresponding version.
const KUBERNETES: &str = "1.36.3";
/// Oldest Kubernetes that the suite `cluster` runs against, too, by `cargo xtask test --long`.
const OLDEST: &str = "1.31.14";
/// etcd version. Debian's 3.4 lacks RequestWatchProgress: every list would go to etcd, five times slower than in a
/// cluster.
const ETCD: &str = "3.6.16";

const API_SERVER: &str = r#"package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
"#;

/// Programs of a control plane.
#[derive(Debug, Clone)]
pub struct Binaries {
    pub(crate) etcd: PathBuf,
    pub(crate) kube_apiserver: PathBuf,
    pub(crate) kubectl: PathBuf,
}

impl Binaries {
    /// Finds them in `$KUBEBUILDER_ASSETS`, on `PATH` or in the cache, or builds them (4 minutes on 2 cores).
    pub fn find_or_build() -> Result<Self> {
        let cache = versioned_cache();
        let find = |name: &str, build: &dyn Fn(&Path) -> Result<()>| -> Result<PathBuf> {
            if let Some(found) = found(name) {
                return Ok(found);
            }
            let cached = cache.join(name);
            if !cached.exists() {
                std::fs::create_dir_all(&cache)?;
                build(&cached).with_context(|| format!("building {name}"))?;
            }
            Ok(cached)
        };
        Ok(Self {
            etcd: find("etcd", &build_etcd)?,
            kube_apiserver: find("kube-apiserver", &|out| build_kubernetes("kube-apiserver", out))?,
            kubectl: find("kubectl", &|out| build_kubernetes("kubectl", out))?,
        })
    }
}

impl Binaries {
    /// As [`find_or_build`](Self::find_or_build), with the API server of the oldest Kubernetes that is tested.
    pub fn find_or_build_oldest() -> Result<Self> {
        let kube_apiserver = cache().join(format!("kubernetes-{OLDEST}")).join("kube-apiserver");
        if !kube_apiserver.exists() {
            if let Some(folder) = kube_apiserver.parent() {
                std::fs::create_dir_all(folder)?;
            }
            eprintln!("building kube-apiserver {OLDEST} from its Go modules (about four minutes, once)");
            let folder = tempfile::tempdir()?;
            kubernetes_module(folder.path(), OLDEST, "kube-apiserver", API_SERVER)?;
            build(folder.path(), OLDEST, "./kube-apiserver", &kube_apiserver)
                .with_context(|| format!("building kube-apiserver {OLDEST}"))?;
        }
        Ok(Self { kube_apiserver, ..Self::find_or_build()? })
    }
}

/// Folder of programs of these versions.
pub(crate) fn versioned_cache() -> PathBuf {
    cache().join(format!("kubernetes-{KUBERNETES}-etcd-{ETCD}"))
}

/// Cache folder of this project.
pub fn cache() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache/porthole")
}

fn found(name: &str) -> Option<PathBuf> {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    // An etcd or API server on PATH may be any version, 3.4 among them; only kubectl is compatible enough.
    let path = std::env::var_os("PATH").filter(|_| name == "kubectl").unwrap_or_default();
    assets
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn go(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=mod")
        .stderr(Stdio::piped())
        .output()
        .context(
            "Go is not installed; it is needed once, to build the API server that the tests run against",
        )?;
    if !output.status.success() {
        bail!("go {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Builds in a folder of its own beside the program and renames, so that neither an interrupted build nor a second one at
/// the same time leaves a partial program.
fn build(folder: &Path, version: &str, package: &str, out: &Path) -> Result<()> {
    let beside = tempfile::tempdir_in(out.parent().context("a program is in a folder")?)?;
    let partial = beside.path().join("program");
    let partial_text = partial.to_str().context("a path that is not UTF-8")?;
    let minor = version.split('.').nth(1).context("a version of Kubernetes has a minor number")?;
    let flags = format!(
        "-s -w -X k8s.io/component-base/version.gitVersion=v{version} -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor={minor}"
    );
    go(folder, &["build", "-trimpath", "-ldflags", &flags, "-o", partial_text, package])?;
    std::fs::rename(&partial, out)?;
    Ok(())
}

fn build_etcd(out: &Path) -> Result<()> {
    eprintln!("building etcd {ETCD} (half a minute, once)");
    let folder = tempfile::tempdir()?;
    let module = format!("module porthole.test/etcd\ngo 1.24\nrequire go.etcd.io/etcd/server/v3 v{ETCD}\n");
    std::fs::write(folder.path().join("go.mod"), module)?;
    std::fs::write(
        folder.path().join("main.go"),
        "package main\n\nimport (\n\t\"os\"\n\n\t\"go.etcd.io/etcd/server/v3/etcdmain\"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n",
    )?;
    go(folder.path(), &["mod", "tidy"])?;
    build(folder.path(), KUBERNETES, ".", out)
}

fn build_kubernetes(name: &str, out: &Path) -> Result<()> {
    eprintln!("building {name} {KUBERNETES} from its Go modules (about four minutes for the first, once)");
    if name == "kubectl" {
        let folder = tempfile::tempdir()?;
        kubernetes_module(folder.path(), KUBERNETES, "kube-apiserver", API_SERVER)?;
        return build(folder.path(), KUBERNETES, "k8s.io/kubernetes/cmd/kubectl", out);
    }
    build_kubernetes_main(name, API_SERVER, out)
}

/// Builds a program whose main package has this source and imports Kubernetes.
pub(crate) fn build_kubernetes_main(name: &str, source: &str, out: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    kubernetes_module(folder.path(), KUBERNETES, name, source)?;
    build(folder.path(), KUBERNETES, &format!("./{name}"), out)
}

/// Main package of a program that is built from a module.
pub(crate) enum Main<'a> {
    /// Source that imports the module.
    Source(&'a str),
    /// Path of a package of the module.
    Package(&'a str),
}

/// Builds a program from a module, `path@version`.
pub(crate) fn build_module(module: &str, main: Main<'_>, out: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("go.mod"), "module porthole.test/program\ngo 1.26.0\n")?;
    go(folder.path(), &["get", module])?;
    match main {
        Main::Package(package) => build(folder.path(), KUBERNETES, package, out),
        Main::Source(source) => {
            std::fs::write(folder.path().join("main.go"), source)?;
            go(folder.path(), &["mod", "tidy"])?;
            build(folder.path(), KUBERNETES, ".", out)
        }
    }
}

/// Writes a module with one main package, which requires Kubernetes at a version.
fn kubernetes_module(folder: &Path, version: &str, name: &str, source: &str) -> Result<()> {
    let downloaded = go(folder, &["mod", "download", "-json", &format!("k8s.io/kubernetes@v{version}")])?;
    let downloaded: serde_json::Value = serde_json::from_str(&downloaded)?;
    let go_mod =
        std::fs::read_to_string(downloaded["GoMod"].as_str().context("go mod download names no GoMod")?)?;
    let staging = version.replacen("1.", "v0.", 1);
    let mut module = format!(
        "module porthole.test/kubernetes\ngo 1.26.0\nrequire k8s.io/kubernetes v{version}\nreplace (\n"
    );
    for line in go_mod.lines().filter(|line| line.contains("=> ./staging")) {
        let name = line.trim().trim_start_matches("replace ").split_whitespace().next().unwrap_or_default();
        module.push_str(&format!("\t{name} => {name} {staging}\n"));
    }
    module.push_str(")\n");
    std::fs::write(folder.join("go.mod"), module)?;
    let main = folder.join(name);
    std::fs::create_dir(&main)?;
    std::fs::write(main.join("main.go"), source)?;
    go(folder, &["mod", "tidy"])?;
    Ok(())
}
