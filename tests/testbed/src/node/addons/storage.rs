//! Volumes for the default StorageClass: a folder of the node for each claim.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::policies::list;
use crate::accounts::create;

/// Name of the provisioner in the StorageClass.
const PROVISIONER: &str = "porthole.test/folder";
/// Annotation with the node that the scheduler has chosen.
const NODE: &str = "volume.kubernetes.io/selected-node";
/// Time between two looks at the cluster.
const PERIOD: Duration = Duration::from_secs(1);

/// Provides volumes until it is killed.
pub(super) async fn provide(client: &kube::Client, volumes: &Path) -> Result<()> {
    loop {
        if let Err(error) = provide_once(client, volumes).await {
            eprintln!("{error:#}");
        }
        tokio::time::sleep(PERIOD).await;
    }
}

async fn provide_once(client: &kube::Client, volumes: &Path) -> Result<()> {
    let claims = list(client, "/api/v1/persistentvolumeclaims").await?;
    for claim in claims.iter().filter(|claim| is_wanted(claim)) {
        let volume = volume(claim, volumes)?;
        std::fs::create_dir_all(volume["spec"]["hostPath"]["path"].as_str().context("no path")?)?;
        create(client, "/api/v1/persistentvolumes", &volume).await?;
    }
    Ok(())
}

/// True if the cluster asks this provisioner for a volume: with `WaitForFirstConsumer`, once the scheduler has chosen a node.
fn is_wanted(claim: &Value) -> bool {
    let annotations = &claim["metadata"]["annotations"];
    claim["status"]["phase"] == "Pending"
        && annotations["volume.kubernetes.io/storage-provisioner"] == PROVISIONER
        && annotations[NODE].is_string()
}

fn volume(claim: &Value, volumes: &Path) -> Result<Value> {
    let metadata = &claim["metadata"];
    let name = format!("pvc-{}", metadata["uid"].as_str().context("a claim without uid")?);
    Ok(json!({
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": claim["spec"]["resources"]["requests"],
            "accessModes": claim["spec"]["accessModes"],
            "storageClassName": claim["spec"]["storageClassName"],
            // Nothing deletes it before the node itself is deleted.
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": volumes.join(&name), "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [metadata["annotations"][NODE]]},
            ]}]}},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": metadata["name"],
                "namespace": metadata["namespace"], "uid": metadata["uid"],
            },
        },
    }))
}
