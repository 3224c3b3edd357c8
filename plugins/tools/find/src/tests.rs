//! Searches of large clusters, which count what the API server sends for them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use porthole_sdk::{
    ListEnd,
    kube_read::{ListQuery, ReadError, Reason, View},
};
use serde_json::{Value, json};

use crate::{
    answer,
    kinds::{KINDS, Searchable},
    search::Search,
    source::{Source, Take},
};

/// Defaults of the limits `readBytes` and `reads`.
const LIMITS: (usize, usize) = (32 << 20, 256);
/// Namespaces that objects are in by turns.
const NAMESPACES: usize = 5;
/// Bytes of the metadata of a row's object.
const METADATA: usize = 1500;

/// A page, and the first object of the next one.
type Page = Result<(String, Option<usize>), ReadError>;

/// A cluster of so many objects of each resource.
struct Cluster {
    counts: BTreeMap<&'static str, usize>,
    /// Bytes and number of reads that a call may make.
    limits: (usize, usize),
    bytes: usize,
    reads: usize,
    /// True once a read was refused for a limit.
    is_over: bool,
}

impl Cluster {
    fn of(counts: &[(&'static str, usize)]) -> Self {
        let counts = counts.iter().copied().collect();
        Self { counts, limits: LIMITS, bytes: 0, reads: 0, is_over: false }
    }

    /// The answer to a question of all namespaces.
    fn ask(&mut self, query: &str) -> String {
        self.ask_within(query, None)
    }

    /// The answer, without the padding of its columns.
    fn ask_within(&mut self, query: &str, namespace: Option<&str>) -> String {
        let wanted: Vec<&'static Searchable> = KINDS.iter().collect();
        let found = Search::new(query, namespace, self).run(&wanted);
        let answer = answer::text(&found, query, wanted.len(), 32 << 10);
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        answer.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The objects of a name, which ends with their number; of each namespace one has the name `shared`.
    fn named(&self, name: &str) -> Vec<usize> {
        match name {
            "shared" => (0..NAMESPACES).collect(),
            _ => name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).into_iter().collect(),
        }
    }

    /// A page from some object on.
    fn page(&mut self, query: &ListQuery, from: usize) -> Page {
        let count = self.counts.get(query.kind.kind.as_str()).copied().unwrap_or(0);
        let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
        let is_within =
            |number: &usize| query.namespace.as_ref().is_none_or(|name| *name == namespace(*number));
        let page: Vec<usize> = match &query.field_selector {
            Some(selector) => self.named(selector.strip_prefix("metadata.name=").unwrap()),
            None => (from..count).filter(is_within).take(limit).collect(),
        };
        let next = page.last().map_or(count, |last| last + 1);
        let is_last = query.field_selector.is_some() || !(next..count).any(|number| is_within(&number));
        let resource = query.kind.kind.as_str();
        let (items, hidden) = match &query.view {
            View::Outline => (table(resource, &page, false), 16),
            View::Table => (table(resource, &page, query.namespace.is_none()), METADATA),
            // The host leaves most of an object out.
            _ => {
                let size = KINDS.iter().find(|known| known.kind.resource() == resource).unwrap().bytes;
                (Value::from_iter(page.iter().map(|number| object(resource, *number))), size)
            }
        };
        let items = items.to_string();
        self.reads += 1;
        self.bytes += items.len() + hidden * page.len();
        let over = [
            (self.bytes > self.limits.0, Reason::OverBytes),
            (self.reads > self.limits.1, Reason::OverReads),
        ];
        if let Some((_, reason)) = over.into_iter().find(|(is_over, _)| *is_over) {
            self.is_over = true;
            return Err(ReadError { reason, message: "its limit".to_owned(), retry_after_seconds: None });
        }
        Ok((items, (!is_last).then_some(next)))
    }
}

impl Source for Cluster {
    fn pages(
        &mut self,
        queries: &[ListQuery],
        max_pages: usize,
        take: &mut Take<'_>,
    ) -> Vec<Result<ListEnd, ReadError>> {
        let firsts: Vec<_> = queries.iter().map(|query| self.page(query, 0)).collect();
        let mut list = |(number, (query, first)): (usize, (&ListQuery, Page))| {
            let mut page = first?;
            for _ in 0..max_pages {
                let failed =
                    |message| ReadError { reason: Reason::Other, message, retry_after_seconds: None };
                take(number, query.namespace.as_deref(), &page.0).map_err(failed)?;
                let Some(next) = page.1 else { return Ok(ListEnd::Whole) };
                page = match self.page(query, next) {
                    Ok(page) => page,
                    Err(error) => return Ok(ListEnd::Failed(error)),
                };
            }
            Ok(ListEnd::PageLimit)
        };
        queries.iter().zip(firsts).enumerate().map(&mut list).collect()
    }
}

fn namespace(number: usize) -> String {
    format!("load-{}", number % NAMESPACES + 1)
}

fn name(resource: &str, number: usize) -> String {
    match resource {
        "configmaps" if number < NAMESPACES => "shared".to_owned(),
        "namespaces" => namespace(number),
        "pods" => format!("app-{}-{number:05}", number % 40),
        _ => format!("{}-{number:05}", resource.split('.').next().unwrap_or_default()),
    }
}

fn ip(number: usize) -> String {
    format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255)
}

/// A table with the columns of pods, and the images of workloads.
fn table(resource: &str, page: &[usize], with_namespace: bool) -> Value {
    let titles = ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Desired", "Images"];
    let row = |number: &usize| {
        let mut cells = vec![
            Value::from(name(resource, *number)),
            if resource == "replicasets.apps" { 2.into() } else { "2/2".into() },
            "Running".into(),
            "0".into(),
            "5d".into(),
            ip(*number).into(),
            format!("node-{}.example.internal", number % 40).into(),
            2.into(),
            format!("registry.example.com/team/app-{}:1.4.2", number % 40).into(),
        ];
        if with_namespace {
            cells.insert(0, namespace(*number).into());
        }
        json!({"cells": cells})
    };
    let titles = with_namespace.then_some("Namespace").into_iter().chain(titles);
    let columns: Value = titles.map(|name| json!({"name": name})).collect();
    let rows: Value = page.iter().map(row).collect();
    json!({"columnDefinitions": columns, "rows": rows})
}

fn object(resource: &str, number: usize) -> Value {
    json!({"metadata": {"name": name(resource, number), "namespace": namespace(number), "labels": {"team": format!("team-{number}")}}})
}

/// Fifty thousand pods and what runs them.
fn large() -> Cluster {
    Cluster::of(&[
        ("pods", 50_000),
        ("deployments.apps", 500),
        ("replicasets.apps", 10_000),
        ("services", 1_000),
        ("configmaps", 4_000),
        ("nodes", 400),
        ("namespaces", 40),
    ])
}

#[test]
fn a_name_among_fifty_thousand_pods_is_found_with_half_of_what_a_call_may_read() {
    let mut cluster = large();
    let answer = cluster.ask("app-1-05001");
    assert_eq!(
        answer,
        "KIND NAMESPACE NAME STATUS FOUND-IN\nPod load-2 app-1-05001 Running name\nsearched 14 of 14 kinds by name"
    );
    assert!(
        cluster.bytes < LIMITS.0 / 2 && cluster.reads < LIMITS.1 / 2,
        "{} {}",
        cluster.bytes,
        cluster.reads
    );
    // Of many only those that are shown are read again.
    let mut cluster = large();
    let answer = cluster.ask("app-7-");
    assert!(answer.contains("\nshown 40 of 1250; a longer query or a kind narrows it\n"), "{answer}");
    assert_eq!(answer.lines().filter(|line| line.starts_with("Pod load-3 app-7-")).count(), 40, "{answer}");
    assert!(cluster.bytes < LIMITS.0 / 2 && cluster.reads < LIMITS.1, "{} {}", cluster.bytes, cluster.reads);
}

/// The API server looks at every pod of the cluster for each name.
#[test]
fn the_namespaces_of_many_pods_are_read_in_few_reads() {
    let ask = |namespaces: usize| {
        let mut cluster = Cluster::of(&[("pods", 50_000), ("namespaces", namespaces)]);
        let answer = cluster.ask("app-7-");
        assert_eq!(
            answer.lines().filter(|line| line.starts_with("Pod load-3 app-7-")).count(),
            40,
            "{answer}"
        );
        assert!(!cluster.is_over && cluster.bytes < LIMITS.0 * 3 / 4, "{}", cluster.bytes);
        cluster.reads
    };
    let by_name = ask(0);
    assert_eq!(ask(NAMESPACES), by_name - 40 + 2 * NAMESPACES, "two pages of each namespace");
}

/// Also in a cluster whose kinds are all too many, and with less than the defaults.
#[test]
fn no_search_comes_to_a_limit_of_reading() {
    let all = |count: usize| KINDS.iter().map(|known| (known.kind.resource(), count)).collect::<Vec<_>>();
    for (count, words) in [(200_000, ["pods", "team-199999"]), (12_000, ["no-such-word", "10.0.0.7"])] {
        for word in words {
            let mut cluster = Cluster::of(&all(count));
            let answer = cluster.ask(word);
            assert!(!cluster.is_over, "{word}: {} bytes, {} reads: {answer}", cluster.bytes, cluster.reads);
            let what = ["in part: ", "too many to search their labels and annotations: "];
            let is_said = what.iter().any(|what| answer.contains(what));
            assert!(is_said && answer.contains("give a namespace"), "{answer}");
        }
    }
    let mut cluster = large();
    cluster.limits = (3 << 20, 40);
    let answer = cluster.ask("deployments-00007");
    assert!(answer.contains("Deployment ? deployments-00007"), "{answer}");
    assert!(answer.contains("; in part: Pod (its first ") && answer.contains("; ?: a namespace"), "{answer}");
}

#[test]
fn kinds_with_few_objects_are_searched_whole_beside_a_million_pods() {
    let mut cluster = Cluster::of(&[("pods", 1_000_000), ("services", 300)]);
    let answer = cluster.ask("services-00299");
    assert!(answer.contains("Service load-5 services-00299"), "{answer}");
    let (_, part) = answer.split_once("in part: Pod (its first ").unwrap();
    let read: usize = part.split_once(')').unwrap().0.parse().unwrap();
    assert!(read > 50_000 && part.ends_with(": give a namespace"), "{answer}");
    // In a namespace there is less to read.
    assert!(!Cluster::of(&[("pods", 200_000)]).ask_within("app-", Some("load-1")).contains("in part"));
}

#[test]
fn ips_and_images_are_found_without_the_objects_and_labels_as_far_as_they_fit() {
    let mut cluster = large();
    let answer = cluster.ask("10.0.195.79");
    assert!(answer.contains("Pod load-5 app-39-49999 Running ip 10.0.195.79\n"), "{answer}");
    assert!(answer.contains("too many to search their labels and annotations: ConfigMap (4000), ReplicaSet (10000): give a namespace"), "{answer}");
    assert!(!cluster.is_over && cluster.bytes < LIMITS.0 * 3 / 4, "{}", cluster.bytes);
    let answer = large().ask("team-499");
    assert!(answer.contains("Deployment load-5 deployments-00499 label team=team-499\n"), "{answer}");
    assert!(answer.contains("Service load-5 services-00499 label team=team-499\n"), "{answer}");
    // Labels of ReplicaSets are too many, their images are in the table.
    let answer = large().ask("team/app-39:1.4");
    assert!(answer.contains("ReplicaSet load-5 replicasets-00039"), "{answer}");
}

#[test]
fn objects_of_one_name_are_each_shown_with_their_namespace() {
    let mut cluster = large();
    let answer = cluster.ask("shared");
    for number in 1..=NAMESPACES {
        assert!(answer.contains(&format!("ConfigMap load-{number} shared")), "{answer}");
    }
    assert!(answer.ends_with("\nsearched 14 of 14 kinds by name"), "{answer}");
}

#[test]
fn names_like_a_misspelt_one_have_their_namespace() {
    let mut cluster = Cluster::of(&[("configmaps", 5), ("pods", 3)]);
    let answer = cluster.ask("shraed");
    let alike = "names like it: ConfigMap load-1/shared, ConfigMap load-2/shared, ConfigMap load-3/shared\n";
    assert!(answer.contains(alike), "{answer}");
}
