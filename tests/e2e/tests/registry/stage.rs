//! Stage of a test: a folder with keys and a configuration, and the command line run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use porthole_e2e::root;
use porthole_testbed::{porthole, registry::Registry};

/// Keys of the fixtures, public and private.
const KEYS: [&str; 4] = ["p256.key", "p256.pub", "ed25519.key", "ed25519.pub"];

/// A folder of a test.
pub(crate) struct Stage(tempfile::TempDir);

/// Path of a tool that Porthole comes with.
pub(crate) fn tool(name: &str) -> PathBuf {
    porthole::tools().join(format!("{name}.wasm"))
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        // Its name is a part of images: lower case, without a dot in front.
        let folder = tempfile::Builder::new().prefix("registry").rand_bytes(8).tempdir().unwrap();
        for key in KEYS {
            fs::copy(root().join("tests/fixtures/signatures").join(key), folder.path().join(key)).unwrap();
        }
        Self(folder)
    }

    /// A stage whose configuration names a tool that was pushed to a registry and signed; the tool's image, and the digest of
    /// its manifest.
    pub(crate) fn with_signed(registry: &Registry) -> (Self, String, String) {
        let stage = Self::new();
        let image = format!("{}/tools/namespaces_list:1", registry.host);
        let digest = stage.push("namespaces_list", &image, Some("p256.key"));
        let source = format!("- {{image: \"{image}\", signedBy: [platform]}}");
        stage.configure(&registry.host, &source, "keys: {platform: p256.pub}");
        (stage, image, digest)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Folder that tools are pulled into.
    pub(crate) fn folder(&self) -> PathBuf {
        self.path().join("tools")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Writes the configuration; the registry is on loopback, without TLS.
    pub(crate) fn configure(&self, host: &str, sources: &str, trust: &str) {
        let sources = if sources.starts_with('-') { format!("\n  {sources}") } else { format!(" {sources}") };
        let text = format!(
            "tools:\n  sources:{sources}\ntrust:\n  {trust}\nregistries:\n- {{host: \"{host}\", insecure: true}}\n"
        );
        self.replace("porthole.yaml", &text);
    }

    /// Replaces a file in one step: a process that polls may read it at any moment, and an empty configuration removes tools.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let aside = self.path().join("aside.new");
        fs::write(&aside, text).unwrap();
        fs::rename(aside, self.path().join(name)).unwrap();
    }

    /// Runs the command line; exit code and what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        self.run_with(&[], arguments)
    }

    /// Runs the command line like [`run`](Self::run), with variables of the environment.
    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(porthole::binary());
        command.args(arguments).envs(variables.iter().copied()).current_dir(self.path());
        let output = command.output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8(printed).unwrap())
    }

    pub(crate) fn pull(&self) -> (i32, String) {
        self.pull_with(&[])
    }

    /// Pulls like [`pull`](Self::pull), with variables of the environment.
    pub(crate) fn pull_with(&self, variables: &[(&str, &str)]) -> (i32, String) {
        self.run_with(variables, &["plugin", "pull", "--config", "porthole.yaml", "--into", "tools"])
    }

    /// Pushes a tool that Porthole comes with; returns the digest of its manifest.
    pub(crate) fn push(&self, name: &str, image: &str, key: Option<&str>) -> String {
        self.push_file(&tool(name), image, key)
    }

    /// As [`push`](Self::push), of any file.
    pub(crate) fn push_file(&self, file: &Path, image: &str, key: Option<&str>) -> String {
        let host = image.split('/').next().unwrap();
        if !image.starts_with("oci:") {
            let text = format!("registries:\n- {{host: \"{host}\", insecure: true}}\n");
            fs::write(self.path().join("push.yaml"), text).unwrap();
        } else {
            fs::write(self.path().join("push.yaml"), "").unwrap();
        }
        let file = file.display().to_string();
        let mut arguments = vec!["plugin", "push", &file, image, "--config", "push.yaml"];
        arguments.extend(key.into_iter().flat_map(|key| ["--key", key]));
        let (code, output) = self.run(&arguments);
        assert_eq!(code, 0, "{output}");
        let (_, rest) = output.split_once("@sha256:").expect("a digest");
        format!("sha256:{}", &rest[..64])
    }

    /// The largest blob of a folder in OCI layout.
    pub(crate) fn largest_blob(&self, name: &str) -> (PathBuf, Vec<u8>) {
        let blobs = fs::read_dir(self.path().join(name).join("blobs/sha256")).unwrap();
        let blobs =
            blobs.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap()));
        blobs.max_by_key(|(_, bytes)| bytes.len()).unwrap()
    }
}
