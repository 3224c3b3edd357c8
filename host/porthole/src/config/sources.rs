//! `tools.sources`, `tools.network`, `trust` and `registries` of the configuration file: tools that `porthole plugin pull`, or
//! the server itself, brings.
//!
//! The text is read by every build, so that one file serves a server without the feature `registry` too; what it means is for
//! those with it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

/// The keys as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ToolSources {
    pub(super) sources: Vec<SourceText>,
    pub(super) network: bool,
    pub(super) trust: TrustText,
    pub(super) registries: Vec<RegistryText>,
}

/// A tool to pull.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SourceText {
    image: String,
    digest: Option<String>,
    #[serde(default)]
    signed_by: Vec<String>,
    poll: Option<String>,
}

impl ToolSources {
    /// True if the server itself asks registries.
    pub(crate) fn polls(&self) -> bool {
        self.sources.iter().any(|source| source.poll.is_some())
    }

    /// Finds an interval without leave to use it.
    pub(super) fn check_network(&self) -> Result<(), String> {
        match self.sources.iter().position(|source| source.poll.is_some()) {
            Some(number) if !self.network => Err(format!(
                "tools.sources[{number}]: poll: the server asks no registry unless tools.network is true. Set it, or let `porthole plugin pull --poll` ask beside the server"
            )),
            _ => Ok(()),
        }
    }
}

/// Keys and what is required of sources.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustText {
    #[serde(default)]
    keys: BTreeMap<String, PathBuf>,
    #[serde(default)]
    require: RequireText,
    #[serde(default)]
    revoked: Vec<String>,
}

/// Requirement on every source; every build reads it, and `Required` is of those with the feature `registry`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum RequireText {
    Signature,
    #[default]
    Digest,
    None,
}

/// Settings of a registry.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RegistryText {
    host: String,
    ca_file: Option<PathBuf>,
    docker_config: Option<PathBuf>,
    #[serde(default)]
    insecure: bool,
}

#[cfg(feature = "registry")]
mod parsed {
    use std::{collections::BTreeMap, time::Duration};

    use anyhow::Context;
    use porthole_contract::Echo;
    use porthole_registry::{ContentDigest, ImageReference, Registry, Required, Source, Trust};

    use super::{RequireText, SourceText, ToolSources};
    use crate::polling::parse_interval;

    impl ToolSources {
        /// Sources, parsed.
        pub(crate) fn sources(&self) -> Result<Vec<Source>, String> {
            let numbered = self.sources.iter().enumerate();
            numbered
                .map(|(number, text)| {
                    source(text).map_err(|error| format!("tools.sources[{number}]: {error}"))
                })
                .collect()
        }

        /// Intervals of the sources that the server polls.
        pub(crate) fn intervals(&self) -> Result<BTreeMap<ImageReference, Duration>, String> {
            let mut intervals = BTreeMap::new();
            for (number, text) in self.sources.iter().enumerate() {
                let Some(poll) = &text.poll else { continue };
                let interval = parse_interval(poll)
                    .map_err(|error| format!("tools.sources[{number}]: poll: {error}"))?;
                intervals.insert(source(text)?.image, interval);
            }
            Ok(intervals)
        }

        /// Trust without its keys, which are files.
        pub(crate) fn trust(&self) -> Result<Trust, String> {
            let revoked = self.trust.revoked.iter().map(|text| ContentDigest::try_from(text.clone()));
            let revoked =
                revoked.collect::<Result<_, _>>().map_err(|error| format!("trust.revoked: {error}"))?;
            let required = match self.trust.require {
                RequireText::Signature => Required::Signature,
                RequireText::Digest => Required::Digest,
                RequireText::None => Required::None,
            };
            Ok(Trust { required, revoked, ..Trust::default() })
        }

        /// Files of keys by name.
        pub(crate) fn keys(&self) -> impl Iterator<Item = (&String, &std::path::PathBuf)> {
            self.trust.keys.iter()
        }

        /// Registries by host, with the files that they name.
        pub(crate) fn registries(&self) -> anyhow::Result<Vec<(&str, Registry)>> {
            let read = |key: &str, path: &Option<std::path::PathBuf>| {
                let path = path.as_ref();
                let read = path.map(|path| {
                    std::fs::read(path).with_context(|| format!("registries: {key}: {}", path.display()))
                });
                read.transpose()
            };
            let registries = self.registries.iter().map(|text| {
                let ca = read("caFile", &text.ca_file)?;
                let docker_config = read("dockerConfig", &text.docker_config)?;
                Ok((text.host.as_str(), Registry { ca, docker_config, insecure: text.insecure }))
            });
            registries.collect()
        }

        /// Finds what is wrong without a file.
        pub(in crate::config) fn validate(&self) -> Result<(), String> {
            self.trust()?;
            self.sources()?;
            self.intervals().map(|_| ())
        }
    }

    fn source(text: &SourceText) -> Result<Source, String> {
        let mut image = ImageReference::parse(&text.image)?;
        if let Some(digest) = &text.digest {
            let digest = ContentDigest::try_from(digest.clone())?;
            if image.digest().is_some_and(|pinned| pinned != digest) {
                return Err(format!("image and digest of {} name two digests", Echo(&text.image)));
            }
            image = image.at(digest);
        }
        Ok(Source { image, signed_by: text.signed_by.clone() })
    }
}
