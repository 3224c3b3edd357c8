//! Pods of one workload that are unhealthy in the same way, as one row.

use super::Pod;
use crate::{Fold, Row};

/// Alike pods: of one controller, with the same status and reason, readiness and images. The row has the range of their
/// restarts and ages, and one of their names.
pub const FOLD: Fold<Pod> = Fold {
    alike: Pod::alike,
    severity: super::severity,
    cells,
    notice: "×n: so many pods of one workload with the same status, one of them named; sortBy=name lists each",
};

impl Pod {
    /// The key of alike pods, of which this is the row; empty without a controller, which a workload would be.
    fn alike(&self, row: &Row) -> String {
        let Some(owner) = self.metadata.owner_references.iter().find(|owner| owner.controller) else {
            return String::new();
        };
        let unscheduled =
            |condition: &&super::Condition| condition.r#type == "PodScheduled" && condition.status == "False";
        let reason =
            self.status.conditions.iter().find(unscheduled).map(|condition| condition.reason.as_str());
        let [_, ready, status, _, _, _, images] = row.cells.as_slice() else { return String::new() };
        // A separator that is in no name, or two different pods could be alike.
        [&owner.kind, &owner.name, &owner.uid, ready, status, reason.unwrap_or_default(), images]
            .map(|part| part.to_string())
            .join("\n")
    }
}

fn cells(rows: &[&Row]) -> Vec<String> {
    let (Some(first), Some(oldest), Some(newest)) =
        (rows.first(), rows.iter().min_by_key(|row| row.time), rows.iter().max_by_key(|row| row.time))
    else {
        return Vec::new();
    };
    let cell = |row: &Row, at: usize| row.cells.get(at).cloned().unwrap_or_default();
    let restarts = || rows.iter().map(|row| cell(row, 3).parse::<u64>().unwrap_or_default());
    let nodes: std::collections::BTreeSet<String> = rows.iter().map(|row| cell(row, 5)).collect();
    let mut cells = first.cells.clone();
    let changed = [
        (0, format!("{} ×{}", first.name, rows.len())),
        (
            3,
            range(
                restarts().min().unwrap_or_default().to_string(),
                restarts().max().unwrap_or_default().to_string(),
            ),
        ),
        (4, range(cell(newest, 4), cell(oldest, 4))),
        (
            5,
            match nodes.len() {
                1 => cell(first, 5),
                count => format!("{count} nodes"),
            },
        ),
    ];
    for (at, text) in changed {
        if let Some(cell) = cells.get_mut(at) {
            *cell = text;
        }
    }
    cells
}

fn range(from: String, to: String) -> String {
    if from == to { from } else { format!("{from}..{to}") }
}

#[cfg(test)]
mod tests {
    use porthole_lists::{List, ListRequest, Page, PageError, PageRequest, Pages};
    use serde_json::{Value, json};

    use super::*;
    use crate::pod::COLUMNS;

