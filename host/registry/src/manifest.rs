//! Manifests: of a tool, and of what is attached to one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ContentDigest;

/// Max bytes of a manifest; registries refuse larger ones at 4 MiB, and a tool's has under 2 kB.
pub(crate) const MAX_MANIFEST: usize = 1 << 20;
/// Max bytes of a tool, as the host loads it (`host/sandbox`).
pub(crate) const MAX_LAYER: u64 = 128 << 20;
/// Max entries of an index that are looked at: more signatures of one tool are an attack on who verifies it.
pub(crate) const MAX_ENTRIES: usize = 64;

/// Media types of the CNCF Wasm OCI artifact, and of OCI.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub(crate) const WASM: &str = "application/wasm";

/// Reference to content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: ContentDigest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
}

impl Descriptor {
    /// Descriptor of these bytes.
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: ContentDigest::of(bytes),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }
}

/// Manifest of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Index of manifests: the referrers of one, or a folder's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) manifests: Vec<Descriptor>,
}

impl Index {
    /// An index without entries.
    pub(crate) fn empty() -> Self {
        Self { schema_version: 2, media_type: Some(INDEX.to_owned()), manifests: Vec::new() }
    }
}

impl Manifest {
    /// Parses the manifest of an image; the error says what it is instead.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_MANIFEST {
            return Err(format!("its manifest has {} bytes; it may have {MAX_MANIFEST}", bytes.len()));
        }
        if serde_json::from_slice::<Index>(bytes).is_ok() {
            return Err(
                "its manifest is an index of several images; name the digest of one of them".to_owned()
            );
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("its manifest cannot be read: {error}"))?;
        if manifest.schema_version != 2 || manifest.media_type.as_deref().is_some_and(|kind| kind != MANIFEST)
        {
            return Err("its manifest is not an OCI image manifest".to_owned());
        }
        Ok(manifest)
    }

    /// The only layer, if it is a component that the host would load.
    pub(crate) fn tool_layer(&self) -> Result<&Descriptor, String> {
        let [layer] = self.layers.as_slice() else {
            return Err(format!(
                "it has {} layers; a tool has exactly one, of type {WASM}",
                self.layers.len()
            ));
        };
        if layer.media_type != WASM {
            return Err(format!(
                "its layer has the type {:?}; a tool's is {WASM}",
                porthole_contract::truncate(&layer.media_type, 80)
            ));
        }
        if layer.size == 0 || layer.size > MAX_LAYER {
            return Err(format!("its layer has {} bytes; a tool has 1 to {MAX_LAYER}", layer.size));
        }
        Ok(layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool() -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::of(CONFIG, b"{}"),
            layers: vec![Descriptor::of(WASM, b"wasm")],
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    fn refusal(change: impl FnOnce(&mut Manifest)) -> String {
        let mut manifest = tool();
        change(&mut manifest);
        let parsed = Manifest::parse(&serde_json::to_vec(&manifest).unwrap());
        parsed.and_then(|manifest| manifest.tool_layer().cloned()).unwrap_err()
    }

    #[test]
    fn a_tool_is_one_layer_of_wasm() {
        let parsed = Manifest::parse(&serde_json::to_vec(&tool()).unwrap()).unwrap();
        assert_eq!(parsed.tool_layer().unwrap().size, 4);
        assert!(refusal(|tool| tool.layers.clear()).contains("0 layers"));
        assert!(refusal(|tool| tool.layers.push(tool.layers[0].clone())).contains("2 layers"));
        assert!(refusal(|tool| tool.layers[0].media_type = "text/html".to_owned()).contains("text/html"));
        assert!(refusal(|tool| tool.layers[0].size = 0).contains("0 bytes"));
        assert!(refusal(|tool| tool.layers[0].size = MAX_LAYER + 1).contains("134217729 bytes"));
        assert!(refusal(|tool| tool.schema_version = 1).contains("not an OCI"));
        assert!(refusal(|tool| tool.media_type = Some("application/x".to_owned())).contains("not an OCI"));
    }

    #[test]
    fn an_index_is_not_chosen_from() {
        let index = serde_json::to_vec(&Index::empty()).unwrap();
        assert!(Manifest::parse(&index).unwrap_err().contains("several images"));
        assert!(Manifest::parse(b"[]").unwrap_err().contains("cannot be read"));
        assert!(Manifest::parse(&vec![b' '; MAX_MANIFEST + 1]).unwrap_err().contains("it may have"));
    }
}
