//! Probes of containers: what each asks, and whether it fits what the container declares and how it ended.

use serde_json::Value;

use crate::{
    Event, Facts, Object,
    containers::{Container, End},
    health,
    object::text,
};

/// Seconds by which an end may differ from the plan of its probe: the kubelet's jitter and the pull of the image.
const SLACK: i64 = 15;

/// A probe that ends containers.
#[derive(Debug, Clone, Copy)]
pub struct Kill<'f> {
    /// `liveness` or `startup`.
    pub probe: &'static str,
    /// The kubelet's word that it ends the container for its probe.
    pub killing: Option<Event<'f>>,
    /// The kubelet's word on the probe's failure.
    pub failure: Option<Event<'f>>,
}

/// The probe that ended a container: by the kubelet's word, or else by an end that fits the probe's plan.
pub fn kill<'f>(facts: &'f Facts, pod: &'f Object, container: Container<'f>) -> Option<Kill<'f>> {
    let end = container.recent_end(facts.now);
    let events = facts.events(pod);
    let title = format!("ontainer {} failed ", container.name());
    let killing = events.iter().copied().find(|event| {
        event.reason() == "Killing" && event.message().contains(&title) && event.message().contains(" probe")
    });
    if let Some(killing) = killing {
        let probe = if killing.message().contains("startup probe") { "startup" } else { "liveness" };
        return Some(Kill { probe, killing: Some(killing), failure: failure(facts, pod, container, probe) });
    }
    let end = end?;
    ["startup", "liveness"].into_iter().find_map(|probe| {
        let failure = failure(facts, pod, container, probe);
        // A busy kubelet asks late, so that an instance whose probe is known to fail may outlive the plan.
        let fails =
            failure.is_some() || (probe == "startup" && container.is_running() && !container.is_started());
        is_planned(container, probe, &end, fails).then_some(Kill { probe, killing: None, failure })
    })
}

/// The newest event on a probe's failure in a container.
pub fn failure<'f>(
    facts: &'f Facts,
    pod: &'f Object,
    container: Container<'_>,
    probe: &str,
) -> Option<Event<'f>> {
    failures(facts, pod, container, probe).into_iter().next()
}

/// The events on a probe's failure in a container, one for each message, the newest first.
pub fn failures<'f>(
    facts: &'f Facts,
    pod: &'f Object,
    container: Container<'_>,
    probe: &str,
) -> Vec<Event<'f>> {
    let own = format!("{{{}}}", container.name());
    let events = facts.events(pod).into_iter().filter(|event| {
        // `spec.containers{app}`; without it the event may be of any container.
        let field = event.field();
        let is_own = if field.is_empty() { has_only_probe(pod, probe) } else { field.contains(&own) };
        let failed = || {
            let message = event.message().to_lowercase();
            message.starts_with(&format!("{probe} probe failed"))
                || message.starts_with(&format!("{probe} probe errored"))
        };
        event.reason() == "Unhealthy" && is_own && failed()
    });
    events.collect()
}

fn has_only_probe(pod: &Object, probe: &str) -> bool {
    let field = format!("/{probe}Probe");
    crate::containers::containers(pod).filter(|container| container.spec.pointer(&field).is_some()).count()
        == 1
}

/// True if an instance was ended when the probe's failures were enough, and as the kubelet ends one; if the probe is known
/// to fail, also later.
fn is_planned(container: Container<'_>, probe: &str, end: &End<'_>, fails: bool) -> bool {
    let Some(spec) = container.spec.pointer(&format!("/{probe}Probe")) else { return false };
    let (Some(started), Some(finished)) = (end.started, end.finished) else { return false };
    if end.reason == "OOMKilled" || !matches!(end.code, 0 | 137 | 143) || container.restarts() < 1 {
        return false;
    }
    let ran = i64::try_from(finished.saturating_sub(started)).unwrap_or(i64::MAX);
    let plan = budget(spec) - number(spec, "periodSeconds", 10);
    // A process that ignores the signal lives for the grace period too, and is killed at its end.
    let grace = if end.code == 137 { number(spec, "terminationGracePeriodSeconds", 30) } else { 0 };
    let within = |plan: i64| ran >= plan - 1 && ran <= plan + SLACK + number(spec, "periodSeconds", 10);
    let is_late = fails && end.code != 0 && ran >= plan - 1;
    within(plan) || (grace > 0 && within(plan + grace)) || is_late
}

