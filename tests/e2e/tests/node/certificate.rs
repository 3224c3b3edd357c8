//! A certificate that is renewed while Dify visits.

use std::path::Path;

use porthole_testbed::{dify::Dify, http::Way, node::ADDRESS, pki::Pki};
use serde_json::json;

use crate::{deployed::Deployed, roads::SYNC, shell, twin::Twin, until, visits::Allowed};

/// The Secret of a certificate, as cert-manager keeps one.
fn keep(deployed: &Deployed, pki: &Pki) {
    let (certificate, key) = (pki.server.0.display(), pki.server.1.display());
    shell(
        &deployed.node,
        &format!(
            "kubectl create secret tls sealed -n mcp-tools --cert={certificate} --key={key} --dry-run=client -o yaml |
             kubectl apply --server-side -f -"
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_served_and_no_visit_is_lost() {
    let deployed = Deployed::get().await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [old, new] = folders.each_ref().map(|folder| Pki::make_for(folder.path(), &[ADDRESS]).unwrap());
    keep(deployed, &old);
    let twin = Twin::create(&deployed.node, "sealed", 1, |pod| {
        let container = &mut pod["containers"][0];
        let files = ["--tls-cert=/etc/tls/tls.crt", "--tls-key=/etc/tls/tls.key"];
        container["args"].as_array_mut().unwrap().extend(files.map(Into::into));
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            container[probe]["httpGet"]["scheme"] = "HTTPS".into();
        }
        let mount = json!({"name": "tls", "mountPath": "/etc/tls", "readOnly": true});
        container["volumeMounts"].as_array_mut().unwrap().push(mount);
        let volume = json!({"name": "tls", "secret": {"secretName": "sealed"}});
        pod["volumes"].as_array_mut().unwrap().push(volume);
    })
    .await;
    let trusting = |authorities: &[&Path]| Way::trusting(authorities).unwrap();
    let mut door = twin.door(&deployed.token);
    door.ways = vec![trusting(&[&old.ca, &new.ca])];
    let connects = async |authority: &Path| {
        let client = trusting(&[authority]).client();
        Dify::connect_by(client, &door.origin, Some(&door.token)).await.map(drop)
    };

    let visits = twin.visits(&door).await;
    connects(&old.ca).await.unwrap();
    connects(&new.ca).await.unwrap_err();
    keep(deployed, &new);
    // A kubelet looks after a pod's volumes every minute, and at once if the pod changes; but it may not know the new
    // Secret yet, so the pod changes once a second.
    let annotate =
        "kubectl annotate --overwrite pod -n mcp-tools -l app=sealed certificate=renewed-$(date +%s)";
    until("the new certificate is served", SYNC, async || {
        shell(&deployed.node, annotate);
        connects(&new.ca).await.map_err(|error| format!("{error:#}"))
    })
    .await;
    connects(&old.ca).await.unwrap_err();
    visits.answered(60).await;
    let report = visits.end().await;
    report.judge("a renewed certificate", &Allowed::default());
    assert_eq!(report.broken(), 0, "sessions stay open");
}
