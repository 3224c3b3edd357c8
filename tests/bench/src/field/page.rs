//! The page `docs/benchmarks.md`: tables of a run, in a template with the prose.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use anyhow::{Context, Result};

use super::{
    goals::goals,
    results::{Cell, Contender, Crowd, Load, Results, Row, Run, Spread},
    svg,
};
use crate::profile;

const TEMPLATE: &str = include_str!("page.md");
/// Stands in for a part that was not measured.
const NOTHING: &str = "Not measured yet.";
/// Columns of the tables of calls.
const COLUMNS: [Contender; 7] = [
    Contender::ApiServer,
    Contender::Porthole,
    Contender::PortholeAgain,
    Contender::Connections,
    Contender::Visit,
    Contender::Peer,
    Contender::WholeObjects,
];

/// Writes results, page and curve into a folder.
pub(crate) fn write(folder: &Path, results: &Results) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let json = folder.join("benchmarks.json");
    std::fs::write(&json, serde_json::to_string(results)? + "\n")?;
    std::fs::write(folder.join("benchmarks.md"), render(results))?;
    if let Some(svg) = svg::curve(&results.loads) {
        std::fs::write(folder.join("benchmarks.svg"), svg)?;
    }
    eprintln!("written: {}", folder.join("benchmarks.md").display());
    Ok(())
}

/// Reads the results of an earlier run.
pub(crate) fn read(folder: &Path) -> Result<Results> {
    let path = folder.join("benchmarks.json");
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

/// Renders the page.
pub(crate) fn render(results: &Results) -> String {
    let cells = &results.cells;
    let parts = [
        ("run", results.run.as_ref().map_or_else(|| "No run yet.".to_owned(), run)),
        ("goals", goals_table(results)),
        ("latency", table(cells, |row| spread(row.p50, 2))),
        ("rate", table(cells, rate)),
        ("memory", memory(cells)),
        ("loads", loads(&results.loads)),
        ("crowd", crowd(&results.crowd)),
        ("layers", results.profile.as_ref().map_or_else(|| NOTHING.to_owned(), profile::table)),
        ("left", left(results)),
    ];
    let mut page = TEMPLATE.to_owned();
    if results.loads.is_empty() {
        page = page.replace("![Latency by calls a second](benchmarks.svg)\n\n", "");
    }
    parts.iter().fold(page, |page, (name, part)| page.replace(&format!("{{{{{name}}}}}"), part.trim_end()))
}

fn run(run: &Run) -> String {
    let mut text = format!(
        "Measured on {} in {:.0} minutes, commit {}: {} × {}, {} GB, Linux {}. Kubernetes {} on etcd {}, {} custom kinds{}.",
        run.date,
        run.minutes,
        run.commit,
        run.cores,
        run.processor,
        run.memory_gb,
        run.kernel,
        run.kubernetes,
        run.etcd,
        run.custom_kinds,
        run.peer.as_ref().map(|peer| format!(", beside npm `{peer}`")).unwrap_or_default()
    );
    if run.is_quick {
        text.push_str(" **A trial with few and short rounds.**");
    }
    text
}

fn goals_table(results: &Results) -> String {
    let mut text = "| goal | measured | |\n|---|---|---|\n".to_owned();
    for goal in goals(results) {
        let verdict = match goal.is_held {
            Some(true) => "held",
            Some(false) => "**not held**",
            None => "not measured",
        };
        let _ = writeln!(text, "| {} | {} | {verdict} |", goal.goal, goal.measured);
    }
    text
}

/// A table of cells by contenders; columns without a value are left out.
fn table(cells: &[Cell], value: impl Fn(&Row) -> String) -> String {
    if cells.is_empty() {
        return NOTHING.to_owned();
    }
    let is_there = |contender: &Contender| cells.iter().any(|cell| cell.row(*contender).is_some());
    let columns: Vec<Contender> = COLUMNS.into_iter().filter(is_there).collect();
    let mut text = "| work | pods | clients |".to_owned();
    for contender in &columns {
        let _ = write!(text, " {} |", contender.label());
    }
    let _ = writeln!(text, "\n|---|---|---|{}", "---|".repeat(columns.len()));
    for cell in cells {
        let _ = write!(text, "| {} | {} | {} |", cell.work, cell.pods, cell.clients);
        for contender in &columns {
            let _ = write!(text, " {} |", cell.row(*contender).map(&value).unwrap_or_default());
        }
        text.push('\n');
    }
    text
}

fn spread(spread: Spread, places: usize) -> String {
    let Spread { median, least, most } = spread;
    format!("{median:.places$} ({least:.places$} to {most:.places$})")
}

fn rate(row: &Row) -> String {
    let own = row.cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.2}"));
    format!("{} ({own} + {:.2})", significant(row.rate.median), row.api_cpu)
}