/// True for a pod that is not ready because of containers that run and whose readiness probes may still succeed.
pub fn is_starting(pod: &Object, now: u64) -> bool {
    if pod.text("/status/phase") != "Running" || pod.deleted().is_some() {
        return false;
    }
    let mut unready = crate::containers::containers(pod).filter(|container| !container.is_ready()).peekable();
    let may_succeed = |container: Container<'_>| {
        let probe = container.spec.pointer("/readinessProbe");
        probe.zip(container.running_since()).is_some_and(|(probe, since)| {
            now.saturating_sub(since) <= u64::try_from(budget(probe)).unwrap_or_default()
        })
    };
    unready.peek().is_some() && unready.all(may_succeed)
}

/// Seconds after its start in which a container passes a probe, or is found to fail it.
pub fn budget(probe: &Value) -> i64 {
    let rounds = number(probe, "failureThreshold", 3).saturating_mul(number(probe, "periodSeconds", 10));
    number(probe, "initialDelaySeconds", 0).saturating_add(rounds)
}

fn number(probe: &Value, field: &str, default: i64) -> i64 {
    probe.get(field).and_then(Value::as_i64).filter(|number| *number > 0).unwrap_or(default)
}

/// The request of a probe: `GET /healthz on port 8080`.
pub fn asks(probe: &Value) -> String {
    let port = |of: &Value| match of.get("port") {
        Some(Value::String(name)) => name.clone(),
        Some(number) => number.to_string(),
        None => String::new(),
    };
    if let Some(http) = probe.get("httpGet") {
        // It may contain anything, and becomes part of a sentence of ours.
        let path = text(http, "/path");
        let is_plain =
            path.len() <= 100 && path.bytes().all(|letter| letter.is_ascii_graphic() && letter != b'`');
        let path = if is_plain { path } else { "(a long path)" };
        let scheme = if text(http, "/scheme") == "HTTPS" { " over HTTPS" } else { "" };
        format!("GET {} on port {}{scheme}", if path.is_empty() { "/" } else { path }, port(http))
    } else if let Some(tcp) = probe.get("tcpSocket") {
        format!("a connection to port {}", port(tcp))
    } else if let Some(grpc) = probe.get("grpc") {
        format!("gRPC health on port {}", port(grpc))
    } else if probe.get("exec").is_some() {
        "the exit code of its command".to_owned()
    } else {
        "nothing".to_owned()
    }
}

/// The words on a probe's port, if no container of the pod declares it.
pub fn undeclared_port(pod: &Object, container: Container<'_>, probe: &Value) -> Option<String> {
    let asked =
        ["/httpGet/port", "/tcpSocket/port", "/grpc/port"].into_iter().find_map(|at| probe.pointer(at))?;
    let declared: Vec<(i64, &str)> = pod
        .list("/spec/containers")
        .iter()
        .chain(pod.list("/spec/initContainers"))
        .flat_map(health::ports)
        .collect();
    let is_declared = match asked {
        Value::String(name) => declared.iter().any(|(_, other)| other == name),
        number => declared.iter().any(|(port, _)| Some(*port) == number.as_i64()),
    };
    let own: Vec<String> = health::ports(container.spec).iter().map(|(port, _)| port.to_string()).collect();
    if is_declared || own.is_empty() {
        return None;
    }
    Some(format!("the container declares containerPort {} only", own.join(", ")))
}

