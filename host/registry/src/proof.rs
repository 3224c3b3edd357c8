//! Proof of what a tool's file is, kept beside it: the manifest, and the signature over its digest. So the lock of sources
//! says which version a tool is, and is not believed that a key has signed it, with or without a registry.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    ContentDigest, Error, LockedTool, TrustedKey, bundle, manifest::Manifest, replacement::replace,
    simple_signing,
};

/// End of the file's name, behind that of the tool. Hosts load `.wasm` files alone.
const ENDING: &str = ".proof";
/// Max bytes of the file: a manifest and a signature of the size that is taken from a registry, a MiB each, with every letter
/// escaped.
const MAX_PROOF: u64 = 4 << 20;

/// Manifest and signature of a tool, as a registry sent them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    manifest: String,
    /// Missing if no signature was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
}

/// A signature over a manifest's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Signature {
    /// Sigstore's bundle.
    Bundle(String),
    /// cosign's older signature: the text that was signed, and the signature in Base64.
    Older { text: String, signature: String },
}

impl Proof {
    /// Of a manifest and a signature that were verified. Both are JSON, so they are UTF-8; were they not, the proof would not
    /// hold.
    pub(crate) fn new(manifest: &[u8], signature: Option<Signature>) -> Self {
        Self { manifest: String::from_utf8_lossy(manifest).into_owned(), signature }
    }

    /// True if it is of this entry of the lock: its manifest, in which the tool is the only layer, and if keys are given, a
    /// signature by one of them.
    fn holds(&self, tool: &LockedTool, keys: Option<&[&TrustedKey]>) -> bool {
        if ContentDigest::of(self.manifest.as_bytes()) != tool.manifest {
            return false;
        }
        let manifest = Manifest::parse(self.manifest.as_bytes());
        let layer = manifest.as_ref().ok().and_then(|manifest| manifest.tool_layer().ok());
        if layer.is_none_or(|layer| layer.digest != tool.layer) {
            return false;
        }
        let Some(keys) = keys else { return true };
        match &self.signature {
            Some(Signature::Bundle(bundle)) => bundle::signer(bundle.as_bytes(), tool.manifest, keys).is_ok(),
            Some(Signature::Older { text, signature }) => {
                simple_signing::signer(text.as_bytes(), signature, tool.manifest, keys).is_ok()
            }
            None => false,
        }
    }

    /// Writes it beside the file of a tool.
    pub(crate) fn write(&self, tool: &Path) -> Result<(), Error> {
        let path = beside(tool);
        let text = serde_json::to_vec(self).unwrap_or_default();
        replace(&path, &text).map_err(Error::file(&path))
    }
}

/// True if the proof beside the file of a tool holds. One that cannot be read proves nothing.
pub(crate) fn holds(path: &Path, tool: &LockedTool, keys: Option<&[&TrustedKey]>) -> bool {
    read(&beside(path)).is_some_and(|proof| proof.holds(tool, keys))
}

/// Removes the proof beside the file of a tool that is removed.
pub(crate) fn remove(tool: &Path) -> Result<(), Error> {
    let path = beside(tool);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(&path)(error)),
        _ => Ok(()),
    }
}

fn beside(tool: &Path) -> PathBuf {
    let mut name = tool.file_name().unwrap_or_default().to_owned();
    name.push(ENDING);
    tool.with_file_name(name)
}

fn read(path: &Path) -> Option<Proof> {
    // A pipe would never end.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    fs::File::open(path).ok()?.take(MAX_PROOF).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    //! Against what cosign 3.1.3 wrote: `tests/fixtures/signatures/README.md`.

    use super::*;

    macro_rules! golden {
        ($name:literal) => {
            include_str!(concat!("../../../tests/fixtures/signatures/", $name))
        };
    }

    fn tool() -> LockedTool {
        let manifest = golden!("manifest.json").as_bytes();
        let layer = Manifest::parse(manifest).unwrap().tool_layer().unwrap().digest;
        LockedTool { manifest: ContentDigest::of(manifest), layer, signed_by: None, key: None }
    }

    fn proof(signature: Option<Signature>) -> Proof {
        Proof::new(golden!("manifest.json").as_bytes(), signature)
    }

    #[test]
    fn a_proof_holds_by_its_key_alone() {
        let [p256, ed25519] = [golden!("p256.pub"), golden!("ed25519.pub")]
            .map(|key| TrustedKey::parse("key", key.as_bytes()).unwrap());
        let older = Signature::Older {
            text: golden!("p256.simple.json").to_owned(),
            signature: golden!("p256.simple.sig").to_owned(),
        };
        for signature in [Signature::Bundle(golden!("p256.bundle.json").to_owned()), older] {
            let proof = proof(Some(signature));
            assert!(proof.holds(&tool(), Some(&[&ed25519, &p256])), "{proof:?}");
            assert!(
                !proof.holds(&tool(), Some(&[&ed25519])) && !proof.holds(&tool(), Some(&[])),
                "{proof:?}"
            );
        }
        let attestation = Signature::Bundle(golden!("p256.attestation.json").to_owned());
        for signature in [None, Some(attestation)] {
            assert!(!proof(signature).holds(&tool(), Some(&[&p256])), "that is no signature");
        }
    }

    #[test]
    fn a_proof_is_of_one_manifest_and_its_layer() {
        let proof = proof(None);
        assert!(proof.holds(&tool(), None));
        let other = ContentDigest::of(b"other");
        assert!(!proof.holds(&LockedTool { layer: other, ..tool() }, None));
        assert!(!proof.holds(&LockedTool { manifest: other, ..tool() }, None));
        let text = golden!("p256.bundle.json").as_bytes();
        let no_manifest = LockedTool { manifest: ContentDigest::of(text), ..tool() };
        assert!(!Proof::new(text, None).holds(&no_manifest, None));
    }

    #[test]
    fn what_is_written_is_read_and_what_cannot_be_read_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certs.wasm");
        assert!(!holds(&path, &tool(), None));
        proof(None).write(&path).unwrap();
        assert!(holds(&path, &tool(), None));
        let file = folder.path().join("certs.wasm.proof");
        let long = format!("{}{}", " ".repeat(5 << 20), fs::read_to_string(&file).unwrap());
        for text in ["", "{}", long.as_str()] {
            fs::write(&file, text).unwrap();
            assert!(!holds(&path, &tool(), None), "{} bytes", text.len());
        }
        remove(&path).unwrap();
        remove(&path).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(!holds(&path, &tool(), None) && remove(&path).is_err());
    }
}
