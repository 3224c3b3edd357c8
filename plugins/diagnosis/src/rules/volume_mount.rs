//! A volume that cannot be mounted on a pod's node: the storage driver, a network file system, a host path.
//!
//! Evidence: the event FailedMount, the one with a reason before the one that only counts seconds.
//! Not to be taken for: a ConfigMap, Secret or key that is missing, a volume that is not attached, a cache of the kubelet
//! that fills again.
//! Source: kubernetes/pkg/kubelet/volumemanager, pkg/volume/util/operationexecutor, pkg/volume/hostpath.

use super::Rule;
use crate::{
    Event, Evidence, Facts, Finding, Kind, Object, Reference,
    containers::{judged_pods, seconds_on_node},
    creation,
    health::STARTING,
    object::text,
};

pub(super) const RULE: Rule = Rule { id: "volume-mount", find };

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts).filter_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    let events = creation::events(facts, pod, &["FailedMount", "FailedMapVolume"]);
    let is_slow = seconds_on_node(facts, pod) > STARTING;
    let names_it = |event: &&Event<'_>| !is_timeout(event.message()) && !is_of_other_rule(event.message());
    let other = events.iter().any(|event| is_of_other_rule(event.message()));
    let event = match events.iter().find(names_it) {
        Some(event) if event.count() > 1 || is_slow => event,
        _ if other || !creation::events(facts, pod, &["FailedAttachVolume"]).is_empty() => return None,
        _ => events.iter().find(|event| is_slow && is_timeout(event.message()))?,
    };
    let message = event.message();
    let (words, next) = cause(message);
    let volume = volume(message);
    let (object, source) = source(facts, pod, volume);
    let name = if volume.is_empty() || !is_plain(volume) {
        "a volume".to_owned()
    } else {
        format!("volume {volume}")
    };
    let mut finding = Finding::new(RULE.id, object, format!("{name} cannot be mounted: {words}"))
        .affects(pod.reference())
        .affects(facts.root(pod).reference())
        .with(Evidence::quote("", message, event.place(facts.now)))
        .next(next);
    if !source.is_empty() {
        finding = finding.with(Evidence::quote("", source, "spec.volumes"));
    }
    finding = finding.with(Evidence::fact(format!("node {}", pod.text("/spec/nodeName")), "spec.nodeName"));
    // A timeout says that something is amiss, and not what.
    Some(if is_timeout(message) { finding.symptom() } else { finding })
}

fn is_timeout(message: &str) -> bool {
    message.starts_with("Unable to attach or mount volumes") || message.starts_with("Unable to mount volumes")
}

/// True for the words of config-missing, and for a cache that the kubelet fills again by itself.
fn is_of_other_rule(message: &str) -> bool {
    let has = |part: &str| message.contains(part);
    let is_object = (has("configmap") || has("secret")) && has("not found");
    is_object
        || has("references non-existent")
        || has(" cache: timed out waiting for the condition")
        || has(" not registered")
}

fn volume(message: &str) -> &str {
    let unmounted =
        message.split("unmounted volumes=[").nth(1).and_then(|rest| rest.split([']', ' ', ',']).next());
    unmounted.unwrap_or_else(|| creation::volume_in(message))
}

fn is_plain(name: &str) -> bool {
    name.len() <= 253 && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-._".contains(&letter))
}

