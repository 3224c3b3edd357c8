//! Columns of services, endpoints and ingresses.

use serde_json::Value;

use super::{
    Printer,
    cells::{NONE, age, items, labels, name, none_if_empty, number, or_none, selector, text},
};

/// Maximum number of addresses before `+ n more...`.
const MAX_ADDRESSES: usize = 3;

pub(super) const SERVICES: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Type", 0),
        ("Cluster-IP", 0),
        ("External-IP", 0),
        ("Port(s)", 0),
        ("Age", 0),
        ("Selector", 1),
    ],
    cells: |service, now| {
        let port = |port: &Value| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            match port["nodePort"].as_i64().filter(|port| *port > 0) {
                Some(node) => format!("{}:{node}/{protocol}", number(port, "/port")),
                None => format!("{}/{protocol}", number(port, "/port")),
            }
        };
        let ports: Vec<String> = items(service, "/spec/ports").map(port).collect();
        vec![
            name(service),
            text(service, "/spec/type").into(),
            or_none(service, "/spec/clusterIP"),
            external(service),
            none_if_empty(ports.join(",")),
            age(service, now),
            none_if_empty(labels(&service["spec"]["selector"])),
        ]
    },
};

pub(super) const ENDPOINTS: Printer = Printer {
    columns: &[("Name", 0), ("Endpoints", 0), ("Age", 0)],
    cells: |endpoints, now| {
        let mut addresses = Vec::new();
        for subset in items(endpoints, "/subsets") {
            for address in items(subset, "/addresses") {
                let ports: Vec<i64> = items(subset, "/ports").map(|port| number(port, "/port")).collect();
                let ip = text(address, "/ip");
                if ports.is_empty() {
                    addresses.push(ip.clone());
                }
                addresses.extend(ports.iter().map(|port| format!("{ip}:{port}")));
            }
        }
        vec![name(endpoints), some(&addresses, NONE), age(endpoints, now)]
    },
};

pub(super) const ENDPOINT_SLICES: Printer = Printer {
    columns: &[("Name", 0), ("AddressType", 0), ("Ports", 0), ("Endpoints", 0), ("Age", 0)],
    cells: |slice, now| {
        let ports: Vec<String> =
            items(slice, "/ports").map(|port| number(port, "/port").to_string()).collect();
        let addresses: Vec<String> = items(slice, "/endpoints")
            .flat_map(|endpoint| items(endpoint, "/addresses"))
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        vec![
            name(slice),
            text(slice, "/addressType").into(),
            if ports.is_empty() { "<unset>".into() } else { ports.join(",").into() },
            some(&addresses, "<unset>"),
            age(slice, now),
        ]
    },
};

pub(super) const INGRESSES: Printer = Printer {
    columns: &[("Name", 0), ("Class", 0), ("Hosts", 0), ("Address", 0), ("Ports", 0), ("Age", 0)],
    cells: |ingress, now| {
        let hosts: Vec<&str> =
            items(ingress, "/spec/rules").filter_map(|rule| rule["host"].as_str()).collect();
        let point = |point: &Value| {
            ["ip", "hostname"].iter().find_map(|field| point[field].as_str().map(str::to_owned))
        };
        let points: Vec<String> = items(ingress, "/status/loadBalancer/ingress").filter_map(point).collect();
        let tls = items(ingress, "/spec/tls").next().is_some();
        vec![
            name(ingress),
            or_none(ingress, "/spec/ingressClassName"),
            if hosts.is_empty() { "*".into() } else { hosts.join(",").into() },
            points.join(",").into(),
            if tls { "80, 443" } else { "80" }.into(),
            age(ingress, now),
        ]
    },
};

pub(super) const NETWORK_POLICIES: Printer = Printer {
    columns: &[("Name", 0), ("Pod-Selector", 0), ("Age", 0)],
    cells: |policy, now| vec![name(policy), selector(&policy["spec"]["podSelector"]), age(policy, now)],
};

/// External addresses, like `getServiceExternalIP`.
fn external(service: &Value) -> Value {
    let given =
        || items(service, "/spec/externalIPs").filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    match service["spec"]["type"].as_str() {
        Some("ExternalName") => text(service, "/spec/externalName").into(),
        Some("LoadBalancer") => {
            let points = items(service, "/status/loadBalancer/ingress");
            let point =
                |point: &Value| point["ip"].as_str().or(point["hostname"].as_str()).map(str::to_owned);
            let mut all: Vec<String> = points.filter_map(point).collect();
            all.extend(Some(given()).filter(|given| !given.is_empty()));
            if all.is_empty() { "<pending>".into() } else { all.join(",").into() }
        }
        _ => none_if_empty(given()),
    }
}

fn some(addresses: &[String], nothing: &str) -> Value {
    let shown: Vec<&str> = addresses.iter().take(MAX_ADDRESSES).map(String::as_str).collect();
    match addresses.len() {
        0 => nothing.into(),
        all if all > MAX_ADDRESSES => format!("{} + {} more...", shown.join(","), all - MAX_ADDRESSES).into(),
        _ => shown.join(",").into(),
    }
}
