//! Requests and limits of pods, summed as the scheduler and quotas do.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    object::{list, map, text},
    quantity,
};

/// Thousandths of each resource.
pub type Demand = BTreeMap<String, i128>;

/// Requests and limits of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Resources that are kept free for them.
    Requests,
    /// Resources that they may use at most.
    Limits,
}

impl Bound {
    /// The name of its field.
    pub fn field(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Limits => "limits",
        }
    }
}

/// The demand of a container. A request that is not given is its limit, as the API server has it.
pub fn of_container(container: &Value, bound: Bound) -> Demand {
    let read = |field: &str| {
        let fields = map(container.pointer(&format!("/resources/{field}"))).into_iter();
        let numbers = fields.filter_map(|(name, value)| Some((name.to_owned(), quantity::parse(value)?)));
        numbers.collect::<Demand>()
    };
    match bound {
        Bound::Limits => read("limits"),
        Bound::Requests => {
            let mut demand = read("limits");
            demand.extend(read("requests"));
            demand
        }
    }
}

/// The demand of a pod of a spec in all: its containers together, or the largest of those that initialize it.
pub fn of_spec(spec: &Value, bound: Bound) -> Demand {
    let mut total = Demand::new();
    for container in list(spec, "/containers") {
        add(&mut total, &of_container(container, bound));
    }
    let (mut sidecars, mut peak) = (Demand::new(), Demand::new());
    for container in list(spec, "/initContainers") {
        let mut now = sidecars.clone();
        add(&mut now, &of_container(container, bound));
        for (name, value) in &now {
            let before = peak.entry(name.clone()).or_default();
            *before = (*before).max(*value);
        }
        // One that is restarted stays beside all that come after it.
        if text(container, "/restartPolicy") == "Always" {
            sidecars = now;
        }
    }
    add(&mut total, &sidecars);
    for (name, value) in peak {
        let sum = total.entry(name).or_default();
        *sum = (*sum).max(value);
    }
    // Resources of the pod as a whole replace the sum.
    total.extend(of_container(spec, bound));
    let overhead = map(spec.pointer("/overhead")).into_iter();
    let overhead = overhead.filter_map(|(name, value)| Some((name.to_owned(), quantity::parse(value)?)));
    add(&mut total, &overhead.collect());
    total
}

/// Adds one demand to another.
pub fn add(total: &mut Demand, more: &Demand) {
    for (name, value) in more {
        *total.entry(name.clone()).or_default() += value;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_asks_for_its_containers_or_for_the_largest_that_initializes_it() {
        let asks = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = asks("100m");
        sidecar["restartPolicy"] = "Always".into();
        let spec = json!({"containers": [asks("200m"), asks("300m")], "initContainers": [sidecar, asks("2")],
            "overhead": {"cpu": "10m"}});
        assert_eq!(of_spec(&spec, Bound::Requests).get("cpu"), Some(&2110));
        let spec = json!({"containers": [{"resources": {"limits": {"cpu": "1"}}}]});
        assert_eq!(of_spec(&spec, Bound::Requests).get("cpu"), Some(&1000));
        let spec = json!({"containers": [asks("1")], "resources": {"requests": {"cpu": "4"}}});
        assert_eq!(of_spec(&spec, Bound::Requests).get("cpu"), Some(&4000));
    }

    #[test]
    fn limits_are_summed_without_requests_and_sidecars_stay_beside_containers() {
        let bounds = |request: &str, limit: &str| json!({"resources": {"requests": {"memory": request}, "limits": {"memory": limit}}});
        let mut sidecar = bounds("1", "10");
        sidecar["restartPolicy"] = "Always".into();
        let spec = json!({"containers": [bounds("2", "20"), bounds("3", "30")], "initContainers": [sidecar, bounds("1", "2")]});
        assert_eq!(of_spec(&spec, Bound::Requests).get("memory"), Some(&6000));
        assert_eq!(of_spec(&spec, Bound::Limits).get("memory"), Some(&60_000));
        assert_eq!((Bound::Requests.field(), Bound::Limits.field()), ("requests", "limits"));
    }

    #[test]
    fn an_init_container_counts_with_the_sidecars_before_it_only() {
        let asks = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = asks("500m");
        sidecar["restartPolicy"] = "Always".into();
        let spec = json!({"containers": [asks("100m")], "initContainers": [asks("2"), sidecar]});
        assert_eq!(of_spec(&spec, Bound::Requests).get("cpu"), Some(&2000));
    }
}
