//! curious: asks every question of the contract, and shows the answers as they come.

use porthole_sdk::{
    kube_read::{AccessQuery, ChangesQuery, LogSearch, LogSource, NodeQuery, NodeSource},
    prelude::*,
    tool,
};

#[derive(Arguments)]
struct Request {
    /// What to ask.
    what: String,
}

const SHOP: &str = "shop";

fn secret(view: View) -> GetQuery {
    GetQuery { kind: kind("secrets"), namespace: Some(SHOP.into()), name: "cart-db".into(), view }
}

fn pod(name: &str) -> GetQuery {
    let view = View::Fields(vec!["metadata.name".into()]);
    GetQuery { kind: kind("Pod"), namespace: Some(SHOP.into()), name: name.into(), view }
}

fn shown<T: std::fmt::Debug>(answers: Vec<Result<T, ReadError>>) -> Answer {
    text(format!("{answers:?}"))
}

/// Asks every question of the contract.
#[tool(title = "Curious", reads(get_list("pods", "pods/log", "secrets", "configmaps")))]
fn curious(request: Request) -> Answer {
    match request.what.as_str() {
        "secret-whole" => text(kube_read::get_object(&secret(View::Whole))?),
        "secret-fields" => {
            let fields = ["data.password", "metadata.annotations", "stringData"].map(str::to_owned).to_vec();
            text(kube_read::get_object(&secret(View::Fields(fields)))?)
        }
        "secret-table" => text(kube_read::get_object(&secret(View::Table))?),
        "secret-list" => {
            text(kube_read::list_objects(&list_all_of(kind("secrets"), Some(SHOP.into()), &[]))?.items)
        }
        "get-all" => shown(kube_read::get_all(&[
            pod("web-6d4f9c7b8d-k8pq2"),
            pod("nope"),
            pod("cart-5b8f7d9c64-mz7wl"),
        ])),
        "get-too-many" => shown(kube_read::get_all(&vec![pod("web-6d4f9c7b8d-k8pq2"); 65])),
        "list-all" => {
            let names = |namespace: &str| list_all_of(kind("po"), Some(namespace.into()), &["metadata.name"]);
            shown(kube_read::list_all(&[names(SHOP), names("payments")]))
        }
        "pod-logs" => {
            let grep = LogQuery {
                pattern: Some("pan[i]c: dial".into()),
                previous: true,
                context_lines: 1,
                ..log("cart-5b8f7d9c64-mz7wl")
            };
            let short = LogQuery { limit_bytes: Some(12), ..log("web-6d4f9c7b8d-k8pq2") };
            let stamped = LogQuery { timestamps: true, tail_lines: Some(1), ..log("web-6d4f9c7b8d-k8pq2") };
            shown(kube_read::pod_logs(&[grep, short, stamped, log("nope")]))
        }
        "search-logs" => {
            let search = |pod: &str| LogSearch {
                source: LogSource {
                    namespace: SHOP.into(),
                    pod: pod.into(),
                    container: pod.split('-').next().map(Into::into),
                    previous: false,
                    tail_lines: None,
                    since_seconds: None,
                    since_time: None,
                },
                until_time: None,
                include: Some("info +get / ".into()),
                exclude: Some("warn".into()),
                ignore_case: true,
                first: 1,
                last: 1,
                context_lines: 0,
                timestamps: false,
                fold: true,
                line_bytes: None,
                limit_bytes: None,
                read_limit: None,
            };
            let one = kube_read::search_log(&search("web-6d4f9c7b8d-k8pq2"))?;
            text(format!("{one:?} {:?}", kube_read::search_logs(&[search("nope")])))
        }
        "open-log" => {
            let source = || LogSource {
                namespace: SHOP.into(),
                pod: "web-6d4f9c7b8d-k8pq2".into(),
                container: None,
                previous: false,
                tail_lines: Some(2),
                since_seconds: None,
                since_time: None,
            };
            let opened: Vec<_> = (0..9).map(|_| kube_read::open_log(&source())).collect();
            let refused = opened.iter().filter(|opened| opened.is_err()).count();
            let first = opened.into_iter().next().ok_or("none")??;
            let (piece, after) = (first.next(u32::MAX)?, first.next(u32::MAX)?);
            text(format!("{refused} refused; {piece:?} {after:?}"))
        }
        "bad-pattern" => text(
            kube_read::pod_log(&LogQuery { pattern: Some("(".into()), ..log("web-6d4f9c7b8d-k8pq2") })?.text,
        ),
        "vast-fields" => {
            let paths = ["a.".repeat(1_000_000), "\u{1}".repeat(2_000_000)];
            let list = |path: &String| {
                kube_read::list_objects(&list_all_of(kind("pods"), Some(SHOP.into()), &[path]))
                    .map(|page| page.items)
            };
            shown(paths.iter().cycle().take(8).map(list).collect())
        }
        "kinds" => {
            let kinds = kube_read::kinds()?;
            let deployment =
                kinds.iter().find(|kind| kind.plural == "deployments").ok_or("no deployments")?;
            text(format!("{} kinds, {deployment:?}", kinds.len()))
        }
        "can-i" => {
            let ask = |verb: &str, kind_name: &str| {
                let query = AccessQuery {
                    verb: verb.into(),
                    kind: kind(kind_name),
                    subresource: None,
                    namespace: Some(SHOP.into()),
                    name: None,
                };
                kube_read::can_i(&query).map(|verdict| verdict.allowed)
            };
            text(format!("list pods: {}, delete pods: {}", ask("list", "pods")?, ask("delete", "pods")?))
        }
        "whoami" => {
            let me = kube_read::whoami()?;
            text(format!("{} of {:?} on {}", me.username, me.groups, me.server_version))
        }
        "undeclared" => {
            let node =
                NodeQuery { node: "node-1".into(), source: NodeSource::StatsSummary, tail_lines: None };
            text(format!(
                "{:?} {:?}",
                kube_read::node_read(&node).map_err(|error| error.reason),
                kube_read::releases(None).map_err(|error| error.reason)
            ))
        }
        "changes" => {
            let all = kube_read::object_changes(&changes_of(None))?;
            let one = kube_read::object_changes(&changes_of(Some("cart-db")))?;
            text(format!("{} objects; {:?}", all.count, one.changes))
        }
        "explain" => text(kube_read::explain(&kind("pods"), &["spec".into()], 1)?),
        "outline" => {
            let query = ListQuery { view: View::Outline, ..list_all_of(kind("pods"), None, &[]) };
            text(kube_read::list_objects(&query)?.items)
        }
        "table" => {
            let query = ListQuery { view: View::Table, ..list_all_of(kind("pods"), None, &[]) };
            text(kube_read::list_objects(&query)?.items)
        }
        "misspelt" => {
            let maps = list_all_of(kind("configmaps"), Some("attackz".into()), &["metadata.name"]);
            text(kube_read::list_objects(&maps)?.items)
        }
        // Each a regular expression of its own, as large as one of a kilobyte can be.
        "patterns" => {
            let mut answered = 0;
            for part in 0..4 {
                let queries: Vec<LogQuery> = (0..62)
                    .map(|n| LogQuery {
                        container: Some("app".into()),
                        pattern: Some(format!("(?:\\w{{1,9}}[{part}x-z]{{1,40}}){{1,{}}}q", n % 8 + 1)),
                        ..log_of("attacks".into(), "short".into())
                    })
                    .collect();
                answered += kube_read::pod_logs(&queries).len();
            }
            text(format!("{answered} answered"))
        }
        // Reads of missing objects, then one that matters.
        "decoys" => {
            for n in 0..31 {
                let _ = kube_read::get_object(&pod(&format!("decoy-{n}")));
            }
            let _ = kube_read::list_objects(&list_all_of(
                kind("secrets"),
                Some("attacks".into()),
                &["metadata.name"],
            ));
            text("read")
        }
        "exactly" => {
            let now = kube_read::list_objects(&list_all_of(kind("pods"), Some(SHOP.into()), &[]))?;
            let then = ListQuery {
                resource_version: Some(now.resource_version.clone()),
                ..list_all_of(kind("pods"), Some(SHOP.into()), &["metadata.name"])
            };
            let then = kube_read::list_objects(&then)?;
            text(format!(
                "the same: {}, {}",
                then.resource_version == now.resource_version,
                then.count == now.count
            ))
        }
        "call" => {
            call::progress(1.0, Some(2.0), "half way");
            call::log(call::Level::Info, "for the operator");
            text(format!(
                "{} {} of {} at {}",
                call::default_namespace(),
                call::output_budget(),
                call::namespaces().join("+"),
                kube_read::cluster_address()
            ))
        }
        other => Err(format!("no question {other:?}").into()),
    }
}

/// The writes to a Secret of the shop, or to all of them.
fn changes_of(name: Option<&str>) -> ChangesQuery {
    ChangesQuery {
        kind: kind("secrets"),
        namespace: Some(SHOP.into()),
        name: name.map(Into::into),
        label_selector: None,
        since_time: None,
        limit: None,
        continue_token: None,
    }
}

/// Of the container that is called like the first word of its pod's name.
fn log(pod: &str) -> LogQuery {
    LogQuery { container: pod.split('-').next().map(Into::into), ..log_of(SHOP.into(), pod.into()) }
}
