//! The node with every fault on it, and a host that is asked.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use porthole_e2e::root;
use porthole_testbed::{
    accounts,
    faults::{self, Fault, Question, Unsteady},
    http::Streamable,
    node::Node,
    porthole::Porthole,
    workloads,
};
use serde_json::{Value, json};

use crate::{
    accounts::{OTHERS, Other, reader},
    healthy,
    report::{Asked, Report},
};

/// Maximum time until every fault shows: crash loops back off, deadlines pass, and everything starts at once.
const STEADY: Duration = Duration::from_secs(600);
/// Minimum age of what is asked about: several rules give an object two minutes, from when its containers run.
const OLD: Duration = Duration::from_secs(180);
/// Folders of faults, and of healthy objects that look like one.
const FOLDERS: [&str; 2] = ["tests/faults", "tests/faults/healthy"];
/// Number of healthy objects that are drawn.
const DRAWN: usize = 30;

pub(crate) struct Stage {
    pub(crate) node: Node,
    /// Stopped on drop.
    _host: Porthole,
    faults: Vec<Fault>,
    drawn: Vec<healthy::Workload>,
    reader: Streamable,
    others: BTreeMap<&'static str, BTreeMap<String, Streamable>>,
}

impl Stage {
    /// Applies everything at once, and waits until all of it shows.
    pub(crate) async fn set() -> Self {
        let node = Node::for_tests();
        workloads::import(&node, &root()).unwrap();
        let mut faults = Vec::new();
        for folder in FOLDERS {
            faults.extend(Fault::read(&root().join(folder)).unwrap());
        }
        let (faults, left): (Vec<Fault>, Vec<Fault>) =
            faults.into_iter().partition(|fault| fault.needs.is_none());
        for fault in left {
            eprintln!("left out: {}, which needs {}", fault.name, fault.needs.unwrap_or_default());
        }
        let only = std::env::var("PORTHOLE_FAULT").ok();
        let faults: Vec<Fault> = faults
            .into_iter()
            .filter(|fault| {
                only.as_ref().is_none_or(|only| only.split(',').any(|only| fault.name.contains(only)))
            })
            .collect();
        let begun = Instant::now();
        faults::apply(&node, &faults.iter().collect::<Vec<_>>()).unwrap();
        let drawn = healthy::draw(healthy::seed(), DRAWN);
        healthy::apply(&node, &drawn);
        until_shown(&node, &faults, &drawn).await;
        eprintln!("{} faults and look-alikes, all shown after {} s", faults.len(), begun.elapsed().as_secs());
        let host = Porthole::start(&node.kubeconfig()).await;
        let (reader, others) = clients(&node, &host, &faults).await;
        Self { node, _host: host, faults, drawn, reader, others }
    }

    /// Asks every question with the account that the guide has made.
    pub(crate) async fn ask_everything(&self, report: &mut Report) {
        report.begin("with the reader's account");
        for (fault, question) in self.questions() {
            let asked = self.ask(&self.reader, fault, &question.arguments).await;
            let verdict = fault.expectation(question).unwrap().judge(&asked.answer);
            report.judged(asked, verdict);
        }
    }

    /// Asks about healthy objects.
    pub(crate) async fn ask_of_healthy_objects(&self, report: &mut Report) {
        report.begin(&format!("{DRAWN} healthy objects, drawn by the seed {}", healthy::seed()));
        for workload in &self.drawn {
            let arguments = json!({"name": workload.name, "namespace": healthy::NAMESPACE});
            let asked = call(&self.reader, &workload.name, &arguments).await;
            let verdict = healthy::expectation().judge(&asked.answer);
            report.judged(asked, verdict);
        }
        let asked = call(&self.reader, "all of them", &json!({"namespace": healthy::NAMESPACE})).await;
        let verdict = healthy::expectation().judge(&asked.answer);
        report.judged(asked, verdict);
    }

