//! Errors in the log of a container that runs: nothing in the state of the cluster says more.
//!
//! Evidence: the newest streak of lines that report trouble, its first error, and what the log says before that: a new
//! configuration, a lost connection.
//! Not to be taken for: errors of level INFO without a hard word, `0 errors`, errors before a long time without any. A guess,
//! and a consequence wherever another rule finds a cause.
//! Source: public evaluations, in which models quote the last error and miss the first.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Log, Object, Presence, Reference, containers::judged_pods,
    log::Streak, time, trouble::all_hosts,
};

pub(super) const RULE: Rule = Rule { id: "log-trouble", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let searched =
        |pod| facts.logs(pod).filter(|log| log.is_search).filter_map(move |log| of(facts, pod, log));
    judged_pods(facts).flat_map(searched).collect()
}

fn of(facts: &Facts, pod: &Object, log: &Log) -> Option<Finding> {
    let streak = log.newest_streak()?;
    let place = format!("log of container {}", log.container);
    let summary = format!("container {} logs errors: {}", log.container, figures(facts, log, &streak));
    let mut finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .certainty(Certainty::Guess)
        .symptom();
    if !streak.before.is_empty() {
        finding = finding.with(Evidence::lines("before the first error", &streak.before, &place));
    }
    finding = finding.with(Evidence::lines(first(facts, &streak), &streak.kinds, &place));
    if streak.count > 1 && !streak.kinds.contains(&streak.last) {
        finding = finding.with(Evidence::lines("last error", &[streak.last], &place));
    }
    let hosts = all_hosts(streak.kinds.iter().copied());
    if !hosts.is_empty() {
        finding = finding.with(hosts_in_log(facts, pod, &hosts));
    }
    Some(finding.next(format!(
        "pods_log with name={}, container={}, grep and context shows more around these lines",
        pod.name(),
        log.container
    )))
}

/// Number of errors, and the time in which they came.
fn figures(facts: &Facts, log: &Log, streak: &Streak<'_>) -> String {
    let Streak { begin, end, count, .. } = streak;
    let more = if log.unread.is_empty() { "" } else { "at least " };
    let lines = if *count == 1 { "line" } else { "lines" };
    let mut figures = format!("{more}{count} {lines}");
    if let (Some(begin), Some(end)) = (begin, end) {
        let ago = |at: u64| time::age(facts.now.saturating_sub(at));
        figures.push_str(&match (*count, ago(*begin) == ago(*end)) {
            (1, _) | (_, true) => format!(", {} ago", ago(*end)),
            _ => format!(" since {} ago, the last {} ago", ago(*begin), ago(*end)),
        });
    }
    figures
}

fn first(facts: &Facts, streak: &Streak<'_>) -> String {
    let several = if streak.kinds.len() > 1 { "s" } else { "" };
    match streak.begin {
        Some(at) => format!("first error{several}, {} ago", time::age(facts.now.saturating_sub(at))),
        None => format!("first error{several}"),
    }
}

/// The hosts that a log names, and those of them that should be Services and are not.
pub(super) fn hosts_in_log(facts: &Facts, pod: &Object, hosts: &[String]) -> Evidence {
    let services: Vec<String> = hosts
        .iter()
        .filter_map(|host| {
            let name = host.split(':').next().unwrap_or_default();
            if let Some(service) = of_address(facts, name) {
                return Some(format!("{name} is {}", service.reference()));
            }
            let is_plain = !name.contains('.') && name.bytes().any(|letter| letter.is_ascii_alphabetic());
            let found = is_plain.then(|| facts.find(Kind::Service, pod.namespace(), name))?;
            match found {
                Presence::Found(_) => Some(format!("{name} is a Service here")),
                Presence::Absent => Some(format!("there is no Service {name} in {}", pod.namespace())),
                Presence::Unknown => None,
            }
        })
        .collect();
    let label = if services.is_empty() {
        "hosts in it".to_owned()
    } else {
        format!("{}; hosts in it", services.join(", "))
    };
    Evidence::quote(label, hosts.join(", "), "log")
}

/// The Services that hosts of a pod's log name: in its namespace, or by their address.
fn named<'f>(facts: &'f Facts, pod: &'f Object, hosts: &'f [String]) -> impl Iterator<Item = Reference> + 'f {
    hosts.iter().filter_map(|host| {
        let address = host.split(':').next().unwrap_or_default();
        let name = address.split('.').next().unwrap_or_default();
        let called = || facts.get(&Reference::new(Kind::Service, pod.namespace(), name));
        of_address(facts, address).or_else(called).map(Object::reference)
    })
}

/// The Service that has an address in the cluster.
fn of_address<'f>(facts: &'f Facts, address: &str) -> Option<&'f Object> {
    let mut services = facts.all(Kind::Service);
    services.find(|service| {
        let addresses = service.list("/spec/clusterIPs").iter().filter_map(serde_json::Value::as_str);
        addresses.chain([service.text("/spec/clusterIP")]).any(|its| !its.is_empty() && its == address)
    })
}