/// A rate: with places after the point only if it is small.
fn significant(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.2}") } else { format!("{rate:.0}") }
}

/// Memory of the processes, and the reads of a call; by one client, and by the greatest number.
fn memory(cells: &[Cell]) -> String {
    if cells.is_empty() {
        return NOTHING.to_owned();
    }
    let mut text = "| work | pods | clients | Porthole MB | reads | bytes | kubernetes-mcp-server MB | reads | bytes | answer of Porthole |\n\
                    |---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for cell in cells {
        let _ = write!(text, "| {} | {} | {} |", cell.work, cell.pods, cell.clients);
        for contender in [Contender::Porthole, Contender::Peer] {
            let row = cell.row(contender);
            let high_water = row.and_then(|row| row.high_water);
            let high_water = high_water.map(|kb| format!("{:.0}", kb as f64 / 1024.0)).unwrap_or_default();
            let reads = row.and_then(|row| row.reads);
            let [count, bytes] =
                reads.map(|reads| [reads.count.to_string(), reads.bytes.to_string()]).unwrap_or_default();
            let _ = write!(text, " {high_water} | {count} | {bytes} |");
        }
        let _ = writeln!(text, " {} |", quoted(&cell.answer));
    }
    text
}

/// Foreign text within a table.
fn quoted(text: &str) -> String {
    format!("`{}`", text.replace('|', "/").replace('`', "'"))
}

fn loads(loads: &[Load]) -> String {
    if loads.is_empty() {
        return NOTHING.to_owned();
    }
    let works: BTreeSet<&str> = loads.iter().map(|load| load.work.as_str()).collect();
    let works: Vec<&str> = works.into_iter().collect();
    let mut text = format!(
        "{}, 64 clients; rates are parts of what Porthole reaches with 8 clients, and the other server is asked up to nine tenths of its own. ms.\n\n\
         | calls a second | contender | p50 | p99 | p99.9 | answered |\n|---|---|---|---|---|---|\n",
        works.join(", ")
    );
    for load in loads {
        let _ = writeln!(
            text,
            "| {:.0} | {} | {:.2} | {:.2} | {:.2} | {} of {} |",
            load.rate,
            load.contender.label(),
            load.p50,
            load.p99,
            load.p999,
            load.answered,
            load.due
        );
    }
    text
}

fn crowd(crowd: &Crowd) -> String {
    let mut rows = Vec::new();
    if let Some(sessions) = &crowd.sessions {
        rows.push(format!(
            "| {} idle SSE sessions | {:.1} kB each: resident memory {} kB before, {} kB with them |",
            sessions.count,
            sessions.each(),
            sessions.before,
            sessions.after
        ));
    }
    if let Some(visits) = &crowd.visits {
        rows.push(format!(
            "| Dify visits a second, 8 clients | {}; a server that answers from memory {} |",
            spread(visits.host, 0),
            spread(visits.memory, 0)
        ));
    }
    if let Some(flood) = &crowd.flood {
        rows.push(format!(
            "| p99 of 50 calls a second (pods_get) | {:.2} ms alone, {:.2} ms beside another caller with {} clients (namespaces_list) |",
            flood.alone, flood.beside, flood.flooding_clients
        ));
    }
    if let Some(start) = &crowd.start {
        let mapped = start.idle_anonymous.map(|anonymous| {
            let mapped = start.idle.saturating_sub(anonymous) as f64 / 1024.0;
            format!(", of which {mapped:.1} MB are mapped from files (the program and compiled tools)")
        });
        rows.push(format!(
            "| a start with {} compiled tools | all served after {} ms; {:.1} MB then{} |",
            start.tools,
            spread(start.ready, 0),
            start.idle as f64 / 1024.0,
            mapped.unwrap_or_default()
        ));
    }
    if rows.is_empty() {
        return NOTHING.to_owned();
    }
    format!("| | |\n|---|---|\n{}\n", rows.join("\n"))
}