/// The object that provides a volume, and what the pod's spec says of it.
fn source(facts: &Facts, pod: &Object, volume: &str) -> (Reference, String) {
    let claim = |name: &str| Reference::new(Kind::PersistentVolumeClaim, pod.namespace(), name);
    for spec in pod.list("/spec/volumes") {
        let name = text(spec, "/persistentVolumeClaim/claimName");
        let is_bound =
            || facts.get(&claim(name)).is_some_and(|claim| claim.text("/spec/volumeName") == volume);
        if !name.is_empty() && (text(spec, "/name") == volume || is_bound()) {
            let class = facts.get(&claim(name)).map(|claim| claim.text("/spec/storageClassName"));
            let class =
                class.filter(|class| !class.is_empty()).map(|class| format!(", StorageClass {class}"));
            return (claim(name), format!("claim {name}{}", class.unwrap_or_default()));
        }
        if text(spec, "/name") != volume {
            continue;
        }
        let words = if let Some(nfs) = spec.get("nfs") {
            format!("nfs {}:{}", text(nfs, "/server"), text(nfs, "/path"))
        } else if let Some(host) = spec.get("hostPath") {
            format!("hostPath {} {}", text(host, "/path"), text(host, "/type"))
        } else if let Some(csi) = spec.get("csi") {
            format!("csi driver {}", text(csi, "/driver"))
        } else {
            String::new()
        };
        return (facts.root(pod).reference(), words);
    }
    (facts.root(pod).reference(), String::new())
}

