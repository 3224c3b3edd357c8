//! Neighbours of an object: its owners, the objects that it reaches, its events.

use porthole_sdk::{
    event::{self, Event},
    pod::{self, Pod},
    prelude::*,
    selector,
};

/// Max owners above an object: pod, ReplicaSet, Deployment, and perhaps a custom kind.
const MAX_OWNERS: usize = 4;
/// Max events, the newest.
const MAX_EVENTS: usize = 10;
/// Max pods by name, those that are not well.
const MAX_PODS: usize = 5;

/// Identity of an object.
pub(crate) struct Identity {
    kind: String,
    api_version: String,
    namespace: Option<String>,
    name: String,
    uid: String,
    created: String,
}

impl Identity {
    pub(crate) fn of(object: &Value) -> Self {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            kind: text("/kind"),
            api_version: text("/apiVersion"),
            namespace: Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty()),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            created: text("/metadata/creationTimestamp"),
        }
    }

    /// `Deployment shop/web (apps/v1), 60d old`
    pub(crate) fn title(&self) -> String {
        let place = self.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        format!("{} {place}{} ({}), {} old\n", self.kind, self.name, self.api_version, age(&self.created))
    }
}

/// Renders the neighbours that the caller may see. Those that may not be read are reported as such, not as missing.
pub(crate) fn render(identity: &Identity, object: &Value) -> String {
    let mut output = owners(identity, object);
    match (identity.kind.as_str(), object.pointer("/spec/selector").and_then(selector::text)) {
        ("Service", labels) => output.push_str(&endpoints(identity, labels)),
        (
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "ReplicationController",
            Some(labels),
        ) => {
            output.push_str(&pods(identity.namespace.clone(), Some(labels.clone()), None));
        }
        ("Node", _) => {
            output.push_str(&pods(None, None, Some(format!("spec.nodeName={}", identity.name))));
        }
        _ => {}
    }
    output.push_str(&events(identity));
    output
}

fn owners(identity: &Identity, object: &Value) -> String {
    let mut chain = Vec::new();
    let mut owner = controller(object);
    while let Some((kind, api_version, name)) = owner.take() {
        if chain.len() >= MAX_OWNERS {
            chain.push("more owners, not read".to_owned());
            break;
        }
        let named = format!("{kind} {name}");
        let reference = KindRef { kind, api_version: Some(api_version) };
        match get::<Value>(reference, identity.namespace.clone(), &name, &["metadata.ownerReferences"]) {
            Ok(above) => {
                chain.push(named);
                owner = controller(&above);
            }
            // It may have owners itself, so the chain must not look as if it ended here.
            Err(error) => chain.push(format!("{named} (not read: {error})")),
        }
    }
    if chain.is_empty() { String::new() } else { format!("owned by: {}\n", chain.join(" < ")) }
}

fn controller(object: &Value) -> Option<(String, String, String)> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner =
        owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true))).or(owners.first())?;
    let text = |key: &str| owner.get(key).and_then(Value::as_str).map(str::to_owned);
    Some((text("kind")?, text("apiVersion")?, text("name")?))
}

/// The pods of a workload or a node: counts, and those that are not well.
fn pods(namespace: Option<String>, labels: Option<String>, field_selector: Option<String>) -> String {
    let mut query = list_all_of(kind("pods"), namespace, pod::FIELDS);
    query.label_selector = labels;
    query.field_selector = field_selector;
    let read = kube_read::list_objects(&query)
        .map_err(String::from)
        .and_then(|page| parsed::<Vec<Pod>>(&page.items));
    let pods = match read {
        Ok(pods) => pods,
        Err(error) => return format!("pods: not read ({error})\n"),
    };
    let rows: Vec<Row> = pods.iter().map(Pod::row).collect();
    let unhealthy: Vec<&Row> = rows.iter().filter(|row| !row.healthy).collect();
    let mut output = format!("pods: {}, {} not well\n", rows.len(), unhealthy.len());
    let mut table = Table::new(pod::HEADER);
    let rest = unhealthy.len().saturating_sub(MAX_PODS);
    unhealthy.iter().take(MAX_PODS).for_each(|row| table.row(row.cells.iter().cloned()));
    if !table.is_empty() {
        output.push_str(&table.fit(usize::MAX).0);
    }
    if rest > 0 {
        output.push_str(&format!("… and {rest} more not well\n"));
    }
    output
}