fn left(results: &Results) -> String {
    let mut lines: Vec<String> = results.left.iter().map(|left| format!("- {left}")).collect();
    for cell in &results.cells {
        for row in cell.rows.iter().filter(|row| row.failed > 0) {
            lines.push(format!(
                "- {}, {} pods, {} clients, {}: {} of {} calls failed: {}",
                cell.work,
                cell.pods,
                cell.clients,
                row.contender.label(),
                row.failed,
                row.failed + row.calls,
                quoted(row.error.as_deref().unwrap_or_default())
            ));
        }
    }
    if lines.is_empty() { "None.".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::results::Reads;

    fn row(contender: Contender, failed: u64) -> Row {
        let spread = Spread { median: 1.5, least: 1.25, most: 2.0 };
        Row {
            contender,
            p50: spread,
            p99: 3.0,
            rate: Spread { median: 600.4, ..spread },
            calls: 10,
            failed,
            error: (failed > 0).then(|| "a | b".to_owned()),
            cpu: (contender == Contender::Porthole).then_some(0.4),
            api_cpu: 0.7,
            high_water: Some(43 << 10),
            reads: Some(Reads { count: 2, bytes: 700 }),
        }
    }

    fn results() -> Results {
        let rows = vec![row(Contender::ApiServer, 0), row(Contender::Porthole, 2)];
        let cell =
            Cell { pods: 2000, work: "pods_get".into(), clients: 8, answer: "apiVersion: v1".into(), rows };
        Results { cells: vec![cell], ..Results::default() }
    }

    #[test]
    fn every_part_of_the_template_is_filled() {
        for results in [Results::default(), results()] {
            let page = render(&results);
            assert!(!page.contains("{{") && !page.contains("}}"), "{page}");
        }
    }

    #[test]
    fn a_cell_is_a_row_of_each_table_and_its_failures_are_listed() {
        let page = render(&results());
        for line in [
            "| work | pods | clients | API server, the same reads | Porthole `/mcp` |",
            "| pods_get | 2000 | 8 | 1.50 (1.25 to 2.00) | 1.50 (1.25 to 2.00) |",
            "| pods_get | 2000 | 8 | 600 (- + 0.70) | 600 (0.40 + 0.70) |",
            "| pods_get | 2000 | 8 | 43 | 2 | 700 |  |  |  | `apiVersion: v1` |",
            "- pods_get, 2000 pods, 8 clients, Porthole `/mcp`: 2 of 12 calls failed: `a / b`",
            "| a call takes 0.35 ms of CPU time (8 clients) | pods_get 0.40 ms | **not held** |",
        ] {
            assert!(page.lines().any(|there| there == line), "no {line:?} in {page}");
        }
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &results()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), results());
    }

    /// Guards against values that were changed by hand, and against a template that was changed alone.
    #[test]
    fn the_page_in_docs_is_rendered_from_its_results() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let results = read(&docs).unwrap();
        let written = |name: &str| std::fs::read_to_string(docs.join(name)).ok();
        assert!(written("benchmarks.md") == Some(render(&results)), "cargo xtask bench field --render");
        assert!(written("benchmarks.svg") == svg::curve(&results.loads), "cargo xtask bench field --render");
    }
}
