//! A name that the programs of a pod cannot resolve: no Service is called so, or DNS does not answer.
//!
//! Evidence: the words of resolvers in a log of the last minutes, joined with the Services of the namespace.
//! Not to be taken for: a line of long ago in the log of a pod that is well; a Service that may not be read.
//! Source: messages of Go, glibc, busybox, curl, Node.js, Python, the JVM, libpq, MySQL and nginx.

use std::collections::BTreeSet;

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Log, Object, Presence, history::is_recent, names::near,
};

pub(super) const RULE: Rule = Rule { id: "dns", find };

/// Words of resolvers, after which the name stands.
const MARKS: [&str; 18] = [
    "getaddrinfo ENOTFOUND ",
    "ENOTFOUND ",
    "EAI_AGAIN ",
    "ould not resolve host: ",
    "ould not resolve host ",
    "ould not resolve: ",
    "bad address ",
    "could not translate host name ",
    "UnknownHostException: ",
    "host not found in upstream ",
    "Unknown MySQL server host ",
    "getaddrinfo for ",
    "Failed to resolve ",
    "failed to resolve ",
    "can't resolve ",
    "can't find ",
    "dial tcp: lookup ",
    "lookup ",
];
/// Words of a line that is about names, without one that can be told.
const TROUBLE: [&str; 6] = [
    "no such host",
    "Name or service not known",
    "Temporary failure in name resolution",
    "server misbehaving",
    "Name does not resolve",
    "nodename nor servname provided",
];
/// Words of a resolver that got no answer.
const SILENCE: [&str; 6] =
    ["i/o timeout", "EAI_AGAIN", "Temporary failure", "server misbehaving", "timed out", "SERVFAIL"];

fn find(facts: &Facts) -> Vec<Finding> {
    let pods = facts.all(Kind::Pod);
    let logs = pods.flat_map(|pod| facts.logs(pod).map(move |log| (pod, log)));
    logs.filter_map(|(pod, log)| of(facts, pod, log)).collect()
}

/// The last line of a log that is about a name that was not resolved, and the name.
pub(super) fn unresolved<'l>(
    facts: &Facts,
    pod: &Object,
    log: &'l Log,
) -> Option<(&'l str, Option<&'l str>)> {
    log.lines().rev().filter(|(time, _)| is_recent(facts, pod, time)).find_map(|(_, line)| {
        let host = host(line);
        let is_trouble = || TROUBLE.iter().any(|word| line.contains(word));
        (host.is_some() || is_trouble()).then_some((line, host))
    })
}

/// The name that a line says was not resolved.
fn host(line: &str) -> Option<&str> {
    MARKS.iter().find_map(|mark| {
        let rest = line.split_once(mark)?.1.trim_start_matches(['\'', '"', '`', '\\', '‘', '“']);
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "-._".contains(letter)));
        let name = rest.get(..end.unwrap_or(rest.len()))?.trim_end_matches('.');
        // "lookup" and "can't find" alone are words of other messages, too.
        let is_sure = !["lookup ", "can't find "].contains(mark)
            || ["no such host", "NXDOMAIN", "timeout", "misbehaving", "not known"]
                .iter()
                .any(|word| line.contains(word));
        (is_sure && name.len() > 1 && name.starts_with(|letter: char| letter.is_ascii_alphanumeric()))
            .then_some(name)
    })
}

fn of(facts: &Facts, pod: &Object, log: &Log) -> Option<Finding> {
    let (line, host) = unresolved(facts, pod, log)?;
    let root = facts.root(pod).reference();
    let is_silent = SILENCE.iter().any(|word| line.contains(word));
    let finding = |summary: String, certainty: Certainty, next: &str| {
        let mut finding = Finding::new(RULE.id, root, summary).certainty(certainty).affects(pod.reference());
        // A guess must not hide what is certain of the pod.
        if certainty == Certainty::Guess {
            finding.affects.clear();
        }
        finding.with(Evidence::quote("", line, format!("log {}", log.container))).next(next)
    };
    let unknown = "check the name, and that CoreDNS in kube-system is ready";
    let Some(host) = host else {
        return Some(finding(
            "a name that it asks for cannot be resolved".to_owned(),
            Certainty::Guess,
            unknown,
        ));
    };
    let mut labels = host.split('.');
    let name = labels.next().unwrap_or_default();
    let place = labels.next();
    let is_inside = place.is_none_or(|place| place == pod.namespace() || labels.next() == Some("svc"));
    if !is_inside {
        return Some(finding(
            format!("the name {host} that it asks for cannot be resolved"),
            Certainty::Guess,
            unknown,
        ));
    }
    let namespace = place.unwrap_or(pod.namespace());
    Some(match facts.find(Kind::Service, namespace, name) {
        Presence::Absent => {
            let services: BTreeSet<&str> = facts.within(Kind::Service, namespace).map(Object::name).collect();
            let names = near(name, services.iter().copied());
            let there = if names.is_empty() {
                let all: Vec<&str> = services.into_iter().take(8).collect();
                if all.is_empty() {
                    format!("namespace {namespace} has no Service")
                } else {
                    format!("Services of {namespace}: {}", all.join(", "))
                }
            } else {
                format!("of nearly that name in {namespace}: {}", names.join(", "))
            };
            finding(
                format!("it asks for the host {host}, and no Service {name} is in namespace {namespace}"),
                Certainty::Likely,
                "correct the host in its configuration, or create the Service",
            )
            .with(Evidence::fact(there, "list of Services"))
        }
        Presence::Found(_) if own_resolver(pod).is_some() => {
            let policy = own_resolver(pod).unwrap_or_default();
            finding(
                format!(
                    "the name {host} is not resolved, although the Service {name} exists: with {policy} the pod does not ask the DNS of the cluster"
                ),
                Certainty::Likely,
                "set dnsPolicy to ClusterFirst, or ClusterFirstWithHostNet for a pod on the host network",
            )
        }
        Presence::Found(service) if is_silent || service.created() < pod.created() => finding(
            format!(
                "the name {host} is not resolved, although the Service {name} exists: DNS does not answer it"
            ),
            // A resolver that only got no answer may have been asked while DNS started.
            if service.created() < pod.created() { Certainty::Likely } else { Certainty::Guess },
            "check that CoreDNS in kube-system is ready, and that no NetworkPolicy blocks port 53",
        ),
        Presence::Found(_) => return None,
        Presence::Unknown => {
            let here = facts.find(Kind::Service, pod.namespace(), name);
            let finding = finding(
                format!("the name {host} that it asks for cannot be resolved"),
                Certainty::Guess,
                unknown,
            );
            match here {
                Presence::Found(service) => finding.with(Evidence::fact(
                    format!("{} is in another namespace than the name says", service.reference()),
                    "list of Services",
                )),
                Presence::Absent | Presence::Unknown => finding,
            }
        }
    })
}