/// The meaning of the words of the kubelet or of the driver, and the next step.
fn cause(message: &str) -> (&'static str, &'static str) {
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if has(&["hostPath type check failed"]) {
        (
            "the node has no such path of that type",
            "create the path on the node, or correct path or type of the hostPath",
        )
    } else if has(&["not found in the list of registered CSI drivers"]) {
        ("its storage driver does not run on the node", "look at the driver's DaemonSet pod on that node")
    } else if has(&[
        "Connection timed out",
        "No route to host",
        "connection refused",
        "Connection refused",
        "Name or service not known",
        "Failed to resolve server",
    ]) {
        (
            "its server cannot be reached from the node",
            "see whether the server runs and its name is right, and whether a firewall is between",
        )
    } else if has(&["access denied", "Permission denied", "permission denied"]) {
        ("its server denies access", "correct the export or the credentials on the server")
    } else if has(&["bad option", "need a /sbin/mount", "unknown filesystem type", "mount.nfs"]) {
        (
            "the node cannot mount that file system",
            "install the file system's tools on the node, or correct the mount options",
        )
    } else if has(&["wrong fs type", "bad superblock", "fsck"]) {
        ("its file system is damaged or of another type", "check the file system; correct fsType")
    } else if has(&["No such file or directory", "no such file or directory"]) {
        ("a path of it does not exist", "create the path, or correct it")
    } else if has(&["serviceaccount", "failed to fetch token"]) {
        ("its ServiceAccount's token cannot be made", "see whether the ServiceAccount exists")
    } else if is_timeout(message) {
        (
            "it is not ready in time, and the kubelet names no reason",
            "see with events_list what other events the pod, its claim and the node have",
        )
    } else {
        ("the kubelet or the storage driver fails", "read its words")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, event, pod, with};

    fn creating(volume: Value) -> Value {
        pod(
            "files-1",
            json!({"nodeName": "n1", "containers": [{"name": "app"}], "volumes": [volume]}),
            json!({"phase": "Pending", "startTime": "2026-11-24T11:00:00Z", "containerStatuses": [{"name": "app",
                "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}]}),
        )
    }

    #[test]
    fn the_reason_is_told_and_the_timeout_is_not() {
        for (volume, message, words) in [
            (
                json!({"name": "logs", "hostPath": {"path": "/srv/logs", "type": "Directory"}}),
                "MountVolume.SetUp failed for volume \"logs\" : hostPath type check failed: /srv/logs is not a directory",
                "volume logs cannot be mounted: the node has no such path",
            ),
            (
                json!({"name": "share", "nfs": {"server": "nas", "path": "/x"}}),
                "MountVolume.SetUp failed for volume \"share\" : mount failed: exit status 32\nmount.nfs: Connection timed out",
                "nfs nas:/x",
            ),
        ] {
            let pod = creating(volume);
            let timeout = event(
                &pod,
                "FailedMount",
                "Unable to attach or mount volumes: unmounted volumes=[share], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition",
            );
            let reason = event(&pod, "FailedMount", message);
            let answer = Recorded::new(&[pod, timeout, reason]).ask("files-1");
            assert!(
                answer.contains("cause 1 (certain) [volume-mount] Pod shop/files-1")
                    && answer.contains(words),
                "{words}: {answer}"
            );
            assert!(!answer.contains("Unable to attach"), "{answer}");
        }
    }

    #[test]
    fn a_missing_configmap_and_a_slow_cache_are_other_matters() {
        for message in [
            "MountVolume.SetUp failed for volume \"x\" : configmap \"gone\" not found",
            "MountVolume.SetUp failed for volume \"x\" : failed to sync configmap cache: timed out waiting for the condition",
        ] {
            let pod = creating(json!({"name": "x", "configMap": {"name": "gone", "optional": true}}));
            let failed = event(&pod, "FailedMount", message);
            let answer = Recorded::new(&[pod, failed]).ask("files-1");
            assert!(!answer.contains("volume-mount"), "{answer}");
        }
    }

    const TIMEOUT: &str = "Unable to attach or mount volumes: unmounted volumes=[share], unattached volumes=[]: timed out waiting for the condition";
    const FAILED: &str = "MountVolume.SetUp failed for volume \"share\" : mount failed: exit status 32";

    #[test]
    fn a_single_failure_on_a_young_pod_and_the_words_of_other_rules_are_no_fault() {
        let (old, young) = ("2026-11-24T11:00:00Z", "2026-11-24T11:59:30Z");
        let missing = "MountVolume.SetUp failed for volume \"x\" : secret \"tls\" not found";
        let publish = "MountVolume.SetUp failed for volume \"share\" : the publish secret is not valid";
        for (since, events, words) in [
            (
                old,
                vec![("FailedMount", FAILED)],
                "volume share cannot be mounted: the kubelet or the storage driver fails",
            ),
            (
                old,
                vec![("FailedMount", publish)],
                "volume share cannot be mounted: the kubelet or the storage driver fails",
            ),
            (young, vec![("FailedMount", FAILED)], ""),
            (old, vec![("FailedMount", TIMEOUT)], "volume share cannot be mounted: it is not ready in time"),
            (young, vec![("FailedMount", TIMEOUT)], ""),
            (old, vec![("FailedMount", TIMEOUT), ("FailedMount", missing)], ""),
            (old, vec![("FailedMount", TIMEOUT), ("FailedAttachVolume", "AttachVolume.Attach failed")], ""),
            (
                old,
                vec![("FailedMount", "MountVolume.SetUp failed for volume \"a`b\" : x")],
                ": a volume cannot be mounted",
            ),
        ] {
            let mut pod = creating(json!({"name": "share", "nfs": {"server": "nas", "path": "/x"}}));
            pod["status"]["startTime"] = since.into();
            let mut objects: Vec<Value> =
                events.iter().map(|(reason, words)| event(&pod, reason, words)).collect();
            objects.push(pod);
            Recorded::new(&objects).assert_found(&RULE, words);
        }
    }

    #[test]
    fn the_claim_of_a_volume_is_found_by_the_name_of_either() {
        let claim = |name: &str, volume: &str| {
            with(
                "PersistentVolumeClaim",
                name,
                json!({"volumeName": volume, "storageClassName": "fast"}),
                json!({}),
            )
        };
        for (volume, object) in [
            ("share", "PersistentVolumeClaim shop/data: volume share"),
            ("pv-2", "PersistentVolumeClaim shop/data: volume pv-2"),
            ("pv-1", "PersistentVolumeClaim shop/logs: volume pv-1"),
            ("pv-3", "Pod shop/files-1: volume pv-3"),
        ] {
            let mut pod = creating(json!({}));
            let of = |name: &str, claim: &str| json!({"name": name, "persistentVolumeClaim": {"claimName": claim}});
            pod["spec"]["volumes"] = json!([of("logs", "logs"), of("share", "data")]);
            let failed = event(&pod, "FailedMount", &FAILED.replace("share", volume));
            Recorded::new(&[pod, failed, claim("logs", "pv-1"), claim("data", "pv-2")])
                .assert_found(&RULE, object);
        }
    }
}
