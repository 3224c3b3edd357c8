//! Options of the commands that speak to registries.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::polling;

pub(crate) const PULL_EXAMPLES: &str = "Examples:
  porthole plugin pull --config porthole.yaml --into /plugins       in an init container, before `porthole serve --plugins /plugins`
  porthole plugin pull --config porthole.yaml --into tools --lock sources.lock
  porthole plugin pull --config porthole.yaml --into /plugins --poll 5m       in a sidecar, beside `porthole serve --plugins /plugins`

Exit codes: 0 every tool is in the folder; 1 one is not (the others are, and the folder keeps what it had of it); 2 the command or the
configuration is wrong. With --poll: 0 it was stopped by SIGTERM or SIGINT; 2 the command or, at the start, the configuration is wrong.";

pub(crate) const PUSH_EXAMPLES: &str = "Examples:
  porthole plugin push certs.wasm registry.example.com/tools/certs:1
  porthole plugin push certs.wasm registry.example.com/tools/certs:1 --key release.key     signed, as cosign does it
  porthole plugin push certs.wasm oci:/srv/tools/certs --key release.key                   into a folder, for a machine without a registry
  openssl genpkey -algorithm ed25519 -out release.key && openssl pkey -in release.key -pubout -out release.pub

Exit codes: 0 it is there; 1 it is not; 2 the command or the configuration is wrong.";

pub(crate) const VERIFY_EXAMPLES: &str = "Examples:
  porthole plugin verify registry.example.com/tools/certs:1 --key release.pub
  porthole plugin verify registry.example.com/tools/certs:1 --config porthole.yaml         by any key of trust.keys

Exit codes: 0 one of the keys has signed it; 1 none has, or it cannot be read; 2 the command or the configuration is wrong.";

pub(crate) const LOCK_EXAMPLES: &str = "Examples:
  porthole plugin lock --config porthole.yaml                        what the sources are now, to stdout
  porthole plugin lock --config porthole.yaml --lock sources.lock      written, for `porthole plugin pull --lock sources.lock`

Exit codes: 0 every source was verified; 1 one was not, and nothing is written; 2 the command or the configuration is wrong.";

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Configuration file with tools.sources, trust and registries
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Folder that gets the tools, each as the last segment of its image's name with .wasm
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
    /// Lock of sources, written if it changed [default: sources.lock in the folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
    /// Go on, and pull again in this interval, for example 5m (1s to 1d), until SIGTERM. The configuration is read each time. A tag
    /// that has moved is followed, if one of signedBy has signed what it is now. After a failure the next pull comes earlier
    #[arg(long, value_name = "DURATION", value_parser = poll_interval)]
    pub(crate) poll: Option<Duration>,
}

fn poll_interval(text: &str) -> Result<Duration, String> {
    polling::parse_interval(text)
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The tool, a .wasm file
    pub(crate) file: PathBuf,
    /// Destination: registry.example.com/tools/NAME:TAG, or a folder, oci:/PATH
    pub(crate) image: String,
    /// Private key to sign it with (PEM, PKCS#8, ECDSA P-256 or Ed25519)
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) load: super::LoadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Image to verify
    pub(crate) image: String,
    /// Public key (PEM) that may have signed it (may be repeated), beside those of trust.keys
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// Configuration file with trust and registries
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Lock {
    /// Configuration file with tools.sources, trust and registries
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Lock of sources to write [default: to stdout]
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
}
