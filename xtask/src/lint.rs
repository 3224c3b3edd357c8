//! The checks that CI requires beside the tests.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{
    packages::cargo_deny,
    shell::{command, root, run_aside, target},
};

/// Runs them in sequence, and ends at the first that fails.
pub(crate) fn lint() -> Result<()> {
    let step = |what: &str, command: &mut Command| -> Result<()> {
        eprintln!("\n=== {what} ===");
        run_aside(command).with_context(|| what.to_owned())
    };
    step("formatting", &mut command("cargo", &["fmt", "--all", "--check"]))?;
    let plugins = root().join("plugins");
    step("formatting of the tools", command("cargo", &["fmt", "--all", "--check"]).current_dir(&plugins))?;
    step(
        "clippy",
        &mut command("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    )?;
    let mut clippy = command("cargo", &["clippy", "--workspace", "--target-dir"]);
    clippy.arg(target().join("plugins")).args(["--", "-D", "warnings"]);
    step("clippy of the tools", clippy.current_dir(&plugins))?;
    let mut doc = command("cargo", &["doc", "--workspace", "--no-deps", "--document-private-items"]);
    step("documentation", doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    let deny = cargo_deny()?.display().to_string();
    // Without advisories, whose database not every machine can reach; licences, bans and sources work offline.
    for manifest in ["Cargo.toml", "plugins/Cargo.toml"] {
        // cargo-deny needs the crates of every platform; a build fetches those of this one only.
        run_aside(&mut command("cargo", &["fetch", "--quiet", "--manifest-path", manifest]))?;
        let mut check = command(&deny, &["--offline", "--manifest-path", manifest, "--config", "deny.toml"]);
        check.args(["check", "licenses", "bans", "sources"]);
        step(&format!("licences and sources of {manifest}"), &mut check)?;
    }
    Ok(())
}
