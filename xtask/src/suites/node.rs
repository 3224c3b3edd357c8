//! The suites on a real node of Kubernetes.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

use super::Environment;
use crate::{
    kube,
    libtest::failed_tests,
    packages::apt,
    shell::{cache, run_aside},
};

/// Number of failed tests of a suite on a real node that run once more. There, the time that Kubernetes takes is under test:
/// which of two events its programs see first may differ between runs on a busy machine. More failures have another cause.
const ONCE_MORE: usize = 3;

/// Prepares a real node and what its images are made of.
pub(crate) fn real_node() -> Result<()> {
    kube::prepare_node()?;
    // An image of the cases is made of it.
    if Path::new("/usr/bin/python3").exists() { Ok(()) } else { apt("python3") }
}

impl Environment {
    /// Runs a suite on a real node. A few tests that fail run once more, on a new node, and are named in the report.
    pub(super) fn on_node(&self, suite: &str, extent: &[&str]) -> Result<()> {
        let options = ["--test", suite, "--", "--nocapture"];
        // Somebody who names a test wants to see it fail.
        if self.name.is_some() {
            return self.with_node(extent, |enter| self.cargo_test_by(enter, &options));
        }
        let whole = |enter: &dyn Fn() -> Command, tests: &[String]| {
            let mut cargo = self.tests(enter(), &options);
            if !tests.is_empty() {
                cargo.arg("--exact").args(tests);
            }
            let failed = failed_tests(&mut cargo)?;
            if !failed.is_empty()
                && let Err(error) = self.keep_logs()
            {
                eprintln!("the logs of the node's programs are not kept: {error:#}");
            }
            Ok(failed)
        };
        let failed = self.with_node(extent, |enter| whole(enter, &[]))?;
        let again = match failed.len() {
            0 => return Ok(()),
            1..=ONCE_MORE => {
                eprintln!("once more, on a new node: {}", failed.join(", "));
                self.with_node(extent, |enter| whole(enter, &failed))?
            }
            _ => failed.clone(),
        };
        if !again.is_empty() {
            bail!("failed: {}", again.join(", "));
        }
        self.unsteady.borrow_mut().extend(failed.iter().map(|test| format!("{suite}: {test}")));
        Ok(())
    }

    /// Runs `work` with a cargo within the network of a node, which is stopped in any case.
    fn with_node<T>(
        &self,
        extent: &[&str],
        work: impl FnOnce(&dyn Fn() -> Command) -> Result<T>,
    ) -> Result<T> {
        let up = run_aside(kube::node(&["up", "--name", &self.node]).args(extent));
        let enter = || kube::node(&["enter", "--name", &self.node, "--", "cargo"]);
        let outcome = up.context("the node does not start").and_then(|()| work(&enter));
        let down = run_aside(&mut kube::node(&["down", "--name", &self.node]));
        outcome.and_then(|outcome| down.context("the node does not stop").map(|()| outcome))
    }

    /// Keeps the logs of the node's programs beyond its end, in the cache: those of the last run that failed.
    fn keep_logs(&self) -> Result<()> {
        let kept = cache().join("node-logs");
        if kept.exists() {
            std::fs::remove_dir_all(&kept)?;
        }
        std::fs::create_dir_all(&kept)?;
        eprintln!("the logs of the node's programs are kept in {}", kept.display());
        for entry in std::fs::read_dir(cache().join("nodes").join(&self.node).join("log"))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            if path.extension().is_some_and(|extension| extension == "log") {
                std::fs::copy(&path, kept.join(name))?;
            }
        }
        Ok(())
    }
}
