//! Goals of a run, judged by its results.

use super::{
    plan::works,
    results::{Cell, Contender, Results},
};

/// A goal with what was measured.
#[derive(Debug, PartialEq)]
pub(crate) struct Goal {
    pub(crate) goal: &'static str,
    pub(crate) measured: String,
    /// None if it was not measured.
    pub(crate) is_held: Option<bool>,
}

/// Milliseconds of CPU time of a call.
const CALL_CPU: f64 = 0.35;
/// Milliseconds that a call takes beyond the API server's.
const BEYOND: f64 = 0.4;
/// Part of the API server's own rate.
const RATE: f64 = 0.8;
/// Time of a list against its reads.
const READS: f64 = 1.2;
/// Megabytes while lists of the largest cluster are made.
const MEMORY: f64 = 64.0;
/// Kilobytes of an idle session.
const SESSION: f64 = 40.0;
/// Part of the visits that a server in memory answers.
const VISITS: f64 = 0.7;
/// p99 beside a flood against p99 alone.
const FLOOD: f64 = 3.0;
/// Milliseconds until 40 tools are served, and megabytes then.
const START: f64 = 50.0;
const IDLE: f64 = 24.0;

/// Judges all goals. Each is judged by the worst of its values.
pub(crate) fn goals(results: &Results) -> Vec<Goal> {
    let sizes = || results.cells.iter().map(|cell| cell.pods);
    let (least, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
    let calls = |clients: usize| cells(results, &["namespaces_list", "pods_get"], least, clients);
    let lists: Vec<&str> = works().iter().map(|work| work.name).skip(2).collect();
    let largest = || cells(results, &lists, most, 1);
    let mut goals = vec![
        at_most(
            "a call takes 0.35 ms of CPU time (8 clients)",
            CALL_CPU,
            " ms",
            values(&calls(8), |cell| cell.row(Contender::Porthole)?.cpu),
        ),
        at_most(
            "a call takes what the API server takes + 0.4 ms (1 client, p50)",
            BEYOND,
            " ms more",
            values(&calls(1), beyond),
        ),
    ];
    for (goal, clients) in [
        ("8 clients get 80 % of the API server's own rate", 8),
        ("64 clients get 80 % of the API server's own rate", 64),
    ] {
        goals.push(at_least(
            goal,
            RATE,
            values(&calls(clients), |cell| {
                Some(cell.row(Contender::Porthole)?.rate.median / cell.row(Contender::ApiServer)?.rate.median)
            }),
        ));
    }
    goals.push(at_most(
        "on the largest cluster a list or question takes 1.2 times its reads",
        READS,
        " times",
        values(&largest(), |cell| {
            Some(cell.row(Contender::Porthole)?.p50.median / cell.row(Contender::ApiServer)?.p50.median)
        }),
    ));
    goals.push(at_most(
        "on the largest cluster it takes 64 MB at most",
        MEMORY,
        " MB",
        values(&largest(), |cell| Some(cell.row(Contender::Porthole)?.high_water? as f64 / 1024.0)),
    ));
    let crowd = &results.crowd;
    let named =
        |name: &str, value: Option<f64>| value.map(|value| (name.to_owned(), value)).into_iter().collect();
    goals.push(at_most(
        "an idle session takes 40 kB",
        SESSION,
        " kB",
        named("sessions", crowd.sessions.as_ref().map(super::results::Sessions::each)),
    ));
    goals.push(at_least(
        "Dify visits reach 70 % of the rate of a server that answers from memory",
        VISITS,
        named("visits", crowd.visits.as_ref().map(|visits| visits.host.median / visits.memory.median)),
    ));
    goals.push(at_most(
        "a caller that floods moves another's p99 to 3 times",
        FLOOD,
        " times",
        named("p99", crowd.flood.as_ref().map(|flood| flood.beside / flood.alone.max(f64::MIN_POSITIVE))),
    ));
    goals.push(at_most(
        "40 tools are served 50 ms after a warm start",
        START,
        " ms",
        named("start", crowd.start.as_ref().map(|start| start.ready.median)),
    ));
    goals.push(at_most(
        "an idle host takes 24 MB",
        IDLE,
        " MB",
        named("start", crowd.start.as_ref().map(|start| start.idle as f64 / 1024.0)),
    ));
    goals
}

/// Milliseconds of a call beyond those of its reads.
pub(crate) fn beyond(cell: &Cell) -> Option<f64> {
    Some(cell.row(Contender::Porthole)?.p50.median - cell.row(Contender::ApiServer)?.p50.median)
}

fn cells<'a>(results: &'a Results, works: &[&str], pods: usize, clients: usize) -> Vec<&'a Cell> {
    let is_asked =
        |cell: &&Cell| works.contains(&cell.work.as_str()) && cell.pods == pods && cell.clients == clients;
    results.cells.iter().filter(is_asked).collect()
}

