//! Neighbours of an object: its owners, the objects that it reaches, its events and those of what it owns.

use porthole_sdk::{
    event::{self, Event},
    owned::{events_of, with_owned},
    pod::{self, Pod},
    prelude::*,
    selector,
};

use crate::{state, totals};

/// Max owners above an object: pod, ReplicaSet, Deployment, and perhaps a custom kind.
const MAX_OWNERS: usize = 4;
/// Max events, the newest.
const MAX_EVENTS: usize = 10;
/// Max events of the worst pod, where newer ones of others would leave no room for them.
const MAX_OF_WORST: usize = 3;
/// Max pods by name, those that are not well.
const MAX_PODS: usize = 5;

/// Identity of an object.
pub(crate) struct Identity {
    kind: String,
    api_version: String,
    namespace: Option<String>,
    name: String,
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
    let namespace = identity.namespace.clone();
    let mut worst = None;
    let is_core = identity.api_version == "v1";
    match (identity.kind.as_str(), object.pointer("/spec/selector").and_then(selector::text)) {
        ("Service", labels) => output.push_str(&endpoints(identity, labels)),
        (
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "ReplicationController",
            Some(labels),
        ) => {
            let pods = pods(namespace.clone(), Some(labels.clone()), None);
            output.push_str(&pods.text);
            if let Some(pod) = pods.worst {
                output.push_str(&state_of_worst(namespace, &pod));
                worst = Some(pod);
            }
        }
        ("Node", _) if is_core => {
            output.push_str(&pods(None, None, Some(format!("spec.nodeName={}", identity.name))).text);
            output.push_str(&totals::of_node(&identity.name, object));
        }
        ("Namespace", _) if is_core => output.push_str(&totals::of_namespace(&identity.name)),
        _ => {}
    }
    output.push_str(&events(identity, object, worst.as_deref()));
    output
}

/// Waiting messages and last ends of the containers of the worst pod.
fn state_of_worst(namespace: Option<String>, pod: &str) -> String {
    match get::<Value>(kind("pods"), namespace, pod, &["status"]) {
        Ok(object) => match state::troubles(&object).as_str() {
            "" => String::new(),
            troubles => format!("worst pod {pod}:\n{troubles}"),
        },
        Err(error) => format!("worst pod {pod}: not read ({error})\n"),
    }
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

/// Pods of a workload or a node.
struct Pods {
    text: String,
    /// The name of the one that is least well.
    worst: Option<String>,
}

/// The pods of a workload or a node: counts, and those that are not well, the worst first.
fn pods(namespace: Option<String>, labels: Option<String>, field_selector: Option<String>) -> Pods {
    let mut query = list_all_of(kind("pods"), namespace, pod::FIELDS);
    query.label_selector = labels;
    query.field_selector = field_selector;
    let read = kube_read::list_objects(&query)
        .map_err(String::from)
        .and_then(|page| parsed::<Vec<Pod>>(&page.items));
    let mut pods = match read {
        Ok(pods) => pods,
        Err(error) => return Pods { text: format!("pods: not read ({error})\n"), worst: None },
    };
    pods.sort_by_key(|pod| std::cmp::Reverse((pod.severity(), pod.restarts())));
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
    Pods { text: output, worst: unhealthy.first().map(|row| row.name.clone()) }
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
                    pods(identity.namespace.clone(), Some(labels.clone()), None).text
                )
            }
            None => "no ready endpoint, and no selector that could find pods\n".to_owned(),
        });
    }
    output
}

/// The newest events of the object and of what it owns; some of those of the worst pod in any case.
fn events(identity: &Identity, object: &Value, worst: Option<&str>) -> String {
    // Events of nodes and other kinds without a namespace are in "default".
    let namespace = identity.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let (objects, unread) = with_owned(object, &namespace);
    let unread: String = unread.iter().map(|unread| format!("events of its {unread}: not read\n")).collect();
    let events = match events_of(&objects, &namespace) {
        Ok(events) if events.is_empty() => return format!("events: none\n{unread}"),
        Ok(events) => events,
        Err(error) => return format!("events: not read ({error})\n{unread}"),
    };
    let mut of_worst = 0;
    let is_shown = |(index, event): &(usize, &Event)| {
        let is_of_worst = Some(event.involved().1) == worst;
        of_worst += usize::from(is_of_worst);
        *index < MAX_EVENTS || (is_of_worst && of_worst <= MAX_OF_WORST)
    };
    let shown: Vec<Row> = events.iter().enumerate().filter(is_shown).map(|(_, event)| event.row()).collect();
    // The object itself needs no name.
    let is_own = objects.len() == 1;
    let is_told = |at: usize| !is_own || event::HEADER.get(at) != Some(&"OBJECT");
    let titles = event::HEADER.into_iter().enumerate().filter(|(at, _)| is_told(*at));
    let mut table = Table::new(titles.map(|(_, title)| title));
    for row in &shown {
        table.row(row.cells.iter().enumerate().filter(|(at, _)| is_told(*at)).map(|(_, cell)| cell.clone()));
    }
    let newest =
        if events.len() > shown.len() { format!(", the newest {}", shown.len()) } else { String::new() };
    format!("events: {}{newest}\n{}{unread}", events.len(), table.fit(usize::MAX).0)
}
