//! Sizes, kinds of work, and the bounds of a run.

use std::time::Duration;

use serde_json::{Value, json};

use super::results::Contender;

/// Size above which the other server is left out: it holds whole lists, several times.
const PEER_PODS: usize = 10_000;
/// Number of clients above which the other server is left out.
const PEER_CLIENTS: usize = 8;

/// One kind of work.
#[derive(Debug)]
pub(crate) struct Work {
    /// Name in the tables.
    pub(crate) name: &'static str,
    pub(crate) tool: &'static str,
    pub(crate) arguments: Value,
    pub(crate) kind: Kind,
}

/// Size of an answer of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One object, or a list that does not grow with the pods.
    Small,
    /// All pods.
    List,
    /// All pods, or those of a namespace, by a tool that other servers do not have.
    Question,
}

/// All kinds of work.
pub(crate) fn works() -> Vec<Work> {
    let work = |name, tool, arguments, kind| Work { name, tool, arguments, kind };
    vec![
        work("namespaces_list", "namespaces_list", json!({}), Kind::Small),
        work("pods_get", "pods_get", json!({"name": "app-0-00000", "namespace": "load-1"}), Kind::Small),
        work("pods_list", "pods_list", json!({}), Kind::List),
        work("pods_list, output=count", "pods_list", json!({"output": "count"}), Kind::Question),
        work("find", "find", json!({"query": "app-7"}), Kind::Question),
        work("diagnose, a namespace", "diagnose", json!({"namespace": "load-4"}), Kind::Question),
        work("changes, a namespace", "changes", json!({"namespace": "load-4"}), Kind::Question),
    ]
}

/// Bounds of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Numbers of pods, ascending: the cluster grows from one to the next.
    pub(crate) pods: Vec<usize>,
    pub(crate) clients: Vec<usize>,
    pub(crate) custom_kinds: usize,
    /// Rounds of a cell, in which the contenders take turns.
    pub(crate) rounds: usize,
    /// Time of a turn; a call that has begun ends.
    pub(crate) turn: Duration,
    /// Time of a cell, after which its rounds end, but for the first three.
    pub(crate) cell: Duration,
    /// Time after which no cell begins.
    pub(crate) whole: Duration,
    /// Time of a load at a fixed rate, and how often it is repeated.
    pub(crate) load: (Duration, usize),
    /// Sessions that are opened at once.
    pub(crate) sessions: usize,
}

impl Plan {
    /// The run of the page; about forty minutes.
    pub(crate) fn full() -> Self {
        Self {
            pods: vec![2_000, 10_000, 50_000],
            clients: vec![1, 8, 64, 256],
            custom_kinds: 500,
            rounds: 5,
            turn: Duration::from_secs(1),
            cell: Duration::from_secs(60),
            whole: Duration::from_secs(38 * 60),
            load: (Duration::from_secs(5), 2),
            sessions: 2_000,
        }
    }

    /// A trial; under eight minutes.
    pub(crate) fn quick() -> Self {
        Self {
            pods: vec![2_000],
            clients: vec![1, 8, 64],
            custom_kinds: 50,
            rounds: 3,
            turn: Duration::from_millis(500),
            cell: Duration::from_secs(20),
            whole: Duration::from_secs(6 * 60),
            load: (Duration::from_secs(2), 1),
            sessions: 200,
        }
    }

    /// Numbers of clients of a kind of work: lists load the machine with few, and only the smallest cluster is asked by many.
    pub(crate) fn clients_of(&self, work: &Work, pods: usize) -> Vec<usize> {
        let is_smallest = self.pods.first() == Some(&pods);
        let max = match work.kind {
            Kind::Small if is_smallest => usize::MAX,
            Kind::Small | Kind::List => 8,
            Kind::Question => 1,
        };
        self.clients.iter().copied().filter(|clients| *clients <= max).collect()
    }

    /// Contenders of a cell.
    pub(crate) fn contenders(
        &self,
        work: &Work,
        clients: usize,
        pods: usize,
        has_peer: bool,
    ) -> Vec<Contender> {
        let mut contenders = vec![Contender::ApiServer, Contender::Porthole];
        match work.kind {
            Kind::Small => {
                contenders.extend([Contender::PortholeAgain, Contender::Connections, Contender::Visit]);
            }
            Kind::List => {
                contenders.push(Contender::PortholeAgain);
                contenders.extend((clients == 1).then_some(Contender::WholeObjects));
            }
            Kind::Question => {}
        }
        let is_for_peer = work.kind != Kind::Question && clients <= PEER_CLIENTS && pods <= PEER_PODS;
        contenders.extend((has_peer && is_for_peer).then_some(Contender::Peer));
        contenders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time of all turns, at the length that is planned for each; a slow call can only reach the limit of its cell.
    fn turns(plan: &Plan) -> Duration {
        let mut time = Duration::ZERO;
        for &pods in &plan.pods {
            for work in works() {
                for clients in plan.clients_of(&work, pods) {
                    let contenders = plan.contenders(&work, clients, pods, true).len();
                    let turns = u32::try_from(contenders * plan.rounds).unwrap();
                    time += (plan.turn * turns).min(plan.cell);
                }
            }
        }
        time
    }

    #[test]
    fn a_run_leaves_time_to_fill_the_cluster() {
        assert!(turns(&Plan::full()) < Duration::from_secs(30 * 60), "{:?}", turns(&Plan::full()));
        assert!(turns(&Plan::quick()) < Duration::from_secs(3 * 60), "{:?}", turns(&Plan::quick()));
    }

    #[test]
    fn the_other_server_is_asked_by_few_clients_on_small_clusters() {
        let (plan, works) = (Plan::full(), works());
        let has = |work: &Work, clients, pods| {
            plan.contenders(work, clients, pods, true).contains(&Contender::Peer)
        };
        assert!(has(&works[0], 8, 10_000) && has(&works[2], 1, 2_000));
        assert!(!has(&works[0], 64, 2_000) && !has(&works[0], 1, 50_000) && !has(&works[4], 1, 2_000));
    }

    #[test]
    fn many_clients_ask_the_smallest_cluster_only() {
        let (plan, works) = (Plan::full(), works());
        assert_eq!(plan.clients_of(&works[1], 2_000), [1, 8, 64, 256]);
        assert_eq!(plan.clients_of(&works[1], 50_000), [1, 8]);
        assert_eq!(plan.clients_of(&works[2], 2_000), [1, 8]);
        assert_eq!(plan.clients_of(&works[5], 50_000), [1]);
    }
}
