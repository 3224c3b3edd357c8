//! Amounts that no object holds itself: what the pods of a node ask for, and the quotas of a namespace.

use porthole_sdk::{prelude::*, quantity};

/// Fields of a pod that its requests and limits need.
const FIELDS: [&str; 6] = [
    "status.phase",
    "spec.overhead",
    "spec.resources",
    "spec.containers[].resources",
    "spec.initContainers[].resources",
    "spec.initContainers[].restartPolicy",
];

/// CPU in cores and memory in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Amount {
    cpu: f64,
    memory: f64,
}

impl Amount {
    /// The amount of a list of resources such as `requests`.
    fn of(resources: Option<&Value>) -> Self {
        let amount = |name: &str| {
            resources.and_then(|all| all.get(name)?.as_str()).and_then(quantity::parse).unwrap_or_default()
        };
        Self { cpu: amount("cpu"), memory: amount("memory") }
    }

    fn plus(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, memory: self.memory + other.memory }
    }

    fn max(self, other: Self) -> Self {
        Self { cpu: self.cpu.max(other.cpu), memory: self.memory.max(other.memory) }
    }

    /// `250m (3%)`, of what pods may have on the node.
    fn render(self, allocatable: Self) -> String {
        let part = |of: f64, all: f64| match all {
            // Rounded down, as kubectl does; a hair more, since 57 of 100 is a little less in binary.
            all if all > 0.0 => format!(" ({}%)", (100.0 * of / all + 1e-6).floor()),
            _ => String::new(),
        };
        let Self { cpu, memory } = self;
        format!(
            "cpu {:.0}m{}, memory {}{}",
            cpu * 1000.0,
            part(cpu, allocatable.cpu),
            quantity::readable(memory),
            part(memory, allocatable.memory)
        )
    }
}

/// Amount that a pod is counted with on its node, by the rule of the scheduler (component-helpers' resource.PodRequests).
fn of_pod(pod: &Value, list: &str) -> Amount {
    let resources = |container: &Value| Amount::of(container.pointer(&format!("/resources/{list}")));
    let items = |key: &str| pod.pointer(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (mut sidecars, mut most_at_start) = (Amount::default(), Amount::default());
    for container in items("/spec/initContainers") {
        let own = resources(container);
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            sidecars = sidecars.plus(own);
            most_at_start = most_at_start.max(sidecars);
        } else {
            most_at_start = most_at_start.max(own.plus(sidecars));
        }
    }
    let running = items("/spec/containers").iter().map(resources).fold(sidecars, Amount::plus);
    let mut total = running.max(most_at_start);
    let whole = pod.pointer(&format!("/spec/resources/{list}"));
    let of_whole = Amount::of(whole);
    if whole.is_some_and(|whole| whole.get("cpu").is_some()) {
        total.cpu = of_whole.cpu;
    }
    if whole.is_some_and(|whole| whole.get("memory").is_some()) {
        total.memory = of_whole.memory;
    }
    let overhead = Amount::of(pod.pointer("/spec/overhead"));
    // Overhead is added to each limit that there is.
    let with = |amount: f64, overhead: f64| {
        if list == "requests" || amount > 0.0 { amount + overhead } else { amount }
    };
    Amount { cpu: with(total.cpu, overhead.cpu), memory: with(total.memory, overhead.memory) }
}

/// A line on what the pods of a node ask for.
pub(crate) fn of_node(name: &str, node: &Value) -> String {
    let mut query = list_all_of(kind("pods"), None, &FIELDS);
    query.field_selector = Some(format!("spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed"));
    let read = kube_read::list_objects(&query).map_err(String::from);
    match read.and_then(|page| parsed::<Vec<Value>>(&page.items)) {
        Ok(pods) => {
            let sum =
                |list: &str| pods.iter().map(|pod| of_pod(pod, list)).fold(Amount::default(), Amount::plus);
            let allocatable = Amount::of(node.pointer("/status/allocatable"));
            let (requests, limits) = (sum("requests"), sum("limits"));
            format!(
                "its {} pods request {}; their limits: {}\n",
                pods.len(),
                requests.render(allocatable),
                limits.render(allocatable)
            )
        }
        Err(error) => format!("requests of its pods: not read ({error})\n"),
    }
}

