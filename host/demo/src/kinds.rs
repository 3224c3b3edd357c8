//! Served kinds: those of every cluster, and those of the custom resources in the manifests.

use serde_json::Value;

/// A resource type of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// API group; empty for the core group.
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) kind: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) namespaced: bool,
    /// True if `kubectl get all` includes it.
    pub(crate) in_all: bool,
}

/// apiVersion, plural, kind, scope, short names; a trailing `all` for those of `kubectl get all`.
const EVERYWHERE: &str = "
v1 bindings Binding namespaced -
v1 configmaps ConfigMap namespaced cm
v1 endpoints Endpoints namespaced ep
v1 events Event namespaced ev
v1 limitranges LimitRange namespaced limits
v1 namespaces Namespace cluster ns
v1 nodes Node cluster no
v1 persistentvolumeclaims PersistentVolumeClaim namespaced pvc
v1 persistentvolumes PersistentVolume cluster pv
v1 pods Pod namespaced po all
v1 podtemplates PodTemplate namespaced -
v1 replicationcontrollers ReplicationController namespaced rc all
v1 resourcequotas ResourceQuota namespaced quota
v1 secrets Secret namespaced -
v1 serviceaccounts ServiceAccount namespaced sa
v1 services Service namespaced svc all
admissionregistration.k8s.io/v1 mutatingwebhookconfigurations MutatingWebhookConfiguration cluster -
admissionregistration.k8s.io/v1 validatingwebhookconfigurations ValidatingWebhookConfiguration cluster -
apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition cluster crd,crds
apiregistration.k8s.io/v1 apiservices APIService cluster -
apps/v1 controllerrevisions ControllerRevision namespaced -
apps/v1 daemonsets DaemonSet namespaced ds all
apps/v1 deployments Deployment namespaced deploy all
apps/v1 replicasets ReplicaSet namespaced rs all
apps/v1 statefulsets StatefulSet namespaced sts all
autoscaling/v2 horizontalpodautoscalers HorizontalPodAutoscaler namespaced hpa all
batch/v1 cronjobs CronJob namespaced cj all
batch/v1 jobs Job namespaced - all
coordination.k8s.io/v1 leases Lease namespaced -
discovery.k8s.io/v1 endpointslices EndpointSlice namespaced -
events.k8s.io/v1 events Event namespaced ev
networking.k8s.io/v1 ingressclasses IngressClass cluster -
networking.k8s.io/v1 ingresses Ingress namespaced ing
networking.k8s.io/v1 networkpolicies NetworkPolicy namespaced netpol
policy/v1 poddisruptionbudgets PodDisruptionBudget namespaced pdb
rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding cluster -
rbac.authorization.k8s.io/v1 clusterroles ClusterRole cluster -
rbac.authorization.k8s.io/v1 rolebindings RoleBinding namespaced -
rbac.authorization.k8s.io/v1 roles Role namespaced -
scheduling.k8s.io/v1 priorityclasses PriorityClass cluster pc
storage.k8s.io/v1 csidrivers CSIDriver cluster -
storage.k8s.io/v1 csinodes CSINode cluster -
storage.k8s.io/v1 storageclasses StorageClass cluster sc
storage.k8s.io/v1 volumeattachments VolumeAttachment cluster -
";

/// Kinds of an aggregated API server, served only if the manifests contain some.
const METRICS: &str = "
metrics.k8s.io/v1beta1 nodes NodeMetrics cluster -
metrics.k8s.io/v1beta1 pods PodMetrics namespaced -
";

impl Kind {
    /// API version: `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Qualified name: `pods` or `deployments.apps`.
    pub(crate) fn qualified_name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Collection path of its objects.
    pub(crate) fn collection(&self, namespace: Option<&str>) -> String {
        let prefix = if self.group.is_empty() { "api" } else { "apis" };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => {
                format!("/{prefix}/{}/namespaces/{namespace}/{}", self.api_version(), self.plural)
            }
            None => format!("/{prefix}/{}/{}", self.api_version(), self.plural),
        }
    }

    pub(crate) fn singular(&self) -> String {
        self.kind.to_lowercase()
    }

    /// Infers the kind of a custom resource without a definition, by the usual naming of definitions.
    pub(crate) fn guess(api_version: &str, kind: &str, namespaced: bool) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let singular = kind.to_lowercase();
        let plural = match singular.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None if singular.ends_with('s') || singular.ends_with('x') => format!("{singular}es"),
            None => format!("{singular}s"),
        };
        let (group, version, kind) = (group.to_owned(), version.to_owned(), kind.to_owned());
        Self { group, version, plural, kind, short_names: Vec::new(), namespaced, in_all: false }
    }

    /// Kinds of a CustomResourceDefinition, one per served version.
    pub(crate) fn from_definition(definition: &Value) -> Vec<Self> {
        let spec = &definition["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
        let versions = spec["versions"].as_array().into_iter().flatten();
        versions
            .filter(|version| version["served"] != false)
            .map(|version| Self {
                group: text(&spec["group"]),
                version: text(&version["name"]),
                plural: text(&spec["names"]["plural"]),
                kind: text(&spec["names"]["kind"]),
                short_names: texts(&spec["names"]["shortNames"]),
                namespaced: spec["scope"] != "Cluster",
                in_all: texts(&spec["names"]["categories"]).iter().any(|category| category == "all"),
            })
            .collect()
    }
}

fn parse_table(table: &str) -> Vec<Kind> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let api_version = words.next()?;
        let (plural, kind, scope, short) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Some(Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            short_names: short.split(',').filter(|name| *name != "-").map(str::to_owned).collect(),
            namespaced: scope == "namespaced",
            in_all: words.next() == Some("all"),
        })
    };
    table.lines().filter_map(line).collect()
}

/// Kinds of every cluster.
pub(crate) fn everywhere() -> Vec<Kind> {
    parse_table(EVERYWHERE)
}

/// Kinds of metrics-server.
pub(crate) fn metrics() -> Vec<Kind> {
    parse_table(METRICS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_is_a_kind() {
        let lines = |table: &str| table.lines().filter(|line| !line.is_empty()).count();
        assert_eq!(everywhere().len(), lines(EVERYWHERE));
        assert_eq!(metrics().len(), lines(METRICS));
    }

    #[test]
    fn plurals_are_guessed_as_definitions_write_them() {
        for (kind, plural) in
            [("Widget", "widgets"), ("Policy", "policies"), ("Mesh", "meshs"), ("Bus", "buses")]
        {
            assert_eq!(Kind::guess("example.com/v1", kind, true).plural, plural);
        }
    }
}
