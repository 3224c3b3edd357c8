//! Tools from OCI registries: resolved to a digest, verified by keys of the operator's configuration, fetched by digest, and
//! recorded in a lock of sources.
//!
//! Registries are hostile: what they send is bounded, and believed only if its SHA-256 is the one that was asked for.

mod bundle;
mod client;
mod digest;
mod docker_config;
mod error;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod key;
mod layout;
mod lock;
mod manifest;
mod proof;
mod pull;
mod push;
mod reference;
mod replacement;
mod round;
mod simple_signing;
mod store;
mod trust;
mod verify;

pub use client::{Registries, Registry};
pub use digest::ContentDigest;
pub use error::Error;
pub use key::{KeyError, SigningKey, TrustedKey};
pub use lock::{LockedTool, SourcesLock};
pub use pull::{Pulled, Tags, pull, remove, remove_revoked};
pub use push::{Artifact, push};
pub use reference::ImageReference;
pub use round::Round;
pub use trust::{Required, Source, SourceError, Trust};
pub use verify::{Verified, verify};
