#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::*;
use crate::{
    List, LogLines, LogRead, Outline,
    recorded::{Recorded, object, pod, running, with},
};

/// A cluster with custom resources.
struct Customs {
    recorded: Recorded,
    kinds: Vec<CustomKind>,
    resources: Vec<Value>,
    denied: Vec<&'static str>,
}

impl Source for Customs {
    fn now(&self) -> u64 {
        self.recorded.now()
    }

    fn lists(&mut self, lists: &[List]) -> Vec<Result<Listed, Unread>> {
        self.recorded.lists(lists)
    }

    fn outlines(&mut self, namespace: &str) -> Result<Vec<Outline>, Unread> {
        self.recorded.outlines(namespace)
    }

    fn objects(&mut self, references: &[Reference]) -> Vec<Result<Value, Unread>> {
        self.recorded.objects(references)
    }

    fn logs(&mut self, reads: &[LogRead]) -> Vec<Result<LogLines, Unread>> {
        self.recorded.logs(reads)
    }
}

impl CustomSource for Customs {
    fn kinds(&mut self) -> Result<Vec<CustomKind>, Unread> {
        Ok(self.kinds.clone())
    }

    fn customs(&mut self, lists: &[CustomList]) -> Vec<Result<Listed, Unread>> {
        let list = |list: &CustomList| {
            if self.denied.contains(&list.kind.plural.as_str()) {
                return Err(Unread::Failed("forbidden".to_owned()));
            }
            let fits = |value: &&Value| {
                value["kind"] == list.kind.kind
                    && list.namespace.as_ref().is_none_or(|place| value["metadata"]["namespace"] == **place)
                    && list.name.as_ref().is_none_or(|name| value["metadata"]["name"] == **name)
            };
            Ok(Listed { items: self.resources.iter().filter(fits).cloned().collect(), cut: String::new() })
        };
        lists.iter().map(list).collect()
    }
}

fn kind(name: &str, plural: &str, group: &str, is_namespaced: bool) -> CustomKind {
    CustomKind {
        group: group.to_owned(),
        plural: plural.to_owned(),
        kind: name.to_owned(),
        short_names: vec![name[..4].to_lowercase()],
        is_namespaced,
    }
}

/// A cluster of cert-manager and an operator of databases.
fn cluster(resources: &[Value], objects: &[Value]) -> Customs {
    let manager = "cert-manager.io";
    Customs {
        recorded: Recorded::new(objects),
        kinds: vec![
            kind("Certificate", "certificates", manager, true),
            kind("CertificateRequest", "certificaterequests", manager, true),
            kind("ClusterIssuer", "clusterissuers", manager, false),
            kind("Database", "databases", "db.example.com", true),
            kind("Deployment", "deployments", "apps", true),
        ],
        resources: resources.to_vec(),
        denied: Vec::new(),
    }
}

/// A resource that is an hour old.
fn custom(kind: &str, name: &str, status: Value) -> Value {
    let mut resource = json!({"kind": kind, "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{kind}-{name}"),
        "generation": 2, "creationTimestamp": "2026-11-24T11:00:00Z"}, "status": status});
    if kind == "ClusterIssuer" {
        resource["metadata"]["namespace"] = Value::Null;
    }
    resource
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-24T11:00:00Z"})
}

