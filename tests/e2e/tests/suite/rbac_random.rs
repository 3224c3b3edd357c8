//! Random rights: what a caller reads through Porthole, beside what the API server says and does with the same token.
//!
//! The seed is fixed, so that a change is judged by the same cases as the one before it; `PORTHOLE_TEST_SEED=N` draws
//! others. A case that differs is printed as YAML, with the seed and the roles and bindings that concern the account.

mod cases;
mod world;

use std::process::Command;

use futures::{StreamExt, stream};
use porthole_testbed::{
    cluster::Cluster,
    http::Streamable,
    porthole::{Porthole, tools},
};
use serde_json::{Value, json};

use cases::{Case, Question};
use world::{Account, World};

const SEED: u64 = 17;
/// Accounts, and the questions of each.
const EXTENT: (usize, usize) = (50, 10);
/// One of so many cases is also asked of kubectl, which takes a process each.
const KUBECTL: usize = 10;
/// Accounts that ask at once; each asks one question after the other.
const MAX_CONCURRENT: usize = 8;

/// Cases of a run by what the API server does.
#[derive(Default)]
struct Count {
    allowed: usize,
    refused: usize,
    differing: Vec<String>,
}

fn seed() -> u64 {
    std::env::var("PORTHOLE_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(SEED)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_random_rights_are_what_kubectl_says_and_the_api_server_does() {
    let cluster = Cluster::for_tests();
    let world = World::create(&cluster, seed(), EXTENT).await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let count = judge(&cluster, &world, &host, None).await;
    println!("random rights: {} allowed, {} refused, seed {}", count.allowed, count.refused, world.seed);
    assert_eq!(count.differing, Vec::<String>::new(), "seed {}", world.seed);
    assert!(count.allowed > 100 && count.refused > 100, "{} and {}", count.allowed, count.refused);
    assert_eq!(count.allowed + count.refused, EXTENT.0 * EXTENT.1);
}

/// A host that reads by an account of its own is found by every case that the API server refuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_reads_as_the_operator_differs_in_every_refused_case() {
    let cluster = Cluster::for_tests();
    let world = World::create(&cluster, seed() + 1, (6, EXTENT.1)).await;
    let folder = tempfile::tempdir().unwrap();
    let shared = format!("shared-{}", uuid::Uuid::new_v4());
    let file = folder.path().join("token");
    std::fs::write(&file, &shared).unwrap();
    let text = |path: &std::path::Path| path.display().to_string();
    let (kubeconfig, tools, file) = (text(&cluster.kubeconfig), text(&tools()), text(&file));
    let host = Porthole::with(&[
        "--identity",
        "host",
        "--kubeconfig",
        &kubeconfig,
        "--plugins",
        &tools,
        "--shared-token-file",
        &file,
    ])
    .await
    .unwrap();
    let count = judge(&cluster, &world, &host, Some(&shared)).await;
    assert_eq!(count.differing.len(), count.refused, "{:?}", count.differing);
    assert!(count.refused > 10, "{}", count.refused);
    let printed = count.differing.first().unwrap();
    for part in [&format!("seed: {}", world.seed), "verb: ", "kind: ServiceAccount", "roleRef:"] {
        assert!(printed.contains(part), "no {part} in {printed}");
    }
}

/// Asks every question of the host, by the account's token or by `shared`, and of the API server.
async fn judge(cluster: &Cluster, world: &World, host: &Porthole, shared: Option<&str>) -> Count {
    let of_account = async |number: usize, account: &Account| {
        let streamable = Streamable::new(&host.origin, Some(shared.unwrap_or(&account.token)));
        let client = world::client(cluster, &account.token).await;
        let mut count = Count::default();
        for (at, case) in account.cases.iter().enumerate() {
            let asks_kubectl = (number * account.cases.len() + at).is_multiple_of(KUBECTL);
            let direct = direct(&client, &case.question).await;
            let truth = direct.is_ok();
            let mut differences = Vec::new();
            if may(&client, &case.question).await != truth {
                differences.push("the review says the opposite of what the API server does".to_owned());
            }
            if asks_kubectl && kubectl(cluster, &account.token, &case.question) != truth {
                differences.push("kubectl says the opposite of what the API server does".to_owned());
            }
            let text = streamable.call(case.tool, case.arguments.clone()).await;
            let text = text.unwrap_or_else(|error| error.to_string());
            differences.extend(difference(world, account, case, &direct, &text));
            if truth {
                count.allowed += 1
            } else {
                count.refused += 1
            }
            if !differences.is_empty() {
                count.differing.push(printed(world, account, case, truth, &differences, &text));
            }
        }
        count
    };
    let counts: Vec<Count> = stream::iter(world.accounts.iter().enumerate())
        .map(|(number, account)| of_account(number, account))
        .buffer_unordered(MAX_CONCURRENT)
        .collect()
        .await;
    counts.into_iter().fold(Count::default(), |mut all, count| {
        all.allowed += count.allowed;
        all.refused += count.refused;
        all.differing.extend(count.differing);
        all
    })
}

