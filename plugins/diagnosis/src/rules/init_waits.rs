//! An init container that runs and does not end, so that the pod never gets to its own containers.
//!
//! Evidence: it has been running for long, or longer than a start takes and asks for what is not there; the end of its log, and the Services that its command, environment or log name.
//! Not to be taken for: the first minutes, a native sidecar, an init container that fails. Often a consequence: of what it
//! waits for.
//! Source: kubernetes/pkg/kubelet/kuberuntime/kuberuntime_container.go.

use std::collections::BTreeSet;

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence, Reference,
    containers::{Container, containers, judged_pods},
    health, names, needs, time,
    trouble::all_hosts,
};

pub(super) const RULE: Rule = Rule { id: "init-waits", find };

/// Seconds that an init container may take if nothing says what it waits for.
const LONG: u64 = 120;

/// The object that an init container seems to wait for.
enum Awaited<'f> {
    /// A host that looks like a Service, and no such Service is here.
    NoService(String),
    /// A Service none of whose pods is ready.
    NotReady(&'f Object),
}

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts).filter_map(|pod| of_pod(facts, pod)).collect()
}

fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    // They run one after the other: the first that has not ended holds all others.
    let init = containers(pod).find(|container| {
        container.is_init
            && !container.is_sidecar()
            && container.end().is_none_or(|end| !end.is_current || end.code != 0)
    })?;
    let ran = facts.now.saturating_sub(init.running_since()?);
    if ran <= health::STARTING {
        return None;
    }
    let log = facts.logs(pod).find(|log| log.container == init.name());
    let said: Vec<&str> = log.map(|log| log.last_words()).unwrap_or_default();
    let hosts = all_hosts(said.iter().copied());
    let awaited = awaited(facts, pod, init, &hosts);
    if awaited.is_none() && ran <= LONG {
        return None;
    }
    let what = match &awaited {
        Some(Awaited::NoService(name)) => {
            let services = facts.within(Kind::Service, pod.namespace()).map(Object::name);
            let near = names::near(name, services);
            let near =
                if near.is_empty() { String::new() } else { format!(" (there is {})", near.join(", ")) };
            format!("; it names {name}, and there is no Service {name} here{near}")
        }
        Some(Awaited::NotReady(service)) => {
            format!("; it names the Service {}, which has no ready pod", service.name())
        }
        None => String::new(),
    };
    let mut finding = Finding::new(
        RULE.id,
        facts.root(pod).reference(),
        format!("init container {} does not end, and all other containers wait for it{what}", init.name()),
    )
    .affects(pod.reference())
    .with(Evidence::fact(
        format!("it runs since {}", time::age(ran)),
        format!("status of {}", pod.reference()),
    ));
    let command = init.command();
    if !command.is_empty() {
        finding = finding.with(Evidence::quote("command and args", command, "spec"));
    }
    let place = format!("log of init container {}", init.name());
    match log {
        Some(_) if !said.is_empty() => finding = finding.with(Evidence::lines("it logged", &said, place)),
        Some(_) => finding = finding.with(Evidence::fact("it logged nothing (empty log)", place)),
        None => {}
    }
    Some(match awaited {
        Some(Awaited::NoService(name)) => finding
            .certainty(Certainty::Likely)
            .next(format!("make the Service {name}, or correct the name that the init container asks")),
        Some(Awaited::NotReady(service)) => finding
            .certainty(Certainty::Likely)
            .symptom()
            .next(format!("see why Service {} has no ready pod: diagnose it", service.name())),
        None => finding.certainty(Certainty::Guess).symptom().next(format!(
            "see with pods_log, container={}, what it is doing: waiting, or a long piece of work",
            init.name()
        )),
    })
}

