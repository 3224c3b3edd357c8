//! Hand-made removals: each patch of `tests/removals` takes one check out of the host, and must fail its named test.
//!
//! A test that passes without the check that it is about would prove nothing. The patches are applied to a copy of the
//! sources, one after the other, and never to the sources themselves.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

use crate::shell::{command, root, target};

/// A patch with the test that it must fail.
struct Removal {
    name: String,
    file: PathBuf,
    /// Crate of the test, a unit test.
    package: String,
    test: String,
}

impl Removal {
    /// Reads a patch: before its first hunk stand a sentence, and the lines `crate: …` and `test: …`.
    fn read(file: PathBuf) -> Result<Self> {
        let text = std::fs::read_to_string(&file)?;
        let field = |name: &str| {
            let line = text.lines().take_while(|line| !line.starts_with("--- "));
            let value = line.filter_map(|line| line.strip_prefix(name)).next();
            value
                .map(|value| value.trim().to_owned())
                .with_context(|| format!("{}: no {name}", file.display()))
        };
        let (package, test) = (field("crate:")?, field("test:")?);
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, file, package, test })
    }

    /// All of them, in the order of their crates, or those whose names contain `only`.
    fn all(only: Option<&str>) -> Result<Vec<Self>> {
        let mut removals = Vec::new();
        for entry in std::fs::read_dir(root().join("tests/removals"))? {
            let file = entry?.path();
            if file.extension().is_some_and(|ending| ending == "patch") {
                removals.push(Self::read(file)?);
            }
        }
        removals.retain(|removal| only.is_none_or(|only| removal.name.contains(only)));
        removals.sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
        ensure!(!removals.is_empty(), "no removal is called that");
        Ok(removals)
    }

    /// Runs the test in the copy, and reports an error if it does not fail, or does not run.
    fn must_fail(&self, copy: &Copy) -> Result<()> {
        copy.patch(&self.file, &[])?;
        let outcome = copy.test(&self.package, &[&self.test]);
        copy.patch(&self.file, &["--reverse"])?;
        let output = outcome?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // A patch that does not compile fails no test.
        if text.contains(&format!("test {} ... FAILED", self.test)) {
            return Ok(());
        }
        if output.status.success() {
            bail!("{} passes without the check that {} takes out", self.test, self.name);
        }
        bail!("{} could not be run: {}", self.test, String::from_utf8_lossy(&output.stderr));
    }
}

/// A copy of the sources, which is kept between runs, so that cargo builds little of it anew.
struct Copy {
    folder: PathBuf,
    /// Target folder of the copy alone, kept with it: cargo hashes a path crate relative to its workspace, so in a target folder
    /// of other sources a test binary that was built from a patch would pass for theirs.
    target: PathBuf,
}

impl Copy {
    fn new() -> Result<Self> {
        let folder = target().join("removals");
        let listed =
            command("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output()?;
        ensure!(listed.status.success(), "git does not list the sources");
        let listed = String::from_utf8(listed.stdout)?;
        for name in listed.split('\0').filter(|name| !name.is_empty()) {
            copy_if_changed(&root().join(name), &folder.join(name)).with_context(|| name.to_owned())?;
        }
        Ok(Self { target: folder.join("target"), folder })
    }

    fn patch(&self, file: &Path, options: &[&str]) -> Result<()> {
        let mut git = Command::new("git");
        git.arg("apply").args(options).arg(file).current_dir(&self.folder);
        // In a repository git would take the patch's paths as those of that, and change nothing.
        git.env("GIT_CEILING_DIRECTORIES", self.folder.parent().unwrap_or(&self.folder));
        let output = git.output().context("cannot run git")?;
        let reason = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} no longer fits the sources: {reason}", file.display());
        Ok(())
    }

    /// Runs unit tests of one crate.
    fn test(&self, package: &str, tests: &[&str]) -> Result<Output> {
        let mut cargo = command("cargo", &["test", "--package", package, "--lib", "--target-dir"]);
        cargo.arg(&self.target).args(["--", "--exact"]).args(tests).current_dir(&self.folder);
        // Nobody debugs them, and they are a third as large.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo.output().context("cannot run cargo")
    }

    /// Runs the tests without any patch: they must pass, so that a failure is the patch's.
    fn must_pass(&self, removals: &[Removal]) -> Result<()> {
        for of_crate in removals.chunk_by(|a, b| a.package == b.package) {
            let Some(first) = of_crate.first() else { continue };
            let mut tests: Vec<&str> = of_crate.iter().map(|removal| removal.test.as_str()).collect();
            tests.sort_unstable();
            tests.dedup();
            let output = self.test(&first.package, &tests)?;
            let text = String::from_utf8_lossy(&output.stdout);
            let passed = format!("test result: ok. {} passed", tests.len());
            if !output.status.success() || !text.contains(&passed) {
                bail!(
                    "{}: not all of {tests:?} pass:\n{text}{}",
                    first.package,
                    String::from_utf8_lossy(&output.stderr)
                );
            }
        }
        Ok(())
    }
}

/// Copies a file, unless the copy is the same: cargo rebuilds what is newer. A file that was removed is no longer copied.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    if !from.is_file() {
        return Ok(());
    }
    let bytes = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|copied| copied == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(to, bytes)?)
}

/// Applies each removal, or those whose names contain `only`, and reports every one whose test passes without its check.
pub(crate) fn run(only: Option<&str>) -> Result<()> {
    let removals = Removal::all(only)?;
    let copy = Copy::new()?;
    copy.must_pass(&removals)?;
    let mut survivors = Vec::new();
    for removal in &removals {
        let begun = Instant::now();
        match removal.must_fail(&copy) {
            Ok(()) => eprintln!("{}: fails {} ({} s)", removal.name, removal.test, begun.elapsed().as_secs()),
            Err(error) => survivors.push(format!("{error:#}")),
        }
    }
    ensure!(
        survivors.is_empty(),
        "{} of {} removals:\n{}",
        survivors.len(),
        removals.len(),
        survivors.join("\n")
    );
    Ok(())
}
