//! Logs of pods beside the files that the container runtime wrote.

use std::path::PathBuf;

use porthole_testbed::node;
use serde_json::{Value, json};

use super::{STEADY, Stage};
use crate::until;

/// Files of a container's runs, the oldest first; those that were rotated behind the one that is written to.
fn files(stage: &Stage, pod: &str, container: &str) -> Result<Vec<PathBuf>, String> {
    // Of the first Kubernetes node, and of the second.
    let folders = ["log/pods".to_owned(), format!("{}/log/pods", node::name(2))]
        .map(|pods| stage.node.folder().join(pods));
    let folder = folders
        .iter()
        .filter_map(|pods| std::fs::read_dir(pods).ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&format!("truth_{pod}_")))
        .ok_or_else(|| format!("no logs of {pod}"))?
        .join(container);
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    Ok(runs)
}

/// Text that a container wrote in a run: the runtime's lines are `time stream F|P text`, and P is continued by the next.
fn written(file: &PathBuf) -> String {
    let mut text = String::new();
    for line in String::from_utf8(std::fs::read(file).unwrap()).unwrap().split_terminator('\n') {
        let mut parts = line.splitn(4, ' ').skip(2);
        let is_partial = parts.next() == Some("P");
        text.push_str(parts.next().unwrap_or_default());
        if !is_partial {
            text.push('\n');
        }
    }
    text
}

/// Lines of an answer without those that the tool adds around a log.
fn lines(answer: &str) -> Vec<&str> {
    answer.lines().filter(|line| !line.starts_with("[read ") && !line.starts_with("(container ")).collect()
}

async fn ended(stage: &Stage, pod: &str) {
    until(&format!("{pod} has ended"), STEADY, async || {
        let phase = stage.kubectl(&format!("get pod -n truth {pod} -o jsonpath={{.status.phase}}"));
        if phase == "Succeeded" { Ok(()) } else { Err(phase) }
    })
    .await;
}

