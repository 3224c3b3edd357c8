//! configuration_view: which cluster this is, and as whom it is read. There is no credential in it to be shown.

use porthole_sdk::{prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// No effect: there is no more to show
    #[expect(dead_code, reason = "agents give it; there is nothing that it could leave out")]
    minified: Option<bool>,
}

#[tool(
    title = "Cluster and account",
    summary = "Which cluster this is, its version, and the account that reads it with its groups. Never credentials."
)]
fn configuration_view(_: Request) -> Answer {
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
