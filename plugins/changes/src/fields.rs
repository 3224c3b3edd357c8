//! Fields of the objects that are read, by kind: the host hands over nothing else.

pub(crate) const NAMES: &[&str] = &["metadata.name", "metadata.namespace"];
pub(crate) const WORKLOAD: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.creationTimestamp",
    "spec",
    "status.conditions",
];
/// Of ReplicaSets and ControllerRevisions.
pub(crate) const REVISION: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.annotations",
    "metadata.ownerReferences",
    "metadata.creationTimestamp",
    "spec.template",
    "revision",
    "data",
];
pub(crate) const POD: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.labels",
    "metadata.ownerReferences",
    "metadata.creationTimestamp",
    "spec.containers[].name",
    "spec.containers[].resources.limits",
    "spec.initContainers[].name",
    "spec.initContainers[].resources.limits",
    "status.reason",
    "status.message",
    "status.startTime",
    "status.conditions",
    "status.containerStatuses",
    "status.initContainerStatuses",
];
pub(crate) const NODE: &[&str] = &[
    "metadata.name",
    "metadata.creationTimestamp",
    "spec.unschedulable",
    "spec.taints",
    "status.conditions",
];
pub(crate) const EVENT: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
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
