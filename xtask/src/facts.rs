//! Facts of a real node for the corpus of the diagnosis.

use anyhow::{Context, Result};

use crate::{
    kube, plugins,
    shell::{build_workspace, built, cache, command, root, run_aside, target},
};

/// Records faults of these names, or all (of those that need a node with add-ons, if `addons`); with `is_check` compares what the node says with what is recorded. The node
/// is one of its own, which is stopped in any case.
pub(crate) fn record(faults: &[String], addons: bool, is_check: bool) -> Result<()> {
    build_workspace()?;
    plugins::build()?;
    kube::prepare_node()?;
    let name = format!("facts-{}", std::process::id());
    let folder = cache().join(&name);
    std::fs::create_dir_all(folder.join("logs"))?;
    let read = folder.join("facts");
    let up = run_aside(kube::node(&["up", "--name", &name]).args(addons.then_some("--addons")));
    let recorded = up.context("the node does not start").map(|()| {
        let testbed = built("porthole-testbed").display().to_string();
        let mut record = kube::node(&["enter", "--name", &name, "--", &testbed, "facts", "--name", &name]);
        record
            .arg("--root")
            .arg(root())
            .arg("--into")
            .arg(&read)
            .args(addons.then_some("--addons"))
            .args(faults)
            .env("PORTHOLE_BIN", built("porthole"))
            .env("PORTHOLE_TOOLS", root().join("plugins/dist"))
            .env("PORTHOLE_CACHE", folder.join("compiled"))
            .env("PORTHOLE_TEST_LOGS", folder.join("logs"));
        run_aside(&mut record)
    });
    let down = run_aside(&mut kube::node(&["down", "--name", &name]));
    // What was read becomes cases, also if some faults were left out.
    let recorded = recorded?;
    let judged = cases(&read, is_check);
    std::fs::remove_dir_all(&folder)?;
    recorded.and(judged).and(down)
}

/// Makes cases of what was read, or compares them with those that stand in the corpus.
fn cases(read: &std::path::Path, is_check: bool) -> Result<()> {
    let mut cargo =
        command("cargo", &["test", "--quiet", "--package", "porthole-diagnosis", "--lib", "--target-dir"]);
    cargo.arg(target().join("plugins"));
    cargo.args(["--", "--ignored", "--exact", "--nocapture", "node::what_was_read_of_a_node_becomes_cases"]);
    if is_check {
        cargo.env("PORTHOLE_FACTS_CHECK", "1");
    }
    run_aside(cargo.env("PORTHOLE_FACTS", read).current_dir(root().join("plugins")))
}