fn values(cells: &[&Cell], value: impl Fn(&Cell) -> Option<f64>) -> Vec<(String, f64)> {
    cells.iter().filter_map(|cell| Some((cell.work.clone(), value(cell)?))).collect()
}

fn at_most(goal: &'static str, limit: f64, unit: &str, values: Vec<(String, f64)>) -> Goal {
    judged(goal, &values, |value| format!("{value:.2}{unit}"), |value| value <= limit)
}

fn at_least(goal: &'static str, limit: f64, values: Vec<(String, f64)>) -> Goal {
    judged(goal, &values, |value| format!("{:.0} %", value * 100.0), |value| value >= limit)
}

fn judged(
    goal: &'static str,
    values: &[(String, f64)],
    shown: impl Fn(f64) -> String,
    holds: impl Fn(f64) -> bool,
) -> Goal {
    let measured: Vec<String> =
        values.iter().map(|(name, value)| format!("{name} {}", shown(*value))).collect();
    let is_held = (!values.is_empty()).then(|| values.iter().all(|(_, value)| holds(*value)));
    Goal { goal, measured: measured.join(", "), is_held }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::results::{Row, Spread};

    fn row(contender: Contender, p50: f64, rate: f64, cpu: Option<f64>) -> Row {
        let spread = |value| Spread { median: value, least: value, most: value };
        Row {
            contender,
            p50: spread(p50),
            p99: p50,
            rate: spread(rate),
            calls: 1,
            failed: 0,
            error: None,
            cpu,
            api_cpu: 0.0,
            high_water: Some(70 << 10),
            reads: None,
        }
    }

    fn cell(work: &str, pods: usize, clients: usize, [api, ours]: [(f64, f64); 2]) -> Cell {
        let rows = vec![
            row(Contender::ApiServer, api.0, api.1, None),
            row(Contender::Porthole, ours.0, ours.1, Some(0.3)),
        ];
        Cell { pods, work: work.to_owned(), clients, answer: String::new(), rows }
    }

    fn judged(cells: Vec<Cell>, words: &str) -> Goal {
        let results = Results { cells, ..Results::default() };
        goals(&results).into_iter().find(|goal| goal.goal.contains(words)).unwrap()
    }

    #[test]
    fn a_goal_is_held_only_if_all_of_its_values_hold() {
        let good = cell("namespaces_list", 10, 1, [(1.5, 600.0), (1.8, 500.0)]);
        let bad = cell("pods_get", 10, 1, [(1.5, 600.0), (2.0, 400.0)]);
        let both = judged(vec![good.clone(), bad], "+ 0.4 ms");
        assert_eq!(both.measured, "namespaces_list 0.30 ms more, pods_get 0.50 ms more");
        assert_eq!(both.is_held, Some(false));
        assert_eq!(judged(vec![good], "+ 0.4 ms").is_held, Some(true));
    }

    #[test]
    fn rates_are_judged_by_number_of_clients_and_what_was_not_measured_is_not_held() {
        let cells = || vec![cell("pods_get", 10, 8, [(1.0, 1000.0), (1.0, 800.0)])];
        assert_eq!(judged(cells(), "8 clients get").is_held, Some(true));
        assert_eq!(judged(cells(), "8 clients get").measured, "pods_get 80 %");
        assert_eq!(judged(cells(), "64 clients get").is_held, None);
    }

    #[test]
    fn lists_are_judged_on_the_largest_cluster() {
        let small = cell("pods_list", 10, 1, [(10.0, 1.0), (30.0, 1.0)]);
        let large = cell("pods_list", 100, 1, [(100.0, 1.0), (119.0, 1.0)]);
        let goal = judged(vec![small.clone(), large.clone()], "1.2 times");
        assert_eq!((goal.measured.as_str(), goal.is_held), ("pods_list 1.19 times", Some(true)));
        let memory = judged(vec![small, large], "64 MB");
        assert_eq!((memory.measured.as_str(), memory.is_held), ("pods_list 70.00 MB", Some(false)));
    }
}
