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