async fn log(stage: &Stage, arguments: Value) -> String {
    let mut arguments = arguments;
    arguments["namespace"] = "truth".into();
    stage.call("pods_log", arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_are_those_of_the_file() {
    let stage = &Stage::get().await;
    ended(stage, "writer").await;
    let file = written(&files(stage, "writer", "app").unwrap()[0]);
    let answer = log(stage, json!({"name": "writer"})).await;
    assert!(answer.contains("red") && !answer.contains('\u{1b}'), "no escapes of a terminal: {answer:?}");
    let (file, shown): (Vec<&str>, Vec<&str>) = (file.lines().collect(), lines(&answer));
    assert_eq!(file.len(), 6, "{file:?}");
    assert_eq!(shown.len(), file.len(), "each line is one, a long one is cut: {answer}");
    assert_eq!(&shown[1..3], &file[1..3]);
    assert_eq!(&shown[4..], &file[4..], "what is behind the long line");
    assert!(shown[3].starts_with("xxxx") && shown[3].len() < 5000, "{} bytes", shown[3].len());
    for (more, expected) in [
        (json!({"tail": 2}), &file[4..]),
        (json!({"grep": "behind|plain"}), &[file[2], file[4]][..]),
        (
            json!({"grep": "x", "grepInvert": true, "exclude": "red"}),
            &[file[1], file[2], file[4], file[5]][..],
        ),
    ] {
        let mut arguments = more.clone();
        arguments["name"] = "writer".into();
        let answer = log(stage, arguments).await;
        let shown: Vec<&str> = lines(&answer).into_iter().filter(|line| !line.contains("; read ")).collect();
        assert_eq!(shown, expected, "{more}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_container_and_run_has_its_own_log() {
    let stage = &Stage::get().await;
    until("the second run", STEADY, async || {
        let answer = log(stage, json!({"name": "twice"})).await;
        if answer.contains("this is run 1") { Ok(()) } else { Err(answer) }
    })
    .await;
    let runs: Vec<String> = files(stage, "twice", "app").unwrap().iter().map(written).collect();
    assert_eq!(runs, ["this is run 0\n", "this is run 1\n"]);
    let before = log(stage, json!({"name": "twice", "previous": true})).await;
    assert_eq!(lines(&before), ["this is run 0"], "{before}");
    let both = log(stage, json!({"name": "twice", "bothRuns": true})).await;
    assert!(both.contains("this is run 0") && both.contains("this is run 1"), "{both}");
    until("the sidecar's pod runs", STEADY, async || {
        let answer = log(stage, json!({"name": "sidecar"})).await;
        if answer.contains("the app") { Ok(()) } else { Err(answer) }
    })
    .await;
    for (container, expected) in [("first", "the first container"), ("beside", "beside"), ("app", "the app")]
    {
        // The app may write before the container beside it has.
        until(&format!("{container} has logged its line"), STEADY, async || {
            let answer = log(stage, json!({"name": "sidecar", "container": container})).await;
            if lines(&answer) == [expected] { Ok(()) } else { Err(answer) }
        })
        .await;
        let files = files(stage, "sidecar", container).unwrap();
        assert_eq!(written(&files[0]), format!("{expected}\n"));
    }
    let all = log(stage, json!({"name": "sidecar", "container": "*"})).await;
    for text in ["the first container", "beside", "the app"] {
        assert!(all.contains(text), "no {text}: {all}");
    }
    let unknown = log(stage, json!({"name": "sidecar", "container": "none"})).await;
    assert!(unknown.starts_with("ERROR: ") && unknown.contains("beside"), "{unknown}");
}

/// The log of an earlier run may be deleted before the next one ends; the kubelet then sends a sentence in its place.
#[tokio::test(flavor = "multi_thread")]
async fn the_kubelets_words_are_never_taken_for_a_log() {
    let stage = &Stage::get().await;
    for pod in ["init-crash", "init-missing", "half", "silent", "crowd"] {
        for previous in [false, true] {
            for container in [None, Some("first"), Some("*")] {
                let name = if pod == "silent" || pod == "crowd" {
                    format!("deployment/{pod}")
                } else {
                    pod.to_owned()
                };
                let answer =
                    log(stage, json!({"name": name, "previous": previous, "container": container})).await;
                assert!(
                    !answer.contains("unable to retrieve container logs"),
                    "{pod} {previous} {container:?}: {answer}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_is_told_with_its_reason() {
    let stage = &Stage::get().await;
    for (pod, expected, misleading) in [
        ("deployment/silent", "exit code 1", "no answer"),
        ("half", "exit code", "no answer"),
        ("deployment/crowd", "Pending", "has not logged any message yet"),
        ("init-missing", "Init:", "has not logged any message yet"),
        ("gated", "SchedulingGated", "has not logged any message yet"),
        ("no-config", "CreateContainerConfigError", "has not logged any message yet"),
        ("no-image", "ErrImageNeverPull", "has not logged any message yet"),
    ] {
        until(pod, STEADY, async || {
            let answer = log(stage, json!({"name": pod})).await;
            if answer.contains(expected) && !answer.contains(misleading) { Ok(()) } else { Err(answer) }
        })
        .await;
    }
    let crowd = log(stage, json!({"name": "deployment/crowd"})).await;
    assert!(crowd.matches("Pending").count() < 4, "one reason is told once: {crowd}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_ninety_megabytes_is_searched_to_its_first_line() {
    let stage = &Stage::get().await;
    ended(stage, "long").await;
    let files = files(stage, "long", "app").unwrap();
    assert_eq!(files.len(), 1, "it is not rotated: {files:?}");
    let file = written(&files[0]);
    assert!(file.len() > 90_000_000, "{} bytes", file.len());
    let found = log(stage, json!({"name": "long", "grep": "THE NEEDLE"})).await;
    assert!(found.starts_with("the needle\n[1 match, "), "{found}");
    assert!(found.contains(&format!("lines 1 to {}", file.lines().count())), "{found}");
    let none = log(stage, json!({"name": "long", "grep": "no such text"})).await;
    assert!(none.contains(&format!("None of the {} lines read", file.lines().count())), "{none}");
    let last = log(stage, json!({"name": "long", "tail": 2})).await;
    let expected: Vec<&str> = file.lines().skip(file.lines().count() - 2).collect();
    assert_eq!(lines(&last), expected, "{last}");
    let cut = log(stage, json!({"name": "long", "grep": "1 yyy", "maxBytes": 4000})).await;
    assert!(cut.len() <= 4000, "{} bytes", cut.len());
    for line in lines(&cut).iter().filter(|line| line.contains('y') && !line.starts_with('[')) {
        assert!(
            file.contains(&format!("\n{line}\n")) || line.contains('…'),
            "half a line, and nothing says so: {line}"
        );
    }
    for more in [json!({"tail": 0}), json!({"sinceSeconds": 1})] {
        let mut arguments = more.clone();
        arguments["name"] = "long".into();
        let answer = log(stage, arguments).await;
        assert!(!answer.contains("has not logged any message yet"), "{more}: {answer}");
    }
}

/// The kubelet of the second node rotates at its default, 10 MiB; the API serves the newest file alone.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_rotated_log_the_newest_file_is_read_and_the_others_are_named() {
    let stage = &Stage::get().await;
    let all = until("the log is rotated", STEADY, async || {
        let files = files(stage, "rotated", "app")?;
        let newest = files.first().ok_or("no file yet")?;
        // Between two steps of a rotation there is none of this name.
        let lines = if newest.ends_with("0.log") { written(newest).lines().count() } else { 0 };
        if files.len() > 1 && lines > 2 { Ok(files) } else { Err(format!("{files:?}, {lines} lines")) }
    })
    .await;
    assert!(all[0].ends_with("0.log") && !written(&all[0]).contains("the needle"), "{all:?}");
    // A line is written every ten seconds.
    until("what is read is the newest file", STEADY, async || {
        let file = written(&all[0]);
        let searched = log(stage, json!({"name": "rotated", "grep": "the needle"})).await;
        let shown = log(stage, json!({"name": "rotated", "tail": 100_000})).await;
        let digest = log(stage, json!({"name": "rotated", "output": "digest"})).await;
        let kubectl = stage.kubectl("logs -n truth rotated");
        if written(&all[0]) != file {
            return Err("a line was written meanwhile".to_owned());
        }
        let (lines, bytes) = (file.lines().count(), file.len());
        let account = format!("read lines 1 to {lines}, bytes 1 to {bytes}, ");
        let unread = "not read: rotated files (not in the API)]\n";
        let none = format!("None of the {lines} lines read fits grep.\n[{account}");
        assert!(searched.starts_with(&none) && searched.ends_with(unread), "{none}\n{searched}");
        assert!(shown.contains(&account) && shown.ends_with(unread), "{account}\n{shown}");
        assert!(digest.contains(&account) && digest.contains("rotated files (not in the API)"), "{digest}");
        assert_eq!(kubectl, file, "kubectl reads no more");
        Ok(())
    })
    .await;
}
