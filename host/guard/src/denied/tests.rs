use porthole_cluster::BUILT_IN;

use super::*;

fn kind(group: &str, version: &str, plural: &str, kind: &str) -> Kind {
    Kind {
        group: group.into(),
        version: version.into(),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        kind: kind.into(),
        short_names: if kind == "Certificate" { vec!["cert".into()] } else { vec![] },
        namespaced: true,
        verbs: vec![],
    }
}

fn denied(name: &str) -> Denied {
    Denied::parse(&[name.to_owned()]).unwrap_or_else(|mistake| panic!("{mistake}"))
}

#[test]
fn what_is_closed_is_refused_by_its_name() {
    let names = ["secrets", "*.rbac.authorization.k8s.io", "pods/log"].map(str::to_owned);
    let denied = Denied::parse(&names).unwrap();
    let refused = denied.check(&kind("", "v1", "secrets", "Secret")).unwrap_err();
    assert!(refused.message.starts_with("resource not allowed: /v1, Kind=Secret."), "{refused}");
    let refused = denied.check(&kind("rbac.authorization.k8s.io", "v1", "roles", "Role")).unwrap_err();
    assert!(refused.message.contains("rbac.authorization.k8s.io/v1, Kind=Role"), "{refused}");
    assert!(denied.check(&kind("", "v1", "pods", "Pod")).is_ok());
    assert!(
        denied.check_built_in("", "pods/log").is_err() && denied.check_built_in("", "nodes/proxy").is_ok()
    );
}

/// Discovery names plural and kind, and one of them is enough, however the API server calls the other.
#[test]
fn a_kind_is_closed_by_its_plural_and_by_its_kind() {
    let secrets = denied("secrets");
    for (plural, name, is_closed) in
        [("secrets", "Other", true), ("others", "Secret", true), ("others", "Other", false)]
    {
        assert_eq!(secrets.check(&kind("", "v1", plural, name)).is_err(), is_closed, "{plural} {name}");
    }
    assert!(secrets.check(&kind("example.com", "v1", "secrets", "Secret")).is_ok(), "of another group");
    for entry in ["secrets.v", "secrets.vbeta1", "secrets.v1beta", "secrets.v1x"] {
        assert!(Denied::parse(&[entry.to_owned()]).is_err(), "{entry} is no version");
    }
}

#[test]
fn every_name_that_reads_a_kind_closes_it() {
    for name in ["secret", "secrets", "Secret", "SECRETS", "secrets.v1"] {
        assert!(denied(name).check(&kind("", "v1", "secrets", "Secret")).is_err(), "{name}");
        assert!(denied(name).check_built_in("", "secrets").is_err(), "{name}");
        assert!(denied(name).check(&kind("", "v1", "configmaps", "ConfigMap")).is_ok(), "{name}");
    }
    for name in
        ["deployments", "deploy", "Deployment", "deployments.apps", "deploy.apps", "deployments.v1.apps"]
    {
        let closed = denied(name);
        assert!(closed.check(&kind("apps", "v1", "deployments", "Deployment")).is_err(), "{name}");
        assert!(closed.check(&kind("apps", "v1beta1", "deployments", "Deployment")).is_err(), "{name}");
    }
    for name in [
        "certificates.cert-manager.io",
        "Certificate.cert-manager.io",
        "cert.cert-manager.io",
        "cert.v1.cert-manager.io",
    ] {
        assert!(
            denied(name).check(&kind("cert-manager.io", "v1", "certificates", "Certificate")).is_err(),
            "{name}"
        );
    }
    assert!(denied("cm").check(&kind("", "v1", "configmaps", "ConfigMap")).is_err());
    assert!(denied("releases.helm.sh").check_built_in("helm.sh", "releases").is_err());
}

#[test]
fn the_same_objects_under_two_groups_are_closed_together() {
    for name in ["events", "ev", "events.events.k8s.io", "Event", "*", "*.events.k8s.io"] {
        for group in ["", "events.k8s.io"] {
            assert!(denied(name).check(&kind(group, "v1", "events", "Event")).is_err(), "{name} {group:?}");
        }
    }
    for name in
        ["ingresses", "ing", "ingresses.networking.k8s.io", "ingresses.extensions", "*.networking.k8s.io"]
    {
        for group in ["networking.k8s.io", "extensions"] {
            assert!(
                denied(name).check(&kind(group, "v1", "ingresses", "Ingress")).is_err(),
                "{name} {group:?}"
            );
        }
    }
    // Of the other group only what both serve.
    assert!(denied("*.events.k8s.io").check(&kind("", "v1", "pods", "Pod")).is_ok());
}

#[test]
fn closing_a_kind_closes_its_parts_and_no_other_kind_of_its_name() {
    for name in ["pods", "po", "Pod"] {
        assert!(denied(name).check_built_in("", "pods/log").is_err(), "{name}");
        assert!(
            denied(name).check(&kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics")).is_ok(),
            "{name}"
        );
    }
    assert!(denied("nodes").check_built_in("", "nodes/proxy").is_err());
    assert!(denied("Pod/log").check_built_in("", "pods/log").is_err());
    assert!(denied("pods/log").check(&kind("", "v1", "pods", "Pod")).is_ok());
    assert!(denied("PodMetrics").check(&kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics")).is_err());
    assert!(denied("*").check(&kind("", "v1", "pods", "Pod")).is_err());
    for (group, plural, named) in [("", "events", "Event"), ("networking.k8s.io", "ingresses", "Ingress")] {
        assert!(denied("*.apps").check(&kind(group, "v1", plural, named)).is_ok(), "{plural}");
    }
}

#[test]
fn an_entry_that_names_nothing_is_an_error() {
    for (wrong, hint) in [
        ("", "is not a resource"),
        (".apps", "is not a resource"),
        ("a b", "is not a resource"),
        ("secrt", "secret"),
        ("deploymnts.apps", "deployments"),
        ("secrets.apps", "group"),
        ("deployments.app", "apps"),
        ("*.rbac.authorisation.k8s.io", "rbac.authorization.k8s.io"),
        ("deployments.v1.ap", "apps"),
        ("roles.v1.rbac.authorisation.k8s.io", "rbac.authorization.k8s.io"),
        ("pods/logs", "log"),
        ("certificates", "like certificates.cert-manager.io"),
        ("*/log", "part of nothing"),
        ("secrets.nowhere", "names no group"),
    ] {
        let mistake = Denied::parse(&[wrong.to_owned()]).unwrap_err();
        assert!(mistake.contains(hint), "{wrong:?}: {mistake}");
    }
    let mistake = Denied::parse(&["x".repeat(100_000)]).unwrap_err();
    assert!(mistake.len() < 400, "{mistake}");
}

#[test]
fn an_entry_of_a_group_that_the_cluster_does_not_serve_is_known_to_be_idle() {
    let names =
        ["secrets", "certs.cert-manager.io", "cert.cert-manager.io", "*.example.com"].map(str::to_owned);
    let kinds = [Arc::new(kind("cert-manager.io", "v1", "certificates", "Certificate"))];
    assert_eq!(Denied::parse(&names).unwrap().idle(&kinds), ["certs.cert-manager.io", "*.example.com"]);
}

#[test]
fn each_kind_of_kubernetes_is_found_by_its_own_names() {
    for kind in &BUILT_IN {
        let name = if kind.group.is_empty() {
            kind.plural.to_owned()
        } else {
            format!("{}.{}", kind.plural, kind.group)
        };
        assert!(denied(&name).check_built_in(kind.group, kind.plural).is_err(), "{name}");
    }
}