    fn pod(name: &str, owner: &str, restarts: u64, created: &str, node: &str) -> Pod {
        let json = format!(
            r#"{{"metadata":{{"name":"{name}","creationTimestamp":"{created}","ownerReferences":[{owner}]}},
            "spec":{{"nodeName":"{node}","containers":[{{"image":"web:1"}}]}},"status":{{"phase":"Running",
            "containerStatuses":[{{"restartCount":{restarts},"state":{{"waiting":{{"reason":"CrashLoopBackOff"}}}}}}]}}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_row_of_several_pods_has_their_ranges() {
        let owner = r#"{"kind":"ReplicaSet","name":"web-1","controller":true}"#;
        let pods = [
            pod("web-1-a", owner, 3, "2020-01-01T00:00:00Z", "n1"),
            pod("web-1-b", owner, 12, "2016-01-01T00:00:00Z", "n2"),
        ];
        let rows = pods.each_ref().map(Pod::row);
        let folded = cells(&rows.each_ref());
        let [name, ready, status, restarts, age, nodes, images] = folded.as_slice() else {
            panic!("{folded:?}")
        };
        assert_eq!(
            [name, ready, status, restarts, nodes, images],
            ["web-1-a ×2", "0/1", "CrashLoopBackOff", "3..12", "2 nodes", "web:1"]
        );
        assert!(age.contains("..") && age.ends_with('y'), "{age}");
        assert_eq!(key(&pods[0]), key(&pods[1]));
        let other = pod("web-2-a", &owner.replace("web-1", "web-2"), 3, "2020-01-01T00:00:00Z", "n1");
        assert_ne!(key(&pods[0]), key(&other));
        // A reference to an owner of that name does not make a pod one of its own.
        let forged = owner.replace(r#","controller""#, r#","uid":"other","controller""#);
        let forged = pod("web-1-c", &forged, 3, "2020-01-01T00:00:00Z", "n1");
        assert_ne!(key(&pods[0]), key(&forged));
        // The owner is no workload that keeps pods alike.
        let alone = pod("web", &owner.replace("true", "false"), 3, "2020-01-01T00:00:00Z", "n1");
        assert_eq!(key(&alone), "");
    }

    fn key(pod: &Pod) -> String {
        pod.alike(&pod.row())
    }

    /// A namespace as one page.
    struct Pods(Vec<Value>);

    impl Pages for Pods {
        type Error = Never;

        fn page(&mut self, _: &PageRequest) -> Result<Page, Never> {
            let items = Value::from(self.0.clone()).to_string();
            Ok(Page { items, continue_token: None, remaining: None, resource_version: "1".into() })
        }
    }

    #[derive(Debug)]
    struct Never;

    impl std::fmt::Display for Never {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Ok(())
        }
    }

    impl PageError for Never {
        fn is_limit(&self) -> bool {
            false
        }
    }

    /// A pod of a ReplicaSet, as `kubectl create deployment` makes it, that waits for this reason.
    fn waiting(namespace: &str, workload: &str, reason: &str, number: usize) -> Value {
        let owner =
            json!({"kind": "ReplicaSet", "name": format!("{workload}-7d9f6c5b48"), "controller": true});
        let status = match reason {
            "Pending" => json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}),
            _ => {
                json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason}}}]})
            }
        };
        json!({
            "metadata": {"name": format!("{workload}-7d9f6c5b48-{number:05}"), "namespace": namespace,
                "creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": [owner]},
            "spec": {"containers": [{"image": format!("registry.example.com/{namespace}/{workload}:1.0.0")}]},
            "status": status,
        })
    }

    #[test]
    fn five_hundred_alike_pods_push_no_other_off_the_first_page() {
        let crowd = (0..500).map(|number| waiting("crowd", "batch", "Pending", number));
        let others = (0..40).map(|number| waiting("shop", &format!("web{number:02}"), "ErrImagePull", 0));
        let mut pods = Pods(crowd.chain(others).collect());
        let now = std::time::SystemTime::UNIX_EPOCH;
        let list = List { noun: "pods", namespace: None, can_narrow: true, budget: 32 << 10, now };
        let request = ListRequest::default();
        let each = list.rows(&request, &COLUMNS, &mut pods).unwrap();
        let folded = list.folded_rows(&request, &COLUMNS, &FOLD, &mut pods).unwrap();
        eprintln!("{} bytes with a row for each pod, {} folded", each.len(), folded.len());
        assert!(!each.contains("web00-"), "one workload fills the answer: {each}");
        let shown = (0..40).filter(|number| folded.contains(&format!("web{number:02}-7d9f6c5b48-00000  ")));
        assert_eq!(shown.count(), 40, "{folded}");
        assert!(folded.contains("batch-7d9f6c5b48-00000 ×500  0/1    Pending"), "{folded}");
        assert!(
            folded.starts_with("540 pods: 500 Pending, 40 ErrImagePull\n×n: ")
                && !folded.contains("continue="),
            "{folded}"
        );
        assert!(folded.find("batch-") > folded.find("web39-"), "the worst first: {folded}");
        assert!(folded.len() < 6000, "{} bytes", folded.len());
        // A request for the objects themselves shows each of them.
        for (filter, sort_by) in [(Some("status.phase=Pending"), None), (None, Some("name"))] {
            let (filter, sort_by) = (filter.map(str::to_owned), sort_by.map(str::to_owned));
            let request = ListRequest { filter, sort_by, ..ListRequest::default() };
            let each = list.folded_rows(&request, &COLUMNS, &FOLD, &mut pods).unwrap();
            assert!(!each.contains('×') && each.contains("batch-7d9f6c5b48-00001"), "{each}");
        }
    }
}