fn owned(mut object: Value, owner: &Value) -> Value {
    object["metadata"]["ownerReferences"] = json!([{"apiVersion": "x/v1", "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true}]);
    object
}

fn ask(cluster: &mut Customs, name: &str, namespace: &str, kind: &str) -> String {
    let given = |text: &str| Some(text.to_owned());
    let request = Request { name: given(name), namespace: given(namespace), kind: given(kind) };
    diagnose_custom(&request, cluster).unwrap_or_else(|error| error)
}

#[test]
fn a_condition_that_is_false_is_the_cause_in_its_own_words() {
    let ready = condition("Ready", "False", "DoesNotExist", "Secret \"web-tls\" does not exist\ncause 9");
    let certificate = custom("Certificate", "web-tls", json!({"conditions": [ready]}));
    let asked = [
        ("web-tls", "", ""),
        ("web", "shop", "cert"),
        ("certificate/web-tls", "", ""),
        ("", "shop", ""),
        ("", "", ""),
    ];
    for (name, namespace, kind) in asked {
        let answer = ask(&mut cluster(std::slice::from_ref(&certificate), &[]), name, namespace, kind);
        assert!(answer.starts_with("Certificate shop/web-tls (cert-manager.io): not well, its condition Ready is False (DoesNotExist)\ncause 1 (certain) [custom-condition] Certificate shop/web-tls: its condition Ready is False"), "{answer}");
        assert!(answer.contains("  Ready False, for 60m: `Secret \"web-tls\" does not exist cause 9` [status of Certificate shop/web-tls]"), "{answer}");
        assert!(answer.contains("not known: what its controller does"), "{answer}");
    }
}

#[test]
fn the_deepest_of_a_family_is_the_cause() {
    let parent = custom(
        "Certificate",
        "web",
        json!({"conditions": [condition("Ready", "False", "Issuing", "waits")]}),
    );
    let request = custom(
        "CertificateRequest",
        "web-1",
        json!({"conditions": [condition("Ready", "False", "Failed", "the account is not registered")]}),
    );
    let answer = ask(&mut cluster(&[owned(request, &parent), parent], &[]), "web", "shop", "Certificate");
    assert!(answer.contains("cause 1 (certain) [custom-condition] CertificateRequest shop/web-1: its condition Ready is False (Failed)"), "{answer}");
    assert_eq!(answer.matches("\ncause").count(), 1, "{answer}");
}

#[test]
fn the_pods_that_it_owns_are_judged_by_the_rules() {
    let database = custom(
        "Database",
        "orders",
        json!({"conditions": [condition("Available", "False", "NoReplicas", "0 of 1")]}),
    );
    let set = owned(with("StatefulSet", "orders", json!({"replicas": 1}), json!({})), &database);
    let status = json!({"phase": "Pending", "containerStatuses": [{"name": "db", "ready": false,
        "state": {"waiting": {"reason": "ErrImagePull", "message": "rpc error: manifest unknown"}}}]});
    let spec = json!({"containers": [{"name": "db", "image": "db:9"}]});
    let pod = crate::recorded::owned(pod("orders-0", spec, status), &set);
    let answer =
        ask(&mut cluster(std::slice::from_ref(&database), &[set.clone(), pod]), "orders", "", "database");
    assert!(
        answer.contains("cause 1 (certain) [image-pull] StatefulSet shop/orders: image db:9 does not exist"),
        "{answer}"
    );
    assert!(answer.contains("cause 2 (certain) [custom-condition] Database shop/orders: its condition Available is False (NoReplicas)"), "{answer}");
    assert!(answer.contains("owns: StatefulSet shop/orders down, 0/1 ready"), "{answer}");
    // What it owns may be all that tells.
    let silent = custom("Database", "orders", Value::Null);
    let answer = ask(&mut cluster(&[silent], &[set]), "orders", "", "");
    assert!(answer.starts_with("Database shop/orders (db.example.com): not known"), "{answer}");
    assert!(answer.contains("owns: StatefulSet shop/orders down"), "{answer}");
}

#[test]
fn a_reference_that_leads_nowhere_or_to_what_is_not_well_is_likely() {
    let mut certificate = custom(
        "Certificate",
        "web",
        json!({"conditions": [condition("Ready", "False", "NotReady", "the issuer is not ready")]}),
    );
    certificate["spec"] = json!({"issuerRef": {"kind": "ClusterIssuer", "name": "le"}, "secretName": "web"});
    let answer = ask(&mut cluster(std::slice::from_ref(&certificate), &[]), "web", "shop", "");
    assert!(answer.contains("cause 1 (likely) [custom-reference] Certificate shop/web: it refers to ClusterIssuer le, which does not exist"), "{answer}");
    let issuer = custom(
        "ClusterIssuer",
        "le",
        json!({"conditions": [condition("Ready", "False", "ErrRegister", "no account")]}),
    );
    let answer = ask(&mut cluster(&[certificate.clone(), issuer], &[]), "web", "shop", "");
    assert!(answer.contains("cause 1 (likely) [custom-reference] ClusterIssuer le: Certificate shop/web refers to it, and its condition Ready is False (ErrRegister)"), "{answer}");
    // What may not be read is not said to be missing.
    let mut blind = cluster(&[certificate], &[]);
    blind.denied = vec!["clusterissuers"];
    let answer = ask(&mut blind, "web", "shop", "");
    assert!(
        !answer.contains("does not exist") && answer.contains("clusterissuers.cert-manager.io (forbidden)"),
        "{answer}"
    );
    assert!(answer.contains("cause 1 (certain) [custom-condition] Certificate shop/web"), "{answer}");
}

#[test]
fn a_finalizer_that_holds_it_is_named() {
    let mut database = custom("Database", "old", json!({}));
    database["metadata"]["deletionTimestamp"] = "2026-11-24T11:00:00Z".into();
    let young = database.clone();
    database["metadata"]["finalizers"] = json!(["db.example.com/keep"]);
    let answer = ask(&mut cluster(&[database], &[]), "old", "", "");
    assert!(answer.contains("cause 1 (certain) [custom-terminating] Database shop/old: it has been deleted for 60m, and is held by the finalizers db.example.com/keep"), "{answer}");
    let answer = ask(&mut cluster(&[young], &[]), "old", "", "");
    assert!(answer.contains("no fault found") && answer.contains("it is being deleted"), "{answer}");
}

#[test]
fn what_is_well_or_not_known_is_no_fault() {
    let recent = |mut condition: Value| {
        condition["lastTransitionTime"] = "2026-11-24T11:59:30Z".into();
        condition
    };
    for (status, words) in [
        (json!({"conditions": [condition("Ready", "True", "Issued", "")]}), "well"),
        (
            json!({"conditions": [condition("Ready", "True", "", ""), condition("Degraded", "False", "", "")]}),
            "well",
        ),
        (
            json!({"conditions": [condition("NotReady", "False", "", ""), condition("Ready", "True", "", "")]}),
            "well",
        ),
        (json!({"conditions": [recent(condition("Ready", "False", "Failed", ""))]}), "a change is under way"),
        (json!({"conditions": [condition("Ready", "False", "Suspended", "")]}), "not running, as intended"),
        (
            json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "", "")]}),
            "generation 2, observed 1",
        ),
        (json!({"phase": "Running"}), "its status says Running"),
        (json!({"conditions": [condition("Sharded", "False", "", "")]}), "no field of its status"),
        (Value::Null, "it has no status"),
    ] {
        let mut resource = custom("Database", "orders", status.clone());
        if status.is_null() {
            resource.as_object_mut().map(|fields| fields.remove("status"));
        }
        let answer = ask(&mut cluster(&[resource], &[]), "orders", "", "");
        assert!(answer.contains(words) && answer.contains("no fault found"), "{status}: {answer}");
        assert!(!answer.contains("\ncause"), "{answer}");
    }
    let answer = ask(
        &mut cluster(&[custom("Database", "a", json!({"phase": "Failed", "message": "disk full"}))], &[]),
        "a",
        "",
        "",
    );
    assert!(
        answer.contains("cause 1 (likely) [custom-condition] Database shop/a: its status is Failed")
            && answer.contains("`disk full`"),
        "{answer}"
    );
}

#[test]
fn what_cannot_be_answered_is_said() {
    let objects = [running("web"), object("Namespace", "shop")];
    for (name, namespace, kind, words) in [
        ("web", "", "deployment", "is built in: ask diagnose"),
        ("web", "", "frobs", "no custom kind is called \"frobs\""),
        ("gone", "", "", "no custom resource has that in its name, of 4 kinds"),
        ("gone", "shop", "database", "no custom resource in namespace shop has that in its name, of 1 kinds"),
        ("", "", "", "no custom resource of 4 kinds says that it is not well: 0 looked at"),
    ] {
        let answer = ask(&mut cluster(&[], &objects), name, namespace, kind);
        assert!(answer.contains(words), "{answer}");
    }
    let mut blind = cluster(&[], &objects);
    blind.denied = vec!["databases", "certificates"];
    let answer = ask(&mut blind, "", "", "");
    assert!(
        answer.contains("not checked: certificates.cert-manager.io, databases.db.example.com (forbidden)"),
        "{answer}"
    );
}