/// The first host of the command, the environment or the log that is no Service here, or one that does not work.
fn awaited<'f>(facts: &'f Facts, pod: &Object, init: Container<'_>, hosts: &[String]) -> Option<Awaited<'f>> {
    let only_this = serde_json::json!({"initContainers": [init.spec]});
    let mut words: Vec<String> =
        hosts.iter().filter_map(|host| host.split(':').next()).map(str::to_owned).collect();
    words.extend(needs::words(&only_this).into_iter().map(str::to_owned));
    let services: BTreeSet<&str> = words.iter().filter_map(|word| word.split('.').next()).collect();
    let found =
        services.iter().filter_map(|name| facts.get(&Reference::new(Kind::Service, pod.namespace(), name)));
    let is_down = |service: &&Object| {
        health::health(facts, service).is_some_and(|health| health.state == health::State::Down)
    };
    let mut found = found.filter(is_down);
    if let Some(service) = found.next() {
        return Some(Awaited::NotReady(service));
    }
    // A word is a host only where its place says so: `db:5432`, `nslookup db`.
    let named = hosts.iter().filter_map(|host| host.split(':').next()).map(str::to_owned);
    let asked = asked(&init.command());
    named.chain(asked).find_map(|host| {
        let mut labels = host.split('.');
        let name = labels.next().filter(|name| name.bytes().any(|letter| letter.is_ascii_alphabetic()))?;
        let is_here = match (labels.next(), labels.next()) {
            (None, _) => true,
            (Some(namespace), None | Some("svc")) => namespace == pod.namespace(),
            _ => false,
        };
        let is_absent = matches!(facts.find(Kind::Service, pod.namespace(), name), Presence::Absent);
        (is_here && is_absent && name != "localhost").then(|| Awaited::NoService(name.to_owned()))
    })
}

