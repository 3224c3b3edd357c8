//! configuration_view: which cluster this is, and as whom it is read. There is no credential in it to be shown.

use porthole_sdk::prelude::*;

arguments! {
    /// No effect: there is no more to show
    minified: Option<bool>,
}

tool! {
    name: "configuration_view",
    title: "Cluster and account",
    summary: "Which cluster this is, its version, and the account that reads it with its groups. Never credentials.",
    reads: [],
}

fn run(_: Arguments) -> Answer {
    let caller = kube_read::whoami()?;
    text(format!(
        "cluster: {}\nversion: {}\naccount: {}\ngroups: {}\ndefault namespace: {}\ncredentials: not shown; every read is made with the caller's own\n",
        kube_read::cluster_address(),
        caller.server_version,
        caller.username,
        caller.groups.join(", "),
        call::default_namespace(),
    ))
}