/// The difference of Porthole's answer from what the API server does; `None` if they agree.
fn difference(
    world: &World,
    account: &Account,
    case: &Case,
    direct: &Result<bool, ()>,
    text: &str,
) -> Option<String> {
    let forbidden = text.starts_with("ERROR: forbidden: ");
    match direct {
        Err(()) if !forbidden => Some("refused by the API server, and answered".to_owned()),
        Err(()) if !text.contains(&account.user) => Some("a refusal without the account's name".to_owned()),
        // The name that was asked for may be repeated; nothing of any object may be shown.
        Err(()) if text.contains(&world.mark) || case.question.is_broad() && text.contains(&world.suffix) => {
            Some("a refusal that shows something of an object".to_owned())
        }
        Err(()) => None,
        Ok(_) if forbidden => Some("allowed by the API server, and refused".to_owned()),
        Ok(true) if text.starts_with("ERROR") => Some("read by the API server, and an error".to_owned()),
        Ok(true) if !case.expected.is_empty() && !text.contains(&case.expected) => {
            Some(format!("{:?} is not in the answer", case.expected))
        }
        Ok(false) if !text.contains("not found") => Some("there is no such object".to_owned()),
        Ok(_) => None,
    }
}

/// The same read with the same token: an error if it is refused; true if there is such an object.
async fn direct(client: &kube::Client, question: &Question) -> Result<bool, ()> {
    let request = http::Request::get(question.path()).body(Vec::new()).unwrap();
    match client.request_text(request).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 403 => Err(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => panic!("{}: {error}", question.path()),
    }
}

/// The API server's own verdict, asked as the account.
async fn may(client: &kube::Client, question: &Question) -> bool {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": question.attributes()}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = porthole_testbed::accounts::send(client, "POST", path, &review).await.unwrap();
    answer["status"]["allowed"].as_bool().unwrap()
}

/// The verdict of `kubectl auth can-i`.
fn kubectl(cluster: &Cluster, token: &str, question: &Question) -> bool {
    let name = format!("random-{}.kubeconfig", uuid::Uuid::new_v4());
    let kubeconfig = cluster.write_kubeconfig(&name, &json!({"token": token})).unwrap();
    let mut command = Command::new(&cluster.kubectl);
    command.arg("--kubeconfig").arg(&kubeconfig).args(["auth", "can-i"]);
    let output = command.args(question.for_kubectl()).output().unwrap();
    std::fs::remove_file(kubeconfig).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `no - RBAC: role.rbac.authorization.k8s.io "gone" not found`
    match text.split_whitespace().next() {
        Some("yes") => true,
        Some("no") => false,
        _ => panic!("{question:?}: {text} {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// A case that differs, with all that is needed to see why.
fn printed(
    world: &World,
    account: &Account,
    case: &Case,
    truth: bool,
    differences: &[String],
    answer: &str,
) -> String {
    let answer: String = answer.chars().take(600).collect();
    let rights: Vec<&Value> = world.rights.iter().filter(|right| account.is_concerned_by(right)).collect();
    let whole = json!({
        "seed": world.seed, "account": account.user, "tool": case.tool, "arguments": case.arguments,
        "question": case.question.attributes(), "allowed": truth, "differences": differences, "answer": answer,
        "rights": rights,
    });
    format!("---\n{}", serde_saphyr::to_string(&whole).unwrap())
}