    /// Asks again without events: the cause is found from state and joins, or the answer says that an event would tell.
    pub(crate) async fn ask_without_events(&self, report: &mut Report) {
        for (fault, question) in self.questions() {
            let asked = self.ask(&self.reader, fault, &question.arguments).await;
            let verdict = fault.weaker_expectation(question).unwrap().judge(&asked.answer);
            report.honest(asked, verdict, "event");
        }
    }

    /// Asks with accounts that see less: what they cannot see is said, and no cause that they cannot see is named.
    pub(crate) async fn ask_as_others(&self, report: &mut Report) {
        for other in &OTHERS {
            for fault in &self.faults {
                let question = &fault.questions[0];
                // None can be granted anything in a namespace that ends.
                let Some(client) = self.others[other.name].get(&fault.name) else { continue };
                let mut arguments = question.arguments.clone();
                if other.within_one_namespace && arguments.get("namespace").is_none() {
                    arguments["namespace"] = json!(fault.name);
                }
                let mut asked = self.ask(client, fault, &arguments).await;
                asked.of = format!("{}, {}", asked.of, other.name);
                let verdict = fault.weaker_expectation(question).unwrap().judge(&asked.answer);
                report.honest(asked, verdict, "not checked|forbidden|may not|may read");
            }
        }
    }

    fn questions(&self) -> impl Iterator<Item = (&Fault, &Question)> {
        self.faults.iter().flat_map(|fault| fault.questions.iter().map(move |question| (fault, question)))
    }

    async fn ask(&self, client: &Streamable, fault: &Fault, arguments: &Value) -> Asked {
        call(client, &fault.name, arguments).await
    }
}

async fn call(client: &Streamable, of: &str, arguments: &Value) -> Asked {
    let begun = Instant::now();
    let answer = client.call("diagnose", arguments.clone()).await;
    let answer = answer.unwrap_or_else(|error| format!("ERROR: {error:#}"));
    Asked { of: of.to_owned(), arguments: arguments.to_string(), answer, took: begun.elapsed() }
}

async fn until_shown(node: &Node, faults: &[Fault], drawn: &[healthy::Workload]) {
    let (begun, mut unsteady) = (Instant::now(), Unsteady::new(faults));
    loop {
        // An API server that is busy with all of it may not answer in time.
        let left = unsteady.look(node).and_then(|mut left| {
            left.extend(healthy::unsteady(node, drawn)?);
            Ok(left)
        });
        let left = left.unwrap_or_else(|error| vec![format!("{error:#}")]);
        if left.is_empty() && begun.elapsed() >= OLD {
            return;
        }
        assert!(begun.elapsed() < STEADY, "not shown after {STEADY:?}:\n{}", left.join("\n"));
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

type Clients = BTreeMap<&'static str, BTreeMap<String, Streamable>>;

/// Clients with the reader's account, and with others by namespace.
async fn clients(node: &Node, host: &Porthole, faults: &[Fault]) -> (Streamable, Clients) {
    let admin = node.admin().await.unwrap();
    accounts::namespace(&admin, "accounts").await.unwrap();
    let client = |token: &str| Streamable::new(&host.origin, Some(token));
    let token = accounts::account(&admin, "accounts", "reader").await.unwrap();
    accounts::allow(&admin, ("accounts", "reader"), None, reader()).await.unwrap();
    let mut others = Clients::new();
    for Other { name, within_one_namespace, rules } in OTHERS {
        let clients = others.entry(name).or_default();
        let wide = accounts::account(&admin, "accounts", name).await.unwrap();
        if !within_one_namespace {
            accounts::allow(&admin, ("accounts", name), None, rules()).await.unwrap();
        }
        for fault in faults {
            if !within_one_namespace {
                clients.insert(fault.name.clone(), client(&wide));
                continue;
            }
            // An account for each namespace, which may read there and nowhere else. None can be made in one that ends.
            let account = format!("{name}-of-{}", fault.name);
            let token = accounts::account(&admin, "accounts", &account).await.unwrap();
            let allowed = accounts::allow(&admin, ("accounts", &account), Some(&fault.name), rules()).await;
            if allowed.is_ok() {
                clients.insert(fault.name.clone(), client(&token));
            }
        }
    }
    (client(&token), others)
}
