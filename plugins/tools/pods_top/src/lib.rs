//! pods_top: what the pods use now.

use std::collections::BTreeMap;

use porthole_sdk::{
    ListEnd, TopArguments, list_pages, metrics_error,
    prelude::*,
    quantity::{millicores, parse, readable},
    tool,
};

#[derive(Arguments)]
struct Request {
    /// Only this pod.
    name: Option<String>,
    /// Only this namespace.
    namespace: Option<String>,
    /// All namespaces where no namespace is given; false: the default namespace.
    #[argument(default = true)]
    all_namespaces: bool,
    #[argument(flatten)]
    top: TopArguments,
}

#[derive(Deserialize)]
struct Usage {
    metadata: Metadata,
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
struct Container {
    name: String,
    #[serde(default)]
    usage: BTreeMap<String, String>,
}

/// The pod of a name, in the namespace that is given or wherever it is; and where it was looked for, if not everywhere.
fn of_name(query: &ListQuery) -> Result<(Vec<Usage>, Option<String>), Error> {
    let mut pods: Vec<Usage> = Vec::new();
    let mut ends = list_pages(
        std::slice::from_ref(query),
        |_| 1,
        |_, _, page| {
            pods.extend(parsed::<Vec<Usage>>(page)?);
            Ok(())
        },
    );
    let place = match ends.pop().ok_or("no answer")?.map_err(metrics_error)? {
        ListEnd::Namespaces(read) => Some(format!(" in {}", read.join(", "))),
        _ => query.namespace.as_ref().map(|namespace| format!(" in namespace {namespace}")),
    };
    Ok((pods, place))
}

/// CPU and memory that containers use now, highest first, with the total. Needs metrics-server in the cluster.
#[tool(title = "What pods use", reads(list("metrics.k8s.io": "pods")))]
fn pods_top(request: Request) -> Answer {
    let Request { name, namespace, all_namespaces, top } = request;
    let namespace = match namespace {
        None if name.is_none() && !all_namespaces => Some(call::default_namespace()),
        other => other,
    };
    let fields = ["metadata.name", "metadata.namespace", "containers[].name", "containers[].usage"];
    let mut query = top.narrow(list_all_of(kind("pods"), namespace.clone(), &fields), name.as_deref());
    query.kind.api_version = Some("metrics.k8s.io/v1beta1".to_owned());
    let (pods, place) = match name {
        Some(_) => of_name(&query)?,
        None => {
            let page = kube_read::list_objects(&query).map_err(metrics_error)?;
            (parsed(&page.items)?, namespace.map(|namespace| format!(" in namespace {namespace}")))
        }
    };
    if pods.is_empty() {
        let place = place.unwrap_or_default();
        return text(format!(
            "No metrics of such pods{place} yet; they come a minute after a pod has started."
        ));
    }
    let (mut cpu, mut memory) = (0.0, 0.0);
    let mut rows = Vec::new();
    for pod in &pods {
        for container in &pod.containers {
            let used =
                |what: &str| container.usage.get(what).and_then(|quantity| parse(quantity)).unwrap_or(0.0);
            cpu += used("cpu");
            memory += used("memory");
            let cells = vec![
                pod.metadata.namespace.clone(),
                pod.metadata.name.clone(),
                container.name.clone(),
                millicores(used("cpu")),
                readable(used("memory")),
            ];
            rows.push((used("cpu"), used("memory"), cells));
        }
    }
    let header = ["NAMESPACE", "POD", "NAME", "CPU(cores)", "MEMORY(bytes)"];
    let mut answer = top.table(header, rows, "containers", "namespace, name or labelSelector");
    answer.push_str(&format!("total: {} {}\n", millicores(cpu), readable(memory)));
    text(answer)
}
