//! Healthy workloads, drawn by a seed: kinds and features that a diagnosis might take for a fault.

use porthole_testbed::{
    faults::{kubectl_apply, until_accounts_exist},
    node::Node,
    verdict::Expectation,
};
use regex::Regex;
use serde_json::{Value, json};

/// Namespace of all of them.
pub(crate) const NAMESPACE: &str = "healthy";
/// Workloads of a CI run; `PORTHOLE_SEED` draws others.
const SEED: u64 = 1;

/// Seed of this run.
pub(crate) fn seed() -> u64 {
    std::env::var("PORTHOLE_SEED").map_or(SEED, |seed| seed.parse().expect("PORTHOLE_SEED is a number"))
}

/// A workload and what belongs to it.
pub(crate) struct Workload {
    pub(crate) name: String,
    /// Kind as `kubectl get` prints it, and an expression of the rest of its row once it is well.
    shown: (&'static str, &'static str),
    objects: Vec<Value>,
}

/// Splitmix64: the same draws everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// True once in `times`.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// Draws a number of workloads.
pub(crate) fn draw(seed: u64, count: usize) -> Vec<Workload> {
    let mut draw = Draw(seed);
    (0..count).map(|n| workload(&mut draw, n)).collect()
}

/// Its answer names no cause.
pub(crate) fn expectation() -> Expectation {
    Expectation::new(Some(&[]), &["healthy|no fault found".to_owned()], &[]).unwrap()
}

pub(crate) fn apply(node: &Node, drawn: &[Workload]) {
    let shared = json!([
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        object("v1", "ServiceAccount", "runner", json!({})),
        object("v1", "ConfigMap", "settings", json!({"data": {"mode": "fast", "errors.txt": "no error\n"}})),
        object("v1", "Secret", "keys", json!({"stringData": {"token": "t"}})),
        object("v1", "ResourceQuota", "roomy", json!({"spec": {"hard": {"pods": "200"}}})),
    ]);
    kubectl_apply(node, shared.as_array().unwrap().clone()).unwrap();
    until_accounts_exist(node, [NAMESPACE].into_iter()).unwrap();
    kubectl_apply(node, drawn.iter().flat_map(|workload| workload.objects.clone()).collect()).unwrap();
}

/// Workloads that are not well yet.
pub(crate) fn unsteady(node: &Node, drawn: &[Workload]) -> anyhow::Result<Vec<String>> {
    let kinds = "deployments,statefulsets,daemonsets,jobs,cronjobs,pods";
    let table = node.kubectl(&["get", kinds, "-n", NAMESPACE, "--no-headers"])?;
    let is_well = |workload: &&Workload| {
        let (kind, status) = workload.shown;
        let status = Regex::new(status).unwrap();
        table.lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns.first().is_some_and(|first| *first == format!("{kind}/{}", workload.name))
                && status.is_match(&columns[1..].join(" "))
        })
    };
    let left = drawn.iter().filter(|workload| !is_well(workload));
    Ok(left.map(|workload| format!("healthy {}", workload.name)).collect())
}

fn object(version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut object =
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}});
    let rest = rest.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(rest);
    object
}