/// Endpoints of a Service.
fn endpoints(identity: &Identity, labels: Option<String>) -> String {
    #[derive(Deserialize)]
    struct Slice {
        #[serde(default)]
        endpoints: Vec<Endpoint>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Endpoint {
        #[serde(default)]
        addresses: Vec<String>,
        #[serde(default)]
        conditions: Conditions,
        #[serde(default)]
        target_ref: Option<Target>,
    }
    #[derive(Deserialize, Default)]
    struct Conditions {
        ready: Option<bool>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let mut query =
        list_all_of(kind("endpointslices.discovery.k8s.io"), identity.namespace.clone(), &["endpoints"]);
    query.label_selector = Some(format!("kubernetes.io/service-name={}", identity.name));
    let read = kube_read::list_objects(&query)
        .map_err(String::from)
        .and_then(|page| parsed::<Vec<Slice>>(&page.items));
    let slices = match read {
        Ok(slices) => slices,
        Err(error) => return format!("endpoints: not read ({error})\n"),
    };
    let all: Vec<&Endpoint> = slices.iter().flat_map(|slice| &slice.endpoints).collect();
    // Unset means ready (discovery/v1).
    let (ready, not): (Vec<&Endpoint>, Vec<&Endpoint>) =
        all.iter().partition(|endpoint| endpoint.conditions.ready.unwrap_or(true));
    let names = |some: &[&Endpoint]| {
        let named = some.iter().take(MAX_PODS).map(|endpoint| match &endpoint.target_ref {
            Some(target) => target.name.clone(),
            None => endpoint.addresses.join(","),
        });
        let mut named: Vec<String> = named.collect();
        let rest = some.len().saturating_sub(MAX_PODS);
        if rest > 0 {
            named.push(format!("… and {rest} more"));
        }
        if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
    };
    let mut output = format!(
        "endpoints: {} ready{}, {} not ready{}\n",
        ready.len(),
        names(&ready),
        not.len(),
        names(&not)
    );
    if ready.is_empty() {
        output.push_str(&match labels {
            Some(labels) => {
                format!(
                    "no ready endpoint: it reaches no pod. Selector {labels}:\n{}",
                    pods(identity.namespace.clone(), Some(labels.clone()), None)
                )
            }
            None => "no ready endpoint, and no selector that could find pods\n".to_owned(),
        });
    }
    output
}

fn events(identity: &Identity) -> String {
    let reference = KindRef { kind: "events".to_owned(), api_version: Some("v1".to_owned()) };
    // Events of nodes and other kinds without a namespace are in "default".
    let namespace = identity.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let fields: Vec<&str> = event::FIELDS.iter().copied().chain(["involvedObject.uid"]).collect();
    let mut query = list_all_of(reference, Some(namespace), &fields);
    query.field_selector =
        Some(format!("involvedObject.kind={},involvedObject.name={}", identity.kind, identity.name));
    let read = kube_read::list_objects(&query)
        .map_err(String::from)
        .and_then(|page| parsed::<Vec<Event>>(&page.items));
    let events = match read {
        Ok(events) => events,
        Err(error) => return format!("events: not read ({error})\n"),
    };
    // An older object of the same name may have left some. Kubelets write a node's name as its uid.
    let own = |event: &&Event| {
        let uid = event.involved_uid();
        uid.is_empty() || uid == identity.uid || uid == identity.name
    };
    let mut rows: Vec<Row> = events.iter().filter(own).map(Event::row).collect();
    if rows.is_empty() {
        return "events: none\n".to_owned();
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.time));
    let all = rows.len();
    let mut table = Table::new(event::HEADER.into_iter().filter(|title| *title != "OBJECT"));
    for row in rows.iter().take(MAX_EVENTS) {
        table.row(row.cells.iter().enumerate().filter(|(at, _)| *at != 3).map(|(_, cell)| cell.clone()));
    }
    let shown = if all > MAX_EVENTS { format!(", the newest {MAX_EVENTS}") } else { String::new() };
    format!("events: {all}{shown}\n{}", table.fit(usize::MAX).0)
}
