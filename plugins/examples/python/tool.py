"""quota_usage: how much of its quotas a namespace uses. An example of a tool in Python."""

import porthole


@porthole.tool(
    name="quota_usage",
    version="0.1.0",
    title="Use of resource quotas",
    summary="What each ResourceQuota of a namespace (or of all) allows and how much of it is used. Ask it when pods are not created.",
    arguments={"namespace": porthole.text("Only this namespace. Left out: all of them.")},
    reads=[("list", "", "resourcequotas")],
)
def run(namespace=None):
    rows = []
    for quota in porthole.list("resourcequotas", namespace, ["metadata.name", "metadata.namespace", "status"]):
        used = quota.get("status", {}).get("used", {})
        for resource, hard in sorted(quota.get("status", {}).get("hard", {}).items()):
            metadata = quota["metadata"]
            rows.append([metadata["namespace"], metadata["name"], resource, used.get(resource, "0"), hard])
    return porthole.table(["NAMESPACE", "QUOTA", "RESOURCE", "USED", "HARD"], rows)