/// The setting by which a pod asks another DNS than that of the cluster.
fn own_resolver(pod: &Object) -> Option<&'static str> {
    match pod.text("/spec/dnsPolicy") {
        "Default" => Some("dnsPolicy Default"),
        "None" => Some("dnsPolicy None"),
        "ClusterFirst" if pod.flag("/spec/hostNetwork") => Some("hostNetwork and dnsPolicy ClusterFirst"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::host;
    use crate::{
        Kind,
        recorded::{Recorded, object, running},
    };

    #[test]
    fn the_name_is_found_in_the_words_of_resolvers() {
        for (line, name) in [
            ("dial tcp: lookup cache on 10.96.0.10:53: no such host", "cache"),
            ("Error: getaddrinfo ENOTFOUND cache.shop.svc.cluster.local", "cache.shop.svc.cluster.local"),
            ("curl: (6) Could not resolve host: cache", "cache"),
            ("wget: bad address 'cache:80'", "cache"),
            (
                "psql: error: could not translate host name \"cache\" to address: Name or service not known",
                "cache",
            ),
            ("java.net.UnknownHostException: cache: Name or service not known", "cache"),
            ("nginx: [emerg] host not found in upstream \"cache\" in /etc/nginx/nginx.conf:3", "cache"),
            (
                "** server can't find cache.default.svc.cluster.local: NXDOMAIN",
                "cache.default.svc.cluster.local",
            ),
        ] {
            assert_eq!(host(line), Some(name), "{line}");
        }
        for line in ["cache lookup failed for key 7", "can't find the file", "ok"] {
            assert_eq!(host(line), None, "{line}");
        }
    }

    fn cluster() -> Vec<Value> {
        vec![running("web"), object("Service", "redis-cache"), object("Service", "mail")]
    }

    #[test]
    fn a_host_that_is_no_service_is_named_with_those_of_nearly_its_name() {
        let line = "redis: dial tcp: lookup cache on 10.96.0.10:53: no such host";
        let answer = Recorded::new(&cluster()).log("app", false, line).ask("web");
        assert!(answer.contains("cause 1 (likely) [dns] Pod shop/web: it asks for the host cache, and no Service cache is in namespace shop"), "{answer}");
        assert!(answer.contains("of nearly that name in shop: redis-cache"), "{answer}");
        let answer = Recorded::new(&cluster()).deny(Kind::Service).log("app", false, line).ask("web");
        assert!(answer.contains("(guess) [dns]") && !answer.contains("no Service cache"), "{answer}");
        let answer =
            Recorded::new(&cluster()).log("app", false, "lookup api.example.com: no such host").ask("web");
        assert!(answer.contains("(guess) [dns] Pod shop/web: the name api.example.com"), "{answer}");
    }

    #[test]
    fn a_pod_that_asks_another_dns_is_named_by_its_policy() {
        let line = "Could not resolve host: mail";
        for (policy, is_likely) in [("None", true), ("Default", true), ("ClusterFirst", false)] {
            let mut objects = cluster();
            objects[0]["spec"]["dnsPolicy"] = policy.into();
            let answer = Recorded::new(&objects).log("app", false, line).ask("web");
            assert_eq!(answer.contains(&format!("(likely) [dns] Pod shop/web: the name mail is not resolved, although the Service mail exists: with dnsPolicy {policy}")), is_likely, "{answer}");
        }
    }

    #[test]
    fn a_line_of_long_ago_is_history() {
        let line = "2026-11-24T08:00:00Z lookup cache: no such host";
        let answer = Recorded::new(&cluster()).log("app", false, line).ask("web");
        assert!(!answer.contains("[dns]"), "{answer}");
    }
}
