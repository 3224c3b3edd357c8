//! Runs every command block of the README and of the pages in docs/ in order, as a new user would.
//!
//! Blocks of `sh` are commands. `cargo xtask test` runs this very test, so it is only searched for in CI; the demo runs
//! until its output was used; the remaining blocks form one script.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop with a panic")]

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use porthole_e2e::root;
use porthole_testbed::{cluster::Cluster, porthole::tools};

/// Serializes the tests, which both use the developer's cluster (a separate one: `$PORTHOLE_KUBE`).
static CLUSTER: Mutex<()> = Mutex::new(());

/// The pages whose commands are run, in the order in which a newcomer reads them: each builds on those before it.
const PAGES: [&str; 3] = ["README.md", "docs/trying.md", "docs/operating.md"];

/// Code blocks of a language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    markdown
        .split("\n```")
        .filter_map(|part| part.strip_prefix(language)?.strip_prefix('\n').map(str::to_owned))
        .collect()
}

/// Every code block, fenced or indented.
fn code(markdown: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in markdown.lines() {
        let fence = line.starts_with("```");
        if fence || fenced || line.starts_with("    ") {
            lines.push(line);
        }
        fenced ^= fence;
    }
    lines
}

#[test]
fn the_readme_says_the_same_in_both_languages() {
    let [english, chinese] =
        ["README.md", "README.zh.md"].map(|page| std::fs::read_to_string(root().join(page)).unwrap());
    assert!(code(&english).len() > 20);
    assert_eq!(code(&english), code(&chinese));
    // Figures, paths and names of both.
    let count = |text: &str, letter: char| text.matches(letter).count();
    assert_eq!(count(&english, '`'), count(&chinese, '`'), "the same names in code");
    assert_eq!(english.matches("](").count(), chinese.matches("](").count(), "the same links");
}

#[test]
fn the_readme_names_every_tool() {
    for page in ["README.md", "README.zh.md"] {
        let readme = std::fs::read_to_string(root().join(page)).unwrap();
        for file in std::fs::read_dir(tools()).unwrap() {
            let tool = file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
            assert!(readme.contains(&format!("`{tool}`")), "{page}: {tool}");
        }
    }
}

/// Guards against references to tests that were renamed or removed.
#[test]
fn the_security_page_names_tests_that_exist() {
    names_tests_that_exist("SECURITY.md");
}

/// As for the security page; the checks that it names are files, too.
#[test]
fn the_threat_model_names_tests_and_checks_that_exist() {
    names_tests_that_exist("docs/threat-model.md");
    let page = std::fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let checks: Vec<&str> =
        page.split('`').filter(|code| code.starts_with("host/") && code.ends_with(".rs")).collect();
    assert!(checks.len() > 20, "{checks:?}");
    for check in checks {
        assert!(root().join(check).is_file(), "{check}");
    }
}

fn names_tests_that_exist(page: &str) {
    let page = std::fs::read_to_string(root().join(page)).unwrap();
    let tests = root().join("tests/e2e/tests");
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains("::")) {
        let column = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in column.split('`').filter(|name| name.contains("::")) {
            if let Some(module) = name.strip_prefix("unit: ") {
                assert!(has_unit_tests(module), "{name}: no such module with tests");
                continue;
            }
            let (module, test) = name.split_once("::").unwrap();
            let files =
                ["suite/{}.rs", "{}.rs", "{}/main.rs"].map(|form| tests.join(form.replace("{}", module)));
            let text = files.iter().find_map(|file| std::fs::read_to_string(file).ok());
            let text = text.unwrap_or_else(|| panic!("{name}: no such file of tests"));
            // The attacks are in a table: their name, and the numbers of the review.
            let is_there = text.contains(&format!("fn {test}(")) || text.contains(&format!("    {test} ["));
            assert!(test == "*" || is_there, "{name}: no such test");
            named += 1;
        }
    }
    assert!(named > 15, "{named}");
}

/// Guards against names of files and functions that were renamed or moved: every file that ARCHITECTURE.md names
/// exists, and it holds the functions and types that are named right after it. Other `Type::function`s are somewhere in
/// the host.
#[test]
fn the_architecture_names_code_that_exists() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let host = sources(&root().join("host"));
    let mut named = 0;
    for line in page.lines().filter(|line| !line.starts_with("    ")) {
        let mut file: Option<(&str, String)> = None;
        // Every other piece is in backticks.
        let pieces: Vec<&str> = line.split('`').collect();
        for pair in pieces.chunks_exact(2) {
            let [between, token] = *pair else { continue };
            if token.contains('/') && token.ends_with(".rs") {
                let paths = [root().join("host").join(token), root().join(token)];
                let text = paths.iter().find_map(|path| std::fs::read_to_string(path).ok());
                file = Some((token, text.unwrap_or_else(|| panic!("{token}: no such file"))));
                named += 1;
                continue;
            }
            // A name belongs to the file before it unless other words stand between them.
            file = file.filter(|_| [" ", " and ", ", "].contains(&between));
            let is_name = token.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c));
            match &file {
                Some((path, text)) if is_name => assert!(declares(text, token), "{path} has no {token}"),
                None if is_name && token.contains("::") => {
                    assert!(host.iter().any(|text| declares(text, token)), "the host has no {token}");
                }
                _ => continue,
            }
            named += 1;
        }
    }
    assert!(named > 60, "{named}");
}

