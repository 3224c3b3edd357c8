//! Certificates and kubeconfigs of a node's programs.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::{ADDRESS, member::Member};
use crate::pki::{Authority, Signed, token_keys};

/// Address of the Service `kubernetes`: the first of the range.
const SERVICE: &str = "10.96.0.1";

/// Clients of the API server that are the same on every Kubernetes node: file name, user, group.
const CLIENTS: [(&str, &str, Option<&str>); 4] = [
    ("admin", "admin", Some("system:masters")),
    ("controllers", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("proxy", "system:kube-proxy", None),
];

/// Writes all of them: certificates to `pki/`, and `<client>.kubeconfig` for each client to the folder of each member.
pub(super) fn write(folder: &Path, members: &[Member]) -> Result<()> {
    let pki = folder.join("pki");
    std::fs::create_dir_all(&pki)?;
    let write = |name: &str, signed: &Signed| -> Result<()> {
        std::fs::write(pki.join(format!("{name}.crt")), &signed.certificate)?;
        Ok(std::fs::write(pki.join(format!("{name}.key")), &signed.key)?)
    };
    let ca = Authority::new("porthole-node-ca")?;
    write("ca", &ca.own)?;
    let names = ["127.0.0.1", SERVICE, ADDRESS, "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    write("api", &ca.server(&names)?)?;
    for (name, user, group) in CLIENTS {
        write(name, &ca.client(user, group)?)?;
        for member in members {
            let file = member.folder().join(format!("{name}.kubeconfig"));
            std::fs::write(file, kubeconfig(&pki, &member.api_server(), name))?;
        }
    }
    for member in members {
        let name = member.name();
        write(&name, &ca.client(&format!("system:node:{name}"), Some("system:nodes"))?)?;
        let file = member.folder().join("kubelet.kubeconfig");
        std::fs::write(file, kubeconfig(&pki, &member.api_server(), &name))?;
    }
    // The aggregation layer's authority is another one: who has a certificate of it may name any user.
    let front = Authority::new("porthole-node-front-proxy-ca")?;
    write("front-ca", &front.own)?;
    write("front", &front.client("front-proxy", None)?)?;
    let (private, public) = token_keys()?;
    std::fs::write(pki.join("tokens.key"), private)?;
    Ok(std::fs::write(pki.join("tokens.pub"), public)?)
}

fn kubeconfig(pki: &Path, api_server: &str, client: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "node", "cluster": {"server": api_server, "certificate-authority": pki.join("ca.crt")}}],
        "users": [{"name": client, "user": {
            "client-certificate": pki.join(format!("{client}.crt")),
            "client-key": pki.join(format!("{client}.key")),
        }}],
        "contexts": [{"name": "node", "context": {"cluster": "node", "user": client}}],
        "current-context": "node",
    })
    .to_string()
}
