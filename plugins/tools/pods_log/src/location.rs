//! Namespace of a name that came without one.

use std::collections::BTreeSet;

use porthole_sdk::{ListEnd, list_pages, locate_preferred, pod::Metadata, prelude::*};

use crate::targets::{self, WORKLOADS};

/// Pods in a page of names, and pages.
const PAGE: u32 = 2000;
const PAGES: usize = 5;
/// Max pods that are listed where they are in several namespaces.
const MAX_LISTED: usize = 10;

/// The namespace of a pod or a workload, `web` or `deployment/web`, or else of the pods whose names begin with it.
pub(crate) fn of(name: &str) -> Result<String, Error> {
    let name = targets::bare(name);
    let Some((workload, name)) = name.split_once('/') else { return of_bare(name) };
    let kinds = [kind(if targets::is_cron_job(workload) { "cronjobs.batch" } else { workload })];
    let locations = locate_preferred(&kinds, name)?;
    let [kind] = &kinds;
    locations.only(name)?.map(str::to_owned).ok_or_else(|| locations.not_found(kind, name))
}

fn of_bare(name: &str) -> Result<String, Error> {
    let pods = kind("pods");
    let workloads = WORKLOADS.map(kind);
    let all: Vec<KindRef> = workloads.iter().cloned().chain([pods.clone()]).collect();
    // Together: whoever may make a pod of a workload's name must not be read in its place without a word.
    let locations = locate_preferred(&all, name)?;
    if let Some(namespace) = locations.only(name)? {
        return Ok(namespace.to_owned());
    }
    of_beginning(&pods, name)?.ok_or_else(|| locations.not_found(&pods, name))
}

/// The namespace of the pods whose names begin with `name`, if there are any.
fn of_beginning(pods: &KindRef, name: &str) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    struct Pod {
        metadata: Metadata,
    }
    let query = ListQuery {
        limit: Some(PAGE),
        ..list_all_of(pods.clone(), None, &["metadata.namespace", "metadata.name"])
    };
    let beginning = format!("{name}-");
    let mut meant: Vec<Metadata> = Vec::new();
    let ends = list_pages(
        &[query],
        |_| PAGES,
        |_, _, page| {
            let pods: Vec<Pod> = parsed(page)?;
            let names = pods.into_iter().map(|pod| pod.metadata);
            meant.extend(names.filter(|pod| pod.name.starts_with(&beginning)));
            Ok(())
        },
    );
    // Pods of other namespaces may be on pages that were not read.
    match ends.into_iter().next() {
        Some(Ok(ListEnd::Failed(error))) => return Err(error.into()),
        Some(Ok(ListEnd::PageLimit)) => {
            let read = PAGE as usize * PAGES;
            return Err(format!(
                "no pod or workload is named {name:?}, and there are more than the {read} pods that were searched for such a beginning: name the namespace, or the pod in full"
            )
            .into());
        }
        // What may not be listed is not meant.
        _ => {}
    }
    let namespaces: BTreeSet<&str> = meant.iter().map(|pod| pod.namespace.as_str()).collect();
    let preferred = call::preferred_namespace().filter(|preferred| namespaces.contains(preferred.as_str()));
    if preferred.is_some() || namespaces.len() < 2 {
        return Ok(preferred.or_else(|| namespaces.first().map(|namespace| (*namespace).to_owned())));
    }
    let listed = meant.iter().take(MAX_LISTED).map(|pod| format!("{}/{}", pod.namespace, pod.name));
    let listed = listed.collect::<Vec<_>>().join(", ");
    let more = meant.len().saturating_sub(MAX_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(format!(
        "pods that begin with {name:?} are in {} namespaces, and none of them was read. Ask again with one as namespace: {listed}{more}",
        namespaces.len()
    )
    .into())
}