/// The Services that logs of related pods name in errors: what the pods talk to, although no field says so.
pub(crate) fn services(facts: &Facts) -> Vec<Reference> {
    judged_pods(facts)
        .flat_map(|pod| {
            let errors = facts.logs(pod).filter_map(Log::newest_streak);
            let hosts = errors.flat_map(|streak| all_hosts(streak.kinds.iter().copied())).collect::<Vec<_>>();
            named(facts, pod, &hosts).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::recorded::{Recorded, object, pod, running};

    fn ask(log: &str) -> String {
        Recorded::new(&[running("gateway-1")]).log("app", false, log).ask("gateway-1")
    }

    #[test]
    fn the_first_error_stands_after_what_led_to_it() {
        let mut log: Vec<String> =
            vec!["2026-11-24T09:00:00Z [ERROR] config: cannot read cache, using none".into()];
        for line in [
            "[HTTP] 200 GET /",
            "[WARN] Configuration file change detected",
            "[INFO] Reloading configuration...",
            "[CONFIG] FEATURE_LIVE=false (was: true)",
            "[CONFIG] Database host: db-test.internal:5432 (was: db-live.internal:5432)",
            "[INFO] Closing connections",
            "[INFO] a",
            "[INFO] b",
            "[INFO] c",
            "[ERROR] Failed to connect: Connection refused (db-test.internal:5432)",
            "[HTTP] 500 GET / - Connection refused",
        ] {
            log.push(format!("2026-11-24T11:30:00Z {line}"));
        }
        for _ in 0..40 {
            log.push(
                "2026-11-24T11:59:30Z [ERROR] Failed to connect: Connection refused (db-test.internal:5432)"
                    .into(),
            );
        }
        log.push("… 10 times".into());
        let healthy_end = "2026-11-24T11:59:40Z [INFO] heartbeat";
        log.push(healthy_end.into());
        let answer = ask(&log.join("\n"));
        assert!(answer.contains("Pod shop/gateway-1: healthy"), "{answer}");
        // The pause in the log is longer than the one between streaks, so that only its end counts here.
        assert!(answer.contains("cause 1 (guess) [log-trouble] Pod shop/gateway-1: container app logs errors: 49 lines, 30s ago"), "{answer}");
        let log: String = log.iter().map(|line| line.replace("T11:30:00Z", "T11:59:20Z") + "\n").collect();
        let answer = ask(&log);
        for words in [
            "51 lines since 40s ago, the last 30s ago",
            "`[INFO] Reloading configuration...`",
            "FEATURE_LIVE=false",
            "first errors, 40s ago",
            "`[ERROR] Failed to connect: Connection refused (db-test.internal:5432)`",
            "hosts in it: `db-test.internal:5432`",
        ] {
            assert!(answer.contains(words), "{words}: {answer}");
        }
        assert!(!answer.contains("cannot read cache"), "{answer}");
    }

    #[test]
    fn errors_under_many_healthy_lines_are_found() {
        let log = "{\"level\":\"INFO\",\"message\":\"done\"}\n{\"level\":\"ERROR\",\"service\":\"login\",\"message\":\"Lost connection to cache: ECONNREFUSED cache:6379\"}\n{\"level\":\"INFO\",\"message\":\"done\"}\n--\n{\"level\":\"INFO\",\"message\":\"done\"}";
        let answer = ask(log);
        assert!(
            answer.contains("[log-trouble]")
                && answer.contains("Lost connection to cache")
                && answer.contains("cache:6379"),
            "{answer}"
        );
    }

    #[test]
    fn a_long_log_is_read_at_its_begin_and_at_its_end() {
        let mut log: Vec<String> = vec!["2026-11-24T11:00:00Z INFO version 2 deployed".into()];
        log.extend(
            (0..6000)
                .map(|at| format!("2026-11-24T11:{:02}:{:02}Z ERROR lost order {at}", at / 120, at / 2 % 60)),
        );
        let answer = Recorded::new(&[running("gateway-1")])
            .log("app", false, &log.join("\n"))
            .cut(500)
            .ask("gateway-1");
        assert!(answer.contains("at least 5499 lines since 60m ago, the last 10m ago"), "{answer}");
        assert!(
            answer.contains("`INFO version 2 deployed`") && answer.contains("`ERROR lost order 0`"),
            "{answer}"
        );
        assert!(answer.contains("not checked: part of the log of app (the answer is full)"), "{answer}");
    }

    #[test]
    fn a_log_without_an_error_is_said_to_be_read() {
        let answer = ask("INFO: started\nINFO: all systems healthy\nINFO: 0 errors");
        assert!(answer.contains("no fault found"), "{answer}");
        assert!(answer.contains("log of container app (3 lines, no error)"), "{answer}");
    }

    #[test]
    fn a_service_that_the_log_names_is_looked_at() {
        let mut service = object("Service", "store");
        service["spec"] = json!({"selector": {"app": "store"}});
        let last =
            json!({"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-11-24T11:58:03Z"}});
        let mut store = pod(
            "store-0",
            json!({"containers": [{"name": "db"}]}),
            json!({"phase": "Running", "containerStatuses": [{"name": "db", "ready": false, "restartCount": 5, "lastState": last,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
        );
        store["metadata"]["labels"] = json!({"app": "store"});
        let answer = Recorded::new(&[running("gateway-1"), service, store])
            .log("app", false, "Waiting for the store\nstore:5432 - no response\n… 90 times")
            .log("db", true, "server must not run as \"root\"")
            .ask("gateway-1");
        assert!(answer.contains("cause 1 (certain) [container-exits] Pod shop/store-0"), "{answer}");
        assert!(answer.contains("must not run as \"root\""), "{answer}");
        assert!(answer.contains("store:5432 - no response"), "{answer}");
    }

    /// Programs that use the environment (`REDIS_SERVICE_HOST`) log the address of a Service, not its name.
    #[test]
    fn an_address_of_a_service_is_the_service() {
        let mut service = object("Service", "redis");
        service["spec"] =
            json!({"clusterIP": "10.96.0.116", "selector": {"app": "redis"}, "ports": [{"port": 6379}]});
        let answer = Recorded::new(&[running("web-1"), service])
            .log("app", false, "Error: connect ECONNREFUSED 10.96.0.116:6379")
            .ask("web-1");
        assert!(answer.contains("[service-selector] Service shop/redis"), "{answer}");
        assert!(answer.contains("10.96.0.116 is Service shop/redis"), "{answer}");
    }
}
