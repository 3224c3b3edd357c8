//! The kinds that a diagnosis reads, and the fields of each that rules see.

/// A built-in kind. The order is that of a chain of causes: the earlier ones are nearer to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of Kubernetes")]
pub enum Kind {
    Node,
    Namespace,
    ApiService,
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
    PriorityClass,
    StorageClass,
    IngressClass,
    PersistentVolume,
    PersistentVolumeClaim,
    ResourceQuota,
    LimitRange,
    ServiceAccount,
    ClusterRole,
    ClusterRoleBinding,
    Role,
    RoleBinding,
    NetworkPolicy,
    ConfigMap,
    Secret,
    CronJob,
    Job,
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    Pod,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
    EndpointSlice,
    Service,
    Ingress,
    Event,
}

/// Name, plural with its group, short name, whether namespaced, and fields (none: only metadata).
type Row = (Kind, &'static str, &'static str, &'static str, bool, &'static [&'static str]);

use Kind::*;

const KINDS: [Row; 33] = [
    (Node, "Node", "nodes", "no", false, &["spec", "status.conditions", "status.allocatable"]),
    (Namespace, "Namespace", "namespaces", "ns", false, &["spec", "status"]),
    (ApiService, "APIService", "apiservices.apiregistration.k8s.io", "", false, &["spec.service", "status"]),
    (
        MutatingWebhookConfiguration,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "",
        false,
        WEBHOOK,
    ),
    (
        ValidatingWebhookConfiguration,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "",
        false,
        WEBHOOK,
    ),
    (PriorityClass, "PriorityClass", "priorityclasses.scheduling.k8s.io", "pc", false, &["value"]),
    (
        StorageClass,
        "StorageClass",
        "storageclasses.storage.k8s.io",
        "sc",
        false,
        &["provisioner", "volumeBindingMode"],
    ),
    (IngressClass, "IngressClass", "ingressclasses.networking.k8s.io", "", false, &["spec"]),
    (PersistentVolume, "PersistentVolume", "persistentvolumes", "pv", false, &["spec", "status"]),
    (
        PersistentVolumeClaim,
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "pvc",
        true,
        &["spec", "status"],
    ),
    (ResourceQuota, "ResourceQuota", "resourcequotas", "quota", true, &["spec", "status"]),
    (LimitRange, "LimitRange", "limitranges", "limits", true, &["spec"]),
    (ServiceAccount, "ServiceAccount", "serviceaccounts", "sa", true, &["imagePullSecrets"]),
    (ClusterRole, "ClusterRole", "clusterroles.rbac.authorization.k8s.io", "", false, &["rules"]),
    (
        ClusterRoleBinding,
        "ClusterRoleBinding",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "",
        false,
        BINDING,
    ),
    (Role, "Role", "roles.rbac.authorization.k8s.io", "", true, &["rules"]),
    (RoleBinding, "RoleBinding", "rolebindings.rbac.authorization.k8s.io", "", true, BINDING),
    (NetworkPolicy, "NetworkPolicy", "networkpolicies.networking.k8s.io", "netpol", true, &["spec"]),
    (ConfigMap, "ConfigMap", "configmaps", "cm", true, &[]),
    (Secret, "Secret", "secrets", "", true, &[]),
    (CronJob, "CronJob", "cronjobs.batch", "cj", true, &["spec", "status"]),
    (Job, "Job", "jobs.batch", "", true, &["spec", "status"]),
    (Deployment, "Deployment", "deployments.apps", "deploy", true, &["spec", "status"]),
    (StatefulSet, "StatefulSet", "statefulsets.apps", "sts", true, &["spec", "status"]),
    (DaemonSet, "DaemonSet", "daemonsets.apps", "ds", true, &["spec", "status"]),
    (ReplicaSet, "ReplicaSet", "replicasets.apps", "rs", true, &["spec", "status"]),
    (Pod, "Pod", "pods", "po", true, &["spec", "status"]),
    (
        PodDisruptionBudget,
        "PodDisruptionBudget",
        "poddisruptionbudgets.policy",
        "pdb",
        true,
        &["spec", "status"],
    ),
    (
        HorizontalPodAutoscaler,
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers.autoscaling",
        "hpa",
        true,
        &["spec", "status"],
    ),
    (EndpointSlice, "EndpointSlice", "endpointslices.discovery.k8s.io", "", true, &["endpoints", "ports"]),
    (Service, "Service", "services", "svc", true, &["spec", "status"]),
    (Ingress, "Ingress", "ingresses.networking.k8s.io", "ing", true, &["spec", "status"]),
    (Event, "Event", "events", "ev", true, EVENT),
];

const WEBHOOK: &[&str] = &["webhooks"];
const BINDING: &[&str] = &["roleRef", "subjects"];
const EVENT: &[&str] = &[
    "involvedObject",
    "reason",
    "message",
    "type",
    "count",
    "series",
    "eventTime",
    "firstTimestamp",
    "lastTimestamp",
];
/// Fields of the metadata of every kind.
const METADATA: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
    "metadata.ownerReferences",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "metadata.finalizers",
];

impl Kind {
    /// All kinds, the nearest to the root first.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        const NONE: &Row = &(Event, "Event", "events", "ev", true, EVENT);
        // The rows stand in the order of the kinds; a test holds that.
        KINDS.get(self as usize).unwrap_or(NONE)
    }

    /// `PersistentVolumeClaim`
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The resource with its group, as a read names it: `deployments.apps`.
    pub fn resource(self) -> &'static str {
        self.row().2
    }

    /// The plural without its group: `deployments`.
    pub fn plural(self) -> &'static str {
        self.resource().split('.').next().unwrap_or_default()
    }

    /// True if its objects live in a namespace.
    pub fn is_namespaced(self) -> bool {
        self.row().4
    }

    /// The fields that a list of it reads.
    pub fn fields(self) -> Vec<&'static str> {
        METADATA.iter().chain(self.row().5).copied().collect()
    }

    /// True for what runs pods.
    pub fn is_workload(self) -> bool {
        matches!(self, CronJob | Job | Deployment | StatefulSet | DaemonSet | ReplicaSet)
    }

    /// The kind of an object's `kind` field: `ReplicaSet`.
    pub fn of_object(name: &str) -> Option<Self> {
        KINDS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The kind that a person means by `text`: `po`, `pods`, `Pod`, `deployments.apps`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let plain = text.split(['.', '/']).next().unwrap_or_default();
        let is_named = |row: &&Row| {
            let name = row.1.to_lowercase();
            plain == name || plain == row.0.plural() || (!row.3.is_empty() && plain == row.3)
        };
        KINDS.iter().find(is_named).map(|row| row.0)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_each_of_its_names() {
        for kind in Kind::all() {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
            assert_eq!(Kind::parse(kind.resource()), Some(kind));
            assert_eq!(kind.row().0, kind);
        }
        assert_eq!(Kind::parse("deploy"), Some(Deployment));
        assert_eq!(Kind::parse(""), None);
    }
}
