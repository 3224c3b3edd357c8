//! Kinds of Kubernetes itself, which a configuration may name before the cluster can be asked.

/// A kind that any cluster may serve.
#[derive(Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// Empty for the core group.
    pub group: &'static str,
    /// Name in paths and RBAC rules.
    pub plural: &'static str,
    /// Name in manifests.
    pub kind: &'static str,
    short_names: &'static [&'static str],
}

impl BuiltIn {
    /// True if `name` is its plural, kind or short name, ignoring case, as in
    /// [`Kind::has_name`](porthole_contract::Kind::has_name).
    pub fn has_name(&self, name: &str) -> bool {
        [self.plural, self.kind].iter().chain(self.short_names).any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Subresources of Kubernetes. Tools can read `log` and `proxy`.
pub const SUBRESOURCES: [&str; 15] = [
    "log",
    "proxy",
    "exec",
    "attach",
    "portforward",
    "status",
    "scale",
    "ephemeralcontainers",
    "eviction",
    "binding",
    "resize",
    "token",
    "approval",
    "finalize",
    "finalizers",
];

/// Kinds of Kubernetes 1.33 to 1.37, the core group first; then those of metrics-server, and the host's own kind for
/// Helm releases. An integration test compares it with a real API server.
pub static BUILT_IN: [BuiltIn; 83] = [
    BuiltIn { group: "", plural: "bindings", kind: "Binding", short_names: &[] },
    BuiltIn { group: "", plural: "componentstatuses", kind: "ComponentStatus", short_names: &["cs"] },
    BuiltIn { group: "", plural: "configmaps", kind: "ConfigMap", short_names: &["cm"] },
    BuiltIn { group: "", plural: "endpoints", kind: "Endpoints", short_names: &["ep"] },
    BuiltIn { group: "", plural: "events", kind: "Event", short_names: &["ev"] },
    BuiltIn { group: "", plural: "limitranges", kind: "LimitRange", short_names: &["limits"] },
    BuiltIn { group: "", plural: "namespaces", kind: "Namespace", short_names: &["ns"] },
    BuiltIn { group: "", plural: "nodes", kind: "Node", short_names: &["no"] },
    BuiltIn {
        group: "",
        plural: "persistentvolumeclaims",
        kind: "PersistentVolumeClaim",
        short_names: &["pvc"],
    },
    BuiltIn { group: "", plural: "persistentvolumes", kind: "PersistentVolume", short_names: &["pv"] },
    BuiltIn { group: "", plural: "pods", kind: "Pod", short_names: &["po"] },
    BuiltIn { group: "", plural: "podtemplates", kind: "PodTemplate", short_names: &[] },
    BuiltIn {
        group: "",
        plural: "replicationcontrollers",
        kind: "ReplicationController",
        short_names: &["rc"],
    },
    BuiltIn { group: "", plural: "resourcequotas", kind: "ResourceQuota", short_names: &["quota"] },
    BuiltIn { group: "", plural: "secrets", kind: "Secret", short_names: &[] },
    BuiltIn { group: "", plural: "serviceaccounts", kind: "ServiceAccount", short_names: &["sa"] },
    BuiltIn { group: "", plural: "services", kind: "Service", short_names: &["svc"] },
    BuiltIn {
        group: "admissionregistration.k8s.io",
        plural: "mutatingadmissionpolicies",
        kind: "MutatingAdmissionPolicy",
        short_names: &[],
    },
    BuiltIn {
        group: "admissionregistration.k8s.io",
        plural: "mutatingadmissionpolicybindings",
        kind: "MutatingAdmissionPolicyBinding",
        short_names: &[],
    },
    BuiltIn {
        group: "admissionregistration.k8s.io",
        plural: "mutatingwebhookconfigurations",
        kind: "MutatingWebhookConfiguration",
        short_names: &[],
    },
    BuiltIn {
        group: "admissionregistration.k8s.io",
        plural: "validatingadmissionpolicies",
        kind: "ValidatingAdmissionPolicy",
        short_names: &[],
    },
    BuiltIn {
        group: "admissionregistration.k8s.io",
        plural: "validatingadmissionpolicybindings",
        kind: "ValidatingAdmissionPolicyBinding",
        short_names: &[],
    },
    BuiltIn {
        group: "admissionregistration.k8s.io",
        plural: "validatingwebhookconfigurations",
        kind: "ValidatingWebhookConfiguration",
        short_names: &[],
    },
    BuiltIn {
        group: "apiextensions.k8s.io",
        plural: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
        short_names: &["crd", "crds"],
    },
    BuiltIn { group: "apiregistration.k8s.io", plural: "apiservices", kind: "APIService", short_names: &[] },
    BuiltIn { group: "apps", plural: "controllerrevisions", kind: "ControllerRevision", short_names: &[] },
    BuiltIn { group: "apps", plural: "daemonsets", kind: "DaemonSet", short_names: &["ds"] },
    BuiltIn { group: "apps", plural: "deployments", kind: "Deployment", short_names: &["deploy"] },
    BuiltIn { group: "apps", plural: "replicasets", kind: "ReplicaSet", short_names: &["rs"] },
    BuiltIn { group: "apps", plural: "statefulsets", kind: "StatefulSet", short_names: &["sts"] },
    BuiltIn {
        group: "authentication.k8s.io",
        plural: "selfsubjectreviews",
        kind: "SelfSubjectReview",
        short_names: &[],
    },
    BuiltIn { group: "authentication.k8s.io", plural: "tokenreviews", kind: "TokenReview", short_names: &[] },
    BuiltIn {
        group: "authorization.k8s.io",
        plural: "localsubjectaccessreviews",
        kind: "LocalSubjectAccessReview",
        short_names: &[],
    },
    BuiltIn {
        group: "authorization.k8s.io",
        plural: "selfsubjectaccessreviews",
        kind: "SelfSubjectAccessReview",
        short_names: &[],
    },
    BuiltIn {
        group: "authorization.k8s.io",
        plural: "selfsubjectrulesreviews",
        kind: "SelfSubjectRulesReview",
        short_names: &[],
    },
    BuiltIn {
        group: "authorization.k8s.io",
        plural: "subjectaccessreviews",
        kind: "SubjectAccessReview",
        short_names: &[],
    },
    BuiltIn {
        group: "autoscaling",
        plural: "horizontalpodautoscalers",
        kind: "HorizontalPodAutoscaler",
        short_names: &["hpa"],
    },
    BuiltIn { group: "batch", plural: "cronjobs", kind: "CronJob", short_names: &["cj"] },
    BuiltIn { group: "batch", plural: "jobs", kind: "Job", short_names: &[] },
    BuiltIn {
        group: "certificates.k8s.io",
        plural: "certificatesigningrequests",
        kind: "CertificateSigningRequest",
        short_names: &["csr"],
    },
    BuiltIn {
        group: "certificates.k8s.io",
        plural: "clustertrustbundles",
        kind: "ClusterTrustBundle",
        short_names: &[],
    },
    BuiltIn {
        group: "certificates.k8s.io",
        plural: "podcertificaterequests",
        kind: "PodCertificateRequest",
        short_names: &[],
    },
    BuiltIn {
        group: "coordination.k8s.io",
        plural: "leasecandidates",
        kind: "LeaseCandidate",
        short_names: &[],
    },
    BuiltIn { group: "coordination.k8s.io", plural: "leases", kind: "Lease", short_names: &[] },
    BuiltIn { group: "discovery.k8s.io", plural: "endpointslices", kind: "EndpointSlice", short_names: &[] },
    BuiltIn { group: "events.k8s.io", plural: "events", kind: "Event", short_names: &["ev"] },
    BuiltIn {
        group: "flowcontrol.apiserver.k8s.io",
        plural: "flowschemas",
        kind: "FlowSchema",
        short_names: &[],
    },
    BuiltIn {
        group: "flowcontrol.apiserver.k8s.io",
        plural: "prioritylevelconfigurations",
        kind: "PriorityLevelConfiguration",
        short_names: &[],
    },
    BuiltIn {
        group: "internal.apiserver.k8s.io",
        plural: "storageversions",
        kind: "StorageVersion",
        short_names: &[],
    },
    BuiltIn {
        group: "lifecycle.k8s.io",
        plural: "evictionrequests",
        kind: "EvictionRequest",
        short_names: &[],
    },
    BuiltIn { group: "lifecycle.k8s.io", plural: "evictions", kind: "Eviction", short_names: &[] },
    BuiltIn { group: "networking.k8s.io", plural: "ingressclasses", kind: "IngressClass", short_names: &[] },
    BuiltIn { group: "networking.k8s.io", plural: "ingresses", kind: "Ingress", short_names: &["ing"] },
    BuiltIn { group: "networking.k8s.io", plural: "ipaddresses", kind: "IPAddress", short_names: &["ip"] },
    BuiltIn {
        group: "networking.k8s.io",
        plural: "networkpolicies",
        kind: "NetworkPolicy",
        short_names: &["netpol"],
    },
    BuiltIn { group: "networking.k8s.io", plural: "servicecidrs", kind: "ServiceCIDR", short_names: &[] },
    BuiltIn { group: "node.k8s.io", plural: "runtimeclasses", kind: "RuntimeClass", short_names: &[] },
    BuiltIn {
        group: "policy",
        plural: "poddisruptionbudgets",
        kind: "PodDisruptionBudget",
        short_names: &["pdb"],
    },
    BuiltIn {
        group: "rbac.authorization.k8s.io",
        plural: "clusterrolebindings",
        kind: "ClusterRoleBinding",
        short_names: &[],
    },
    BuiltIn {
        group: "rbac.authorization.k8s.io",
        plural: "clusterroles",
        kind: "ClusterRole",
        short_names: &[],
    },
    BuiltIn {
        group: "rbac.authorization.k8s.io",
        plural: "rolebindings",
        kind: "RoleBinding",
        short_names: &[],
    },
    BuiltIn { group: "rbac.authorization.k8s.io", plural: "roles", kind: "Role", short_names: &[] },
    BuiltIn { group: "resource.k8s.io", plural: "deviceclasses", kind: "DeviceClass", short_names: &[] },
    BuiltIn {
        group: "resource.k8s.io",
        plural: "devicetaintrules",
        kind: "DeviceTaintRule",
        short_names: &[],
    },
    BuiltIn { group: "resource.k8s.io", plural: "resourceclaims", kind: "ResourceClaim", short_names: &[] },
    BuiltIn {
        group: "resource.k8s.io",
        plural: "resourceclaimtemplates",
        kind: "ResourceClaimTemplate",
        short_names: &[],
    },
    BuiltIn {
        group: "resource.k8s.io",
        plural: "resourcepoolstatusrequests",
        kind: "ResourcePoolStatusRequest",
        short_names: &[],
    },
    BuiltIn { group: "resource.k8s.io", plural: "resourceslices", kind: "ResourceSlice", short_names: &[] },
    BuiltIn {
        group: "scheduling.k8s.io",
        plural: "compositepodgroups",
        kind: "CompositePodGroup",
        short_names: &[],
    },
    BuiltIn { group: "scheduling.k8s.io", plural: "podgroups", kind: "PodGroup", short_names: &[] },
    BuiltIn {
        group: "scheduling.k8s.io",
        plural: "priorityclasses",
        kind: "PriorityClass",
        short_names: &["pc"],
    },
    BuiltIn { group: "scheduling.k8s.io", plural: "workloads", kind: "Workload", short_names: &[] },
    BuiltIn { group: "storage.k8s.io", plural: "csidrivers", kind: "CSIDriver", short_names: &[] },
    BuiltIn { group: "storage.k8s.io", plural: "csinodes", kind: "CSINode", short_names: &[] },
    BuiltIn {
        group: "storage.k8s.io",
        plural: "csistoragecapacities",
        kind: "CSIStorageCapacity",
        short_names: &[],
    },
    BuiltIn { group: "storage.k8s.io", plural: "storageclasses", kind: "StorageClass", short_names: &["sc"] },
    BuiltIn {
        group: "storage.k8s.io",
        plural: "volumeattachments",
        kind: "VolumeAttachment",
        short_names: &[],
    },
    BuiltIn {
        group: "storage.k8s.io",
        plural: "volumeattributesclasses",
        kind: "VolumeAttributesClass",
        short_names: &["vac"],
    },
    BuiltIn {
        group: "storagemigration.k8s.io",
        plural: "storageversionmigrations",
        kind: "StorageVersionMigration",
        short_names: &[],
    },
    BuiltIn { group: "extensions", plural: "ingresses", kind: "Ingress", short_names: &["ing"] },
    BuiltIn { group: "metrics.k8s.io", plural: "nodes", kind: "NodeMetrics", short_names: &[] },
    BuiltIn { group: "metrics.k8s.io", plural: "pods", kind: "PodMetrics", short_names: &[] },
    BuiltIn { group: "helm.sh", plural: "releases", kind: "Release", short_names: &[] },
];
