//! diagnose: the cause of a fault, in one call.

use porthole_diagnosis_reads::Reads;
use porthole_sdk::{prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Name or a part of it, also of an ingress host or Helm release
    name: Option<String>,
    /// Alone: everything in it that is not well
    namespace: Option<String>,
    /// Only if the name alone is ambiguous
    kind: Option<String>,
}

/// Why is it down? Finds a pod, workload, service, ingress, job, claim, node or Helm release by a part of its name, joins
/// it with all that it needs, and names at most three causes with their evidence. Ask this first.
#[tool(
    title = "Diagnose",
    reads(
        get_list(
            "pods",
            "services",
            "configmaps",
            "serviceaccounts",
            "persistentvolumeclaims",
            "persistentvolumes",
            "resourcequotas",
            "limitranges",
            "nodes",
            "namespaces",
            "events"
        ),
        get("pods/log"),
        get_list("apps": "deployments", "replicasets", "statefulsets", "daemonsets"),
        get_list("batch": "jobs", "cronjobs"),
        get_list("autoscaling": "horizontalpodautoscalers"),
        get_list("policy": "poddisruptionbudgets"),
        get_list("discovery.k8s.io": "endpointslices"),
        get_list("networking.k8s.io": "ingresses", "ingressclasses", "networkpolicies"),
        get_list("storage.k8s.io": "storageclasses"),
        get_list("scheduling.k8s.io": "priorityclasses"),
        get_list("rbac.authorization.k8s.io": "roles", "rolebindings", "clusterroles", "clusterrolebindings"),
        get_list(
            "admissionregistration.k8s.io": "mutatingwebhookconfigurations",
            "validatingwebhookconfigurations"
        ),
        get_list("apiregistration.k8s.io": "apiservices"),
    ),
)]
fn diagnose(request: Request) -> Answer {
    let Request { name, namespace, kind } = request;
    let request = porthole_diagnosis::Request { name, namespace, kind };
    text(porthole_diagnosis::diagnose(&request, &mut Reads)?)
}