/// The times of a probe: `after 10s, every 5s, 3 failures, timeout 1s`.
pub fn times(probe: &Value) -> String {
    format!(
        "after {}s, every {}s, {} failures, timeout {}s",
        number(probe, "initialDelaySeconds", 0),
        number(probe, "periodSeconds", 10),
        number(probe, "failureThreshold", 3),
        number(probe, "timeoutSeconds", 1)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{asks, failures, is_starting, kill, times};
    use crate::{
        Facts, Kind, Object,
        containers::containers,
        recorded::{NOW, Recorded, event, pod},
        time,
    };

    const STARTED: &str = "2026-11-24T11:50:00Z";

    /// A container that ended with a code after some seconds.
    fn ended(probe: &str, code: i64, ran: u64, state: Value) -> Value {
        let finished = format!("2026-11-24T11:{}:{:02}Z", 50 + ran / 60, ran % 60);
        let end = json!({"exitCode": code, "reason": "Error", "startedAt": STARTED, "finishedAt": finished});
        pod(
            "web",
            json!({"containers": [{"name": "app", probe: {"periodSeconds": 10, "failureThreshold": 3}}]}),
            json!({"phase": "Running", "containerStatuses": [
                {"name": "app", "restartCount": 1, "state": state, "lastState": {"terminated": end}}]}),
        )
    }

    fn facts(objects: &[Value]) -> (Facts, Object) {
        (Recorded::new(objects).facts(), Object::new(Kind::Pod, objects[0].clone()))
    }

    /// The probe that ended the first container of the first object.
    fn killer(objects: &[Value]) -> Option<&'static str> {
        let (facts, pod) = facts(objects);
        kill(&facts, &pod, containers(&pod).next()?).map(|kill| kill.probe)
    }

    fn back_off() -> Value {
        json!({"waiting": {"reason": "CrashLoopBackOff"}})
    }

    /// Three failures take 20 seconds, which the jitter and one more period lengthen to 45; the grace period is 30.
    #[test]
    fn an_end_fits_a_probe_by_its_code_and_time() {
        let liveness = Some("liveness");
        for (code, ran, expected) in [
            (143, 18, None),
            (143, 19, liveness),
            (143, 45, liveness),
            (143, 46, None),
            (143, 60, None),
            (0, 30, liveness),
            (1, 30, None),
            (137, 30, liveness),
            (137, 47, None),
            (137, 49, liveness),
            (137, 75, liveness),
            (137, 76, None),
        ] {
            assert_eq!(killer(&[ended("livenessProbe", code, ran, back_off())]), expected, "{code} {ran}");
        }
        let mut memory = ended("livenessProbe", 137, 30, back_off());
        memory["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] = "OOMKilled".into();
        assert_eq!(killer(&[memory]), None);
        let mut first = ended("livenessProbe", 143, 30, back_off());
        first["status"]["containerStatuses"][0]["restartCount"] = 0.into();
        assert_eq!(killer(&[first]), None);
        assert_eq!(killer(&[ended("readinessProbe", 143, 30, back_off())]), None);
    }

    #[test]
    fn an_instance_may_outlive_the_plan_only_if_its_probe_is_known_to_fail() {
        let (now, late) = (|| json!({"running": {"startedAt": "2026-11-24T11:55:00Z"}}), 200);
        for (probe, is_started, state, expected) in [
            ("startupProbe", false, now(), Some("startup")),
            ("startupProbe", true, now(), None),
            ("startupProbe", false, back_off(), None),
            ("livenessProbe", false, now(), None),
            ("livenessProbe", false, back_off(), None),
        ] {
            let mut pod = ended(probe, 143, late, state);
            pod["status"]["containerStatuses"][0]["started"] = is_started.into();
            assert_eq!(killer(&[pod.clone()]), expected, "{probe} {is_started}");
        }
        let pod = ended("livenessProbe", 143, late, back_off());
        let failed = event(&pod, "Unhealthy", "Liveness probe failed: timeout");
        assert_eq!(killer(&[pod, failed]), Some("liveness"));
    }

    #[test]
    fn a_failure_is_of_a_probe_and_of_its_container() {
        let mut pod = ended("livenessProbe", 143, 30, back_off());
        let of = |reason: &str, message: &str, field: &str| {
            let mut event = event(&pod, reason, message);
            event["involvedObject"]["fieldPath"] = field.into();
            event
        };
        let own = "spec.containers{app}";
        for (reason, message, field, expected) in [
            ("Unhealthy", "Liveness probe failed: timeout", own, 1),
            ("Unhealthy", "Liveness probe errored: timeout", own, 1),
            ("Unhealthy", "Liveness probe failed: timeout", "", 1),
            ("Unhealthy", "Liveness probe failed: timeout", "spec.containers{proxy}", 0),
            ("Unhealthy", "Readiness probe failed: timeout", own, 0),
            ("ProbeWarning", "Liveness probe failed: redirect", own, 0),
        ] {
            let (facts, pod) = facts(&[pod.clone(), of(reason, message, field)]);
            let container = containers(&pod).next().unwrap();
            assert_eq!(
                failures(&facts, &pod, container, "liveness").len(),
                expected,
                "{reason} {message} {field}"
            );
        }
        let failed = of("Unhealthy", "Liveness probe failed: timeout", "");
        let probed = |name: &str| json!({"name": name, "livenessProbe": {}});
        pod["spec"]["containers"] = json!([probed("app"), probed("proxy")]);
        pod["status"]["containerStatuses"] = json!([{"name": "app"}, {"name": "proxy"}]);
        let (facts, pod) = facts(&[pod, failed]);
        assert!(failures(&facts, &pod, containers(&pod).next().unwrap(), "liveness").is_empty());
    }

    #[test]
    fn a_pod_is_starting_while_each_unready_container_may_pass_its_probe() {
        let of = |is_ready: bool, delay: i64| {
            let state = json!({"running": {"startedAt": STARTED}});
            let probe = json!({"initialDelaySeconds": delay});
            let spec = json!({"containers": [{"name": "app", "readinessProbe": probe}]});
            let statuses = json!([{"name": "app", "ready": is_ready, "state": state}]);
            pod("web", spec, json!({"phase": "Running", "containerStatuses": statuses}))
        };
        let mut pending = of(false, 3600);
        pending["status"]["phase"] = "Pending".into();
        let mut deleted = of(false, 3600);
        deleted["metadata"]["deletionTimestamp"] = NOW.into();
        let mut other = of(false, 3600);
        let (app, status) = (&pending["spec"]["containers"][0], &pending["status"]["containerStatuses"][0]);
        other["spec"]["containers"] = json!([app, {"name": "proxy"}]);
        other["status"]["containerStatuses"] = json!([status, {"name": "proxy", "ready": false}]);
        let now = time::parse(NOW).unwrap();
        for (pod, expected) in [
            (of(false, 3600), true),
            (of(false, 1), false),
            (of(true, 3600), false),
            (pending, false),
            (deleted, false),
            (other, false),
        ] {
            assert_eq!(is_starting(&Object::new(Kind::Pod, pod.clone()), now), expected, "{pod}");
        }
    }

    #[test]
    fn what_a_probe_asks_is_told_without_foreign_words() {
        let get = |path: &str| json!({"httpGet": {"path": path, "port": 80}});
        for (probe, expected) in [
            (get("/ready?a=1"), "GET /ready?a=1 on port 80"),
            (get(""), "GET / on port 80"),
            (get("/a`b"), "GET (a long path) on port 80"),
            (get("/a b"), "GET (a long path) on port 80"),
            (get(&"a".repeat(101)), "GET (a long path) on port 80"),
            (json!({"httpGet": {"port": "web", "scheme": "HTTPS"}}), "GET / on port web over HTTPS"),
            (json!({"tcpSocket": {"port": 5432}}), "a connection to port 5432"),
            (json!({"grpc": {"port": 50051}}), "gRPC health on port 50051"),
            (json!({"exec": {"command": ["x"]}}), "the exit code of its command"),
            (json!({}), "nothing"),
        ] {
            assert_eq!(asks(&probe), expected);
        }
    }

    #[test]
    fn the_times_of_a_probe_have_the_defaults_of_the_kubelet() {
        assert_eq!(times(&json!({})), "after 0s, every 10s, 3 failures, timeout 1s");
        let probe =
            json!({"initialDelaySeconds": 5, "periodSeconds": 4, "failureThreshold": 2, "timeoutSeconds": 3});
        assert_eq!(times(&probe), "after 5s, every 4s, 2 failures, timeout 3s");
    }
}