fn workload(draw: &mut Draw, n: usize) -> Workload {
    let kind = draw.below(6);
    let (noun, shown) = [
        ("web", ("deployment.apps", "^2/2 ")),
        ("store", ("statefulset.apps", "^2/2 ")),
        ("agent", ("daemonset.apps", "^1 1 1 1 1 ")),
        ("import", ("job.batch", "^Complete ")),
        ("report", ("cronjob.batch", "")),
        (
            "bare", // A sidecar counts too.
            ("pod", "^(1/1|2/2) Running "),
        ),
    ][usize::try_from(kind).unwrap()];
    let name = format!("{noun}-{n}");
    let serves = !matches!(kind, 3 | 4);
    let template = template(draw, &name, serves);
    let spec = template["spec"].clone();
    let labelled = json!({"selector": {"matchLabels": {"app": name}}, "template": template});
    let with = |mut spec: Value, more: Value| {
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let of_job = json!({"backoffLimit": 3, "template": with(template, json!({"spec": with(spec.clone(), json!({"restartPolicy": "Never"}))}))});
    let main = match kind {
        0 => object("apps/v1", "Deployment", &name, json!({"spec": with(labelled, json!({"replicas": 2}))})),
        1 => object(
            "apps/v1",
            "StatefulSet",
            &name,
            json!({"spec": with(labelled, json!({"replicas": 2, "serviceName": name}))}),
        ),
        2 => object("apps/v1", "DaemonSet", &name, json!({"spec": labelled})),
        3 => object("batch/v1", "Job", &name, json!({"spec": of_job})),
        4 => {
            let schedule = ["* * * * *", "0 3 * * 1"][usize::from(draw.once_in(2))];
            object(
                "batch/v1",
                "CronJob",
                &name,
                json!({"spec": {"schedule": schedule, "jobTemplate": {"spec": of_job}}}),
            )
        }
        _ => {
            let mut pod = object("v1", "Pod", &name, json!({"spec": spec}));
            pod["metadata"]["labels"] = json!({"app": name});
            pod
        }
    };
    let mut objects = vec![main];
    if serves {
        surroundings(draw, &name, &mut objects);
    }
    Workload { name, shown, objects }
}

/// A pod's template with features that are drawn.
fn template(draw: &mut Draw, name: &str, serves: bool) -> Value {
    let mut container = json!({"name": "app", "image": "busybox:1.36"});
    let chatter = [
        "INFO 0 errors, all systems healthy",
        "level=info msg=\"retry after failed attempt succeeded\"",
        "WARN deprecated flag, no error",
        "request done status=200",
    ][usize::try_from(draw.below(4)).unwrap()];
    let run = if serves { "exec httpd -f -p 8080" } else { "exit 0" };
    container["command"] = json!(["sh", "-c", format!("echo '{chatter}'; {run}")]);
    let mut spec = json!({"terminationGracePeriodSeconds": 1});
    if serves {
        container["ports"] = json!([{"name": "http", "containerPort": 8080}]);
        let probe = [json!({"tcpSocket": {"port": "http"}}), json!({"exec": {"command": ["true"]}})];
        for kind in ["readinessProbe", "livenessProbe", "startupProbe"] {
            if draw.once_in(2) {
                container[kind] = probe[usize::from(draw.once_in(2))].clone();
                container[kind]["periodSeconds"] = json!(2);
                // A machine that hundreds of pods start on answers late, and what the kubelet ends is not healthy.
                container[kind]["timeoutSeconds"] = json!(20);
            }
        }
    }
    if draw.once_in(2) {
        container["resources"] =
            json!({"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}});
    }
    if draw.once_in(3) {
        let optional = json!([{"secretRef": {"name": "absent", "optional": true}}, {"configMapRef": {"name": "settings"}}]);
        container["envFrom"] = optional;
    }
    if draw.once_in(3) {
        container["volumeMounts"] = json!([{"name": "settings", "mountPath": "/settings"}, {"name": "scratch", "mountPath": "/scratch"}]);
        spec["volumes"] = json!([
            {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "mode", "path": "mode"}]}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "10Mi"}},
        ]);
    }
    if draw.once_in(4) {
        container["securityContext"] =
            json!({"runAsNonRoot": true, "runAsUser": 1000, "allowPrivilegeEscalation": false});
    }
    if draw.once_in(3) {
        let mut first = vec![json!({"name": "prepare", "image": "busybox:1.36", "command": ["true"]})];
        if draw.once_in(2) {
            first.insert(0, json!({"name": "proxy", "image": "busybox:1.36", "restartPolicy": "Always"}));
        }
        spec["initContainers"] = json!(first);
    }
    if draw.once_in(4) {
        spec["nodeSelector"] = json!({"kubernetes.io/os": "linux"});
    }
    if draw.once_in(4) {
        spec["tolerations"] = json!([{"key": "dedicated", "operator": "Exists"}]);
        spec["serviceAccountName"] = json!("runner");
    }
    if draw.once_in(4) {
        spec["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app": name}}}]);
    }
    spec["containers"] = json!([container]);
    json!({"metadata": {"labels": {"app": name}}, "spec": spec})
}

/// Objects about a workload that serves.
fn surroundings(draw: &mut Draw, name: &str, objects: &mut Vec<Value>) {
    let selector = json!({"app": name});
    let mut service = json!({"selector": selector, "ports": [{"port": 80, "targetPort": if draw.once_in(2) { json!("http") } else { json!(8080) }}]});
    if draw.once_in(3) {
        service["clusterIP"] = json!("None");
    }
    objects.push(object("v1", "Service", name, json!({"spec": service})));
    if draw.once_in(3) {
        // Tight: no pod may go, and nobody asks for it.
        objects.push(object("policy/v1", "PodDisruptionBudget", name,
            json!({"spec": {"minAvailable": if draw.once_in(2) { json!("100%") } else { json!(1) }, "selector": {"matchLabels": selector}}})));
    }
    if draw.once_in(3) {
        objects.push(object("networking.k8s.io/v1", "NetworkPolicy", name,
            json!({"spec": {"podSelector": {"matchLabels": selector}, "policyTypes": ["Ingress"], "ingress": [{}]}})));
    }
}
