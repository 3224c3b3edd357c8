//! Columns of volumes, claims and storage classes.

use serde_json::Value;

use super::{
    Printer,
    cells::{age, items, name, text},
};

pub(super) const VOLUMES: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Capacity", 0),
        ("Access Modes", 0),
        ("Reclaim Policy", 0),
        ("Status", 0),
        ("Claim", 0),
        ("StorageClass", 0),
        ("VolumeAttributesClass", 0),
        ("Reason", 0),
        ("Age", 0),
        ("VolumeMode", 1),
    ],
    cells: |volume, now| {
        let claim = [text(volume, "/spec/claimRef/namespace"), text(volume, "/spec/claimRef/name")].join("/");
        vec![
            name(volume),
            text(volume, "/spec/capacity/storage").into(),
            modes(volume, "/spec/accessModes"),
            text(volume, "/spec/persistentVolumeReclaimPolicy").into(),
            text(volume, "/status/phase").into(),
            if claim == "/" { "".into() } else { claim.into() },
            text(volume, "/spec/storageClassName").into(),
            unset(volume),
            text(volume, "/status/reason").into(),
            age(volume, now),
            text(volume, "/spec/volumeMode").into(),
        ]
    },
};

pub(super) const CLAIMS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Status", 0),
        ("Volume", 0),
        ("Capacity", 0),
        ("Access Modes", 0),
        ("StorageClass", 0),
        ("VolumeAttributesClass", 0),
        ("Age", 0),
        ("VolumeMode", 1),
    ],
    cells: |claim, now| {
        let deleted = claim.pointer("/metadata/deletionTimestamp").is_some();
        // A bound claim shows the modes and size of its volume.
        let bound = claim.pointer("/spec/volumeName").is_some();
        vec![
            name(claim),
            if deleted { "Terminating".into() } else { text(claim, "/status/phase").into() },
            text(claim, "/spec/volumeName").into(),
            if bound { text(claim, "/status/capacity/storage").into() } else { "".into() },
            if bound { modes(claim, "/status/accessModes") } else { "".into() },
            text(claim, "/spec/storageClassName").into(),
            unset(claim),
            age(claim, now),
            text(claim, "/spec/volumeMode").into(),
        ]
    },
};

pub(super) const CLASSES: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Provisioner", 0),
        ("ReclaimPolicy", 0),
        ("VolumeBindingMode", 0),
        ("AllowVolumeExpansion", 0),
        ("Age", 0),
    ],
    cells: |class, now| {
        let default =
            class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
        let suffix = if default { " (default)" } else { "" };
        vec![
            format!("{}{suffix}", text(class, "/metadata/name")).into(),
            text(class, "/provisioner").into(),
            text(class, "/reclaimPolicy").into(),
            text(class, "/volumeBindingMode").into(),
            (class["allowVolumeExpansion"] == true).into(),
            age(class, now),
        ]
    },
};

fn unset(object: &Value) -> Value {
    match text(object, "/spec/volumeAttributesClassName") {
        empty if empty.is_empty() => "<unset>".into(),
        class => class.into(),
    }
}

fn modes(object: &Value, pointer: &str) -> Value {
    let short = |mode: &Value| match mode.as_str().unwrap_or_default() {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    items(object, pointer).map(short).collect::<Vec<_>>().join(",").into()
}
