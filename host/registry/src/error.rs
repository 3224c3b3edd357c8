//! Errors of pulling, verifying and pushing a tool.

use std::path::PathBuf;

use porthole_contract::Printable;

use crate::{ContentDigest, ImageReference};

/// A tool that is not pulled, verified or pushed. Each error is one line, of letters that steer no terminal.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the sentences name them")]
pub enum Error {
    /// The registry did not answer, or not in time. Retryable.
    #[error("{image}: the registry does not answer: {}. What is in the folder with the right digest needs none", Printable(.cause))]
    Unreachable { image: Box<ImageReference>, cause: String },
    /// The registry has no such tag or digest.
    #[error("{image} is not there: it was deleted or never pushed, or the account may not see it")]
    Missing { image: Box<ImageReference> },
    /// The registry asks for another account.
    #[error("{image}: the registry refuses the account: {}. Name a file with credentials: registries[].dockerConfig", Printable(.cause))]
    Denied { image: Box<ImageReference>, cause: String },
    /// Another failure of the registry or of the folder.
    #[error("{image}: {}", Printable(.cause))]
    Failed { image: Box<ImageReference>, cause: String },
    /// The bytes have another digest than the one that was asked for.
    #[error(
        "{image}: what was sent is not {expected}: the registry, or what stands before it, answers with other bytes. Nothing of it is kept"
    )]
    OtherContent { image: Box<ImageReference>, expected: ContentDigest },
    /// The layer ended early.
    #[error("{image}: the layer was cut off after {received} of {size} bytes: {}. Nothing of it is kept; try again", Printable(.cause))]
    Truncated { image: Box<ImageReference>, received: u64, size: u64, cause: String },
    /// The manifest is not that of a tool.
    #[error("{image} is not a tool: {}", Printable(.cause))]
    NotATool { image: Box<ImageReference>, cause: String },
    /// No named key has signed the digest.
    #[error("{image} ({digest}) is not signed by {}: {}. It is not used", .names.join(" or "), Printable(.cause))]
    NotSigned { image: Box<ImageReference>, digest: ContentDigest, names: Vec<String>, cause: String },
    /// The digest is on the list of revoked ones.
    #[error("{image}: {digest} is revoked (trust.revoked). It is not used")]
    Revoked { image: Box<ImageReference>, digest: ContentDigest },
    /// The lock of sources does not fit the sources or what was pulled.
    #[error("lock of sources: {}: {}. If that is meant, remove its entry, or write the lock anew with `porthole plugin lock`", Printable(.image), Printable(.cause))]
    Lock { image: String, cause: String },
    /// The lock of sources as a whole is none.
    #[error("lock of sources {}: {}", .path.display(), Printable(.cause))]
    NoLock { path: PathBuf, cause: String },
    /// The lock of sources has changed and cannot be written.
    #[error("lock of sources {}: {cause}. It has changed: what a tag is now would be forgotten. Write it where it can be written, with `porthole plugin lock --lock FILE`", .path.display())]
    Unwritable { path: PathBuf, cause: std::io::Error },
    /// A file of this machine.
    #[error("{}: {cause}", .path.display())]
    File { path: PathBuf, cause: std::io::Error },
}

impl Error {
    /// Wraps an error about a file.
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::File { path, cause }
    }
}
