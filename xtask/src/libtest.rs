//! A run of `cargo test` whose failed tests are known by name.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::shell::shown;

/// Heading of the names of failed tests, which end with an empty line. Without captured output it comes twice, the first
/// time with nothing below. libtest's JSON would name them too, but is unstable.
const HEADING: &str = "failures:";

/// Runs tests, and returns the names of those that failed; an error if it ended otherwise.
pub(crate) fn failed_tests(command: &mut Command) -> Result<Vec<String>> {
    let shown = shown(command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {shown}"))?;
    let mut names = Names::default();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        names.read(&line);
    }
    let status = child.wait()?;
    if !status.success() && names.failed.is_empty() {
        bail!("{shown} ended with {status}");
    }
    Ok(names.failed)
}

/// Names of failed tests in what libtest prints.
#[derive(Default)]
struct Names {
    failed: Vec<String>,
    is_list: bool,
}

impl Names {
    fn read(&mut self, line: &str) {
        match line.strip_prefix("    ") {
            _ if line == HEADING => self.is_list = true,
            Some(name) if self.is_list => self.failed.push(name.to_owned()),
            _ => self.is_list = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(output: &str) -> Vec<String> {
        let mut names = Names::default();
        output.lines().for_each(|line| names.read(line));
        names.failed
    }

    #[test]
    fn failed_tests_are_those_below_the_last_heading() {
        let output = "test a::one ... FAILED\n    not a name\n\nfailures:\n\nfailures:\n    a::one\n    b::two\n\ntest result: FAILED.\n    nor this\n";
        assert_eq!(names(output), ["a::one", "b::two"]);
    }

    #[test]
    fn nothing_failed() {
        assert_eq!(
            names("test a::one ... ok\n    a line of its own\n\ntest result: ok.\n"),
            Vec::<String>::new()
        );
    }
}