/// Lines on the quotas and limit ranges of a namespace.
pub(crate) fn of_namespace(name: &str) -> String {
    let read = |plural: &str, fields: &[&str]| -> Result<Vec<Value>, String> {
        let page = kube_read::list_objects(&list_all_of(kind(plural), Some(name.to_owned()), fields))?;
        parsed(&page.items)
    };
    let title = |object: &Value| {
        object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let quotas = match read("resourcequotas", &["metadata.name", "status.hard", "status.used"]) {
        Ok(quotas) if quotas.is_empty() => "quotas: none\n".to_owned(),
        Ok(quotas) => {
            quotas.iter().map(|quota| format!("quota {}: {}\n", title(quota), used(quota))).collect()
        }
        Err(error) => format!("quotas: not read ({error})\n"),
    };
    let ranges = match read("limitranges", &["metadata.name"]) {
        Ok(ranges) if ranges.is_empty() => "limit ranges: none\n".to_owned(),
        Ok(ranges) => {
            format!("limit ranges: {}\n", ranges.iter().map(title).collect::<Vec<_>>().join(", "))
        }
        Err(error) => format!("limit ranges: not read ({error})\n"),
    };
    quotas + &ranges
}

/// `pods 3 of 10, requests.cpu 250m of 2`
fn used(quota: &Value) -> String {
    let hard = quota.pointer("/status/hard").and_then(Value::as_object);
    let amounts = hard.into_iter().flatten().map(|(resource, hard)| {
        let used = quota.pointer("/status/used").and_then(|used| used.get(resource));
        let [used, hard] = [used, Some(hard)].map(|amount| amount.and_then(Value::as_str).unwrap_or("0"));
        format!("{resource} {used} of {hard}")
    });
    let amounts: Vec<String> = amounts.collect();
    if amounts.is_empty() { "not counted yet".to_owned() } else { amounts.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_counted_as_the_scheduler_counts_it() {
        let asks =
            |cpu: &str, memory: &str| json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}});
        let mut sidecar = asks("100m", "10Mi");
        sidecar["restartPolicy"] = "Always".into();
        let mut pod = json!({"spec": {
            "containers": [asks("200m", "20Mi"), asks("50m", "0")],
            "initContainers": [asks("100m", "8Mi"), sidecar, asks("300m", "5Mi")],
            "overhead": {"cpu": "10m"},
        }});
        let counted = |pod: &Value, list: &str| of_pod(pod, list).render(Amount::default());
        // The init container beside the sidecar needs more CPU than the containers do later, and less memory.
        assert_eq!(counted(&pod, "requests"), "cpu 410m, memory 30Mi");
        assert_eq!(of_pod(&pod, "limits"), Amount::default());
        let limits = json!({"memory": "20Mi"});
        let mut limited = json!({"spec": {"containers": [{"resources": {"limits": limits}}], "overhead": {"cpu": "10m", "memory": "1Mi"}}});
        assert_eq!(counted(&limited, "limits"), "cpu 0m, memory 21Mi");
        limited["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1".into();
        assert_eq!(counted(&limited, "limits"), "cpu 1010m, memory 21Mi");
        pod["spec"]["resources"] = json!({"requests": {"cpu": "1"}});
        assert_eq!(counted(&pod, "requests"), "cpu 1010m, memory 30Mi");
        let all = Amount { cpu: 16.0, memory: 1024.0 * 1_048_576.0 };
        let some = Amount { cpu: 0.57 * 16.0, memory: 0.0 };
        assert_eq!(some.render(all), "cpu 9120m (57%), memory 0 (0%)");
    }

    #[test]
    fn a_quota_says_what_is_used_of_what() {
        let quota = json!({"status": {"hard": {"pods": "10", "requests.cpu": "2"}, "used": {"pods": "3"}}});
        assert_eq!(used(&quota), "pods 3 of 10, requests.cpu 0 of 2");
        assert_eq!(used(&json!({})), "not counted yet");
    }
}
