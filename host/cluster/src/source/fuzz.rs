//! Oracle of kubeconfigs: an error or an address, no password in it, and no file but those that it names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::{Kubeconfig, Source, format_address};

/// A kubeconfig is an error or a configuration at once; the address that is shown has no password.
///
/// One that names the file of a CA is left out: it would be read, from this machine.
pub fn kubeconfig(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(parsed) = Kubeconfig::from_yaml(text) else { return };
    let mut clusters = parsed.clusters.iter().filter_map(|named| named.cluster.as_ref());
    if clusters.any(|cluster| cluster.certificate_authority.is_some()) {
        return;
    }
    let source = Source::Text(text.to_owned());
    let config = pin!(source.config()).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(config) = config else { panic!("a kubeconfig waits for something") };
    let Ok((config, _)) = config else { return };
    let format_address = format_address(&config.cluster_url);
    assert!(!format_address.contains('@'), "{format_address}");
    assert!(format_address.contains(config.cluster_url.host().unwrap_or_default()));
}