/// Hosts that a shell command asks: after `nslookup`, `nc -z`, `pg_isready -h`, in a URL, or with a port.
fn asked(command: &str) -> Vec<String> {
    let mut hosts = crate::trouble::hosts(command);
    let is_host = |word: &str| {
        word.bytes().any(|letter| letter.is_ascii_alphabetic())
            && word.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'.'))
    };
    let is_end = |letter: char| letter.is_whitespace() || ";|&()'\"".contains(letter);
    let words: Vec<&str> = command.split(is_end).filter(|word| !word.is_empty()).collect();
    for (at, word) in words.iter().enumerate() {
        let rest = words.get(at + 1..).unwrap_or_default();
        let host = match *word {
            "nslookup" | "nc" | "ncat" | "ping" | "dig" | "host" | "telnet" | "getent" => {
                rest.iter().find(|word| !word.starts_with('-') && **word != "hosts")
            }
            "-h" | "--host" => rest.first(),
            word => {
                if let Some((_, url)) = word.split_once("://") {
                    let host = url.split(['/', ':', '?']).next().unwrap_or_default();
                    if is_host(host) {
                        hosts.push(host.to_owned());
                    }
                }
                None
            }
        };
        hosts.extend(host.filter(|host| is_host(host)).map(|host| (*host).to_owned()));
    }
    hosts.retain(|host| !host.contains('/'));
    hosts.iter().map(|host| host.split(':').next().unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::{
        Kind,
        recorded::{Recorded, object, pod, running},
    };

    fn waiting(command: &str, since: &str) -> Value {
        pod(
            "front-1",
            json!({"nodeName": "n1", "containers": [{"name": "app"}],
                "initContainers": [{"name": "wait", "command": ["sh", "-c", command]}]}),
            json!({"phase": "Pending",
                "initContainerStatuses": [{"name": "wait", "ready": false, "restartCount": 0, "state": {"running": {"startedAt": since}}}],
                "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}]}),
        )
    }

    const LONG_AGO: &str = "2026-11-24T11:10:00Z";

    #[test]
    fn the_service_that_it_waits_for_is_named() {
        for command in [
            "until nslookup ledger; do sleep 2; done",
            "while ! nc -z ledger 5432; do sleep 1; done",
            "until pg_isready -h ledger; do sleep 1; done",
            "until wget -q http://ledger:8080/health; do sleep 1; done",
            "until nslookup ledger.shop.svc.cluster.local; do sleep 2; done",
        ] {
            let objects = [waiting(command, LONG_AGO), object("Service", "ledgers")];
            let answer = Recorded::new(&objects).log("wait", false, "waiting").ask("front-1");
            assert!(answer.contains("cause 1 (likely) [init-waits] Pod shop/front-1: init container wait does not end, and all other containers wait for it; it names ledger, and there is no Service ledger here (there is ledgers)"), "{command}: {answer}");
            assert!(answer.contains("`waiting`"), "{answer}");
            let denied = Recorded::new(&objects).deny(Kind::Service).ask("front-1");
            assert!(
                denied.contains("cause 1 (guess) [init-waits]") && !denied.contains("no Service"),
                "{denied}"
            );
        }
        let mut service = object("Service", "ledger");
        service["spec"] = json!({"selector": {"app": "ledger"}});
        let answer = Recorded::new(&[waiting("until nc -z ledger 1; do sleep 1; done", LONG_AGO), service])
            .ask("front-1");
        assert!(
            answer.contains("ledger, which has no ready pod") || answer.contains("[service-selector]"),
            "{answer}"
        );
    }

    #[test]
    fn a_young_one_and_one_that_ended_are_no_fault() {
        for (command, since) in
            [("nslookup x", "2026-11-24T11:59:00Z"), ("./migrate", "2026-11-24T11:58:00Z")]
        {
            let answer = Recorded::new(&[waiting(command, since)]).ask("front-1");
            assert!(!answer.contains("init-waits"), "{command}: {answer}");
        }
        for (command, since) in
            [("nslookup x", "2026-11-24T11:58:59Z"), ("./migrate", "2026-11-24T11:57:59Z")]
        {
            let answer = Recorded::new(&[waiting(command, since)]).ask("front-1");
            assert!(answer.contains("[init-waits]"), "{command}: {answer}");
        }
        let mut done = waiting("nslookup x", LONG_AGO);
        done["status"]["initContainerStatuses"][0]["state"] =
            json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        let answer = Recorded::new(&[done]).ask("front-1");
        assert!(!answer.contains("init-waits"), "{answer}");
    }

    #[test]
    fn the_first_init_container_that_has_not_ended_is_the_one_that_holds() {
        let ended = |code: i64| json!({"terminated": {"exitCode": code}});
        let running = json!({"running": {"startedAt": LONG_AGO}});
        let none = json!({});
        for (first, last, words) in [
            (ended(0), &none, "init container second does not end"),
            (running.clone(), &none, "init container wait does not end"),
            (running.clone(), &ended(0), "init container wait does not end"),
            (running.clone(), &ended(1), "init container wait does not end"),
            (ended(1), &none, ""),
        ] {
            let mut pod = waiting("./migrate", LONG_AGO);
            pod["spec"]["initContainers"] = json!([{"name": "wait"}, {"name": "second"}]);
            pod["status"]["initContainerStatuses"] = json!([
                {"name": "wait", "state": first, "lastState": last}, {"name": "second", "state": running}]);
            Recorded::new(&[pod]).assert_found(&RULE, words);
        }
    }

    #[test]
    fn a_host_is_awaited_only_if_it_is_a_name_and_its_service_does_not_work() {
        let mut service = object("Service", "ledger-db");
        service["spec"] = json!({"selector": {"app": "ledger"}});
        let mut ready = running("ledger-1");
        ready["metadata"]["labels"] = json!({"app": "ledger"});
        let command = "until nslookup ledger-db; do sleep 2; done";
        for (command, others, words) in [
            (command, vec![], "there is no Service ledger-db here"),
            (command, vec![service.clone()], "it names the Service ledger-db, which has no ready pod"),
            (command, vec![service, ready], "all other containers wait for it"),
            ("until nc -z $HOST 5432; do sleep 2; done", vec![], "all other containers wait for it"),
        ] {
            let mut objects = vec![waiting(command, LONG_AGO)];
            objects.extend(others);
            let findings = Recorded::new(&objects).findings(&RULE);
            assert!(findings.len() == 1 && findings[0].ends_with(words), "{command}: {findings:?}");
        }
    }
}