/// True if a source declares this function or type, or the function of this `Type::function` or `module::function`.
fn declares(text: &str, name: &str) -> bool {
    let has = |keyword: &str, name: &str| {
        text.match_indices(&format!("{keyword} {name}")).any(|(at, found)| {
            let next = text.get(at + found.len()..).and_then(|rest| rest.chars().next());
            next.is_none_or(|next| !next.is_alphanumeric() && next != '_')
        })
    };
    let declared = |name: &str| ["fn", "struct", "enum"].iter().any(|keyword| has(keyword, name));
    match name.rsplit_once("::") {
        Some((module, name)) if module.starts_with(char::is_lowercase) => declared(name),
        Some((ty, function)) => {
            has("fn", function) && ["impl", "struct", "enum"].iter().any(|of| has(of, ty))
        }
        None => declared(name),
    }
}

/// Texts of all sources in a folder.
fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

/// True if a module of the host, such as `cluster::shape::copy`, has tests.
fn has_unit_tests(module: &str) -> bool {
    let (name, path) = module.split_once("::").unwrap();
    let path = root().join("host").join(name).join("src").join(path.replace("::", "/"));
    let files = [path.with_extension("rs"), path.join("tests.rs")];
    files.iter().any(|file| {
        std::fs::read_to_string(file).is_ok_and(|text| text.contains("#[test]") || text.contains("::test]"))
    })
}

/// Runs the demo on a separate port, so that a developer's demo may run meanwhile.
#[test]
fn the_demo_prints_what_works_when_pasted() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(
        blocks(&readme, "sh").iter().any(|block| block.trim() == "cargo xtask demo"),
        "the README has the demo"
    );
    let _alone = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut demo = Command::new("cargo")
        .args(["xtask", "demo", "--listen", "127.0.0.1:18088"])
        .current_dir(root())
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    for line in BufReader::new(demo.stdout.take().unwrap()).lines() {
        printed.push_str(&line.unwrap());
        printed.push('\n');
        if printed.contains("Ctrl-C stops it") {
            break;
        }
    }
    let curl: String =
        printed.split("  3. ").nth(1).expect(&printed).lines().take(2).collect::<Vec<_>>().join("\n");
    let pasted = Command::new("bash").args(["-euc", &curl]).output().unwrap();
    let answer = String::from_utf8_lossy(&pasted.stdout).into_owned();
    for command in ["claude mcp add", "Dify", "Bearer"] {
        assert!(printed.contains(command), "{printed}");
    }
    // Ctrl-C reaches every process that the terminal has started.
    let interrupted = Command::new("kill").args(["-INT", "--", &format!("-{}", demo.id())]).status().unwrap();
    assert!(interrupted.success());
    let begun = Instant::now();
    while demo.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "Ctrl-C does not stop the demo");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        answer.contains("cart-5b8f7d9c64-mz7wl") && answer.contains("CrashLoopBackOff"),
        "{curl}\n{answer}"
    );
}

#[test]
fn every_other_block_runs() {
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let mut script = String::new();
    let mut commands = 0;
    for page in PAGES {
        let page = std::fs::read_to_string(root().join(page)).unwrap();
        for block in blocks(&page, "sh") {
            match block.trim() {
                "cargo xtask demo" => {}
                "cargo xtask test" => assert!(ci.contains("cargo xtask test")),
                block => {
                    commands += 1;
                    script.push_str(&format!("{block}\n"));
                }
            }
        }
    }
    assert!(commands >= 7, "{commands} blocks are not all that a newcomer runs");
    let _alone = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    let said = run_as_a_reader(&script, None);
    // The answer that the pages promise.
    assert!(said.contains("CrashLoopBackOff"), "{said}");
}

/// Only the pages in [`PAGES`] have commands: those of another page would never be run.
#[test]
fn no_other_page_has_commands() {
    for file in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let name = format!("docs/{}", path.file_name().unwrap().to_string_lossy());
        let commands = blocks(&std::fs::read_to_string(&path).unwrap(), "sh");
        assert!(commands.is_empty() || PAGES.contains(&name.as_str()), "{name}: {commands:?}");
    }
}

/// Runs both languages, which must have the same commands.
#[test]
fn every_block_of_the_page_about_dify_runs() {
    let pages = ["README.md", "README.zh.md"]
        .map(|page| blocks(&std::fs::read_to_string(root().join("deploy/dify").join(page)).unwrap(), "sh"));
    let [english, chinese] = pages;
    assert!(english.len() >= 2, "{english:?}");
    assert_eq!(english, chinese, "the two pages do not say the same");
    let cluster = Cluster::for_tests();
    let said = run_as_a_reader(&english.join("\n"), Some(&cluster.kubeconfig));
    let token =
        said.split("Bearer ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a token");
    porthole_testbed::accounts::remember(token);
    assert_eq!(token.split('.').count(), 3, "that is no token");
}

/// Output of a script, run from the repository's root by a shell with kubectl; it must succeed to its end.
fn run_as_a_reader(script: &str, kubeconfig: Option<&Path>) -> String {
    let script = format!("set -euo pipefail\ncd \"$ROOT\"\n{script}\necho; echo the end of the page\n");
    // Without kubectl on the machine, uses the one built for the tests.
    let kubectl = Cluster::for_tests().kubectl;
    let path = format!("{}:{}", std::env::var("PATH").unwrap(), kubectl.parent().unwrap().display());
    let mut shell = Command::new("bash");
    // Cargo's variables for this test must not reach the README's cargo, which would rebuild ring.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            shell.env_remove(name);
        }
    }
    if let Some(kubeconfig) = kubeconfig {
        shell.env("KUBECONFIG", kubeconfig);
    }
    let mut shell = shell
        .args(["-c", &script])
        .env("ROOT", root())
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = shell.stderr.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let mut said = String::new();
    shell.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let status = shell.wait().unwrap();
    let errors = errors.join().unwrap();
    assert!(status.success() && said.contains("the end of the page"), "{script}\n---\n{said}\n---\n{errors}");
    said
}
