//! helm_list: what Helm has installed. The host opens Helm's Secrets; what arrives here holds no values.

use porthole_sdk::{prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Default: all namespaces
    namespace: Option<String>,
    /// false: only the default namespace
    #[argument(default = true)]
    all_namespaces: bool,
}

/// Helm releases in their newest revision: status, chart, versions, last change; those not deployed first. Needs
/// the right to list Secrets; their values are never shown.
#[tool(title = "List Helm releases", reads(list("helm.sh": "releases")))]
fn helm_list(request: Request) -> Answer {
    let namespace = match request.namespace {
        None if !request.all_namespaces => Some(call::default_namespace()),
        other => other,
    };
    let mut releases = kube_read::releases(namespace.as_deref())?;
    if releases.is_empty() {
        let place = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        return text(format!("No Helm releases found{place}."));
    }
    releases.sort_by_key(|release| release.status == "deployed");
    let failing = releases.iter().filter(|release| release.status != "deployed").count();
    let mut table =
        Table::new(["NAMESPACE", "NAME", "REVISION", "STATUS", "CHART", "APP-VERSION", "UPDATED"]);
    for release in &releases {
        let chart = match release.chart.as_str() {
            "" => String::new(),
            chart => format!("{chart}-{}", release.chart_version),
        };
        table.row([
            release.namespace.clone(),
            release.name.clone(),
            release.revision.to_string(),
            release.status.clone(),
            chart,
            release.app_version.clone(),
            relative_time(&release.updated),
        ]);
    }
    let head = format!("{} releases: {} deployed, {failing} not\n", releases.len(), releases.len() - failing);
    let (rows, shown) = table.fit((call::output_budget() as usize).saturating_sub(head.len() + 100));
    let notice = match shown < releases.len() {
        true => format!("shown {shown} of {}; narrow with namespace\n", releases.len()),
        false => String::new(),
    };
    text(head + &rows + &notice)
}

/// Age of a timestamp; the day itself if it is a local time with an offset, which Helm writes and `age` does not parse.
fn relative_time(updated: &str) -> String {
    match age(updated) {
        age if age.is_empty() => updated.get(..19).unwrap_or(updated).replace('T', " "),
        age => format!("{age} ago"),
    }
}
