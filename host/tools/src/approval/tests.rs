use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use porthole_contract::{ReadRule, Verb};

use super::*;
use crate::{Audit, FailurePolicy};

fn grant(resources: &[&str]) -> Arc<Grant> {
    let resources = resources.iter().map(|resource| (*resource).to_owned()).collect();
    Arc::new(Grant::new(vec![ReadRule::parse(vec![String::new()], resources, [Verb::Get]).unwrap()]))
}

pub(super) fn approval(version: &str, digest: u8, resources: &[&str]) -> Approval {
    Approval {
        version: Version::parse(version).unwrap(),
        digest: Digest::new([digest; 32]),
        reads: grant(resources),
        kinds: None,
        by: "jane (uid 1000)".to_owned(),
        at: "2026-11-29T10:00:00Z".to_owned(),
    }
}

fn decided(mode: ApprovalMode, given: &[&Approval], asked: &Approval) -> String {
    let name = ToolName::parse("tool").unwrap();
    let declared =
        Declaration { name: &name, version: &asked.version, digest: &asked.digest, reads: &asked.reads };
    match decide(mode, given, &declared) {
        Decision::Held(hold) => hold.to_string(),
        decision => format!("{decision:?}"),
    }
}

#[test]
fn what_goes_beyond_an_approval_is_held() {
    let locked = approval("1.2.0", 1, &["pods"]);
    let wider = "it asks for (get secrets) in addition to what is approved under its name";
    let older = "its version is lower than 1.2.0, which was let in before";
    for mode in [ApprovalMode::Wider, ApprovalMode::Always] {
        for (asked, expected) in [
            (approval("1.2.0", 1, &["pods"]), "Approved"),
            (approval("1.3.0", 2, &["pods"]), "Approved"),
            (approval("1.2.0", 2, &["pods"]), "Approved"),
            (approval("1.3.0", 2, &["pods", "secrets"]), wider),
            (approval("1.1.9", 2, &["pods"]), older),
            // The file that was approved, whatever it is called.
            (approval("1.1.9", 1, &["pods"]), "Approved"),
            // A digest alone lets nothing in: an entry may have been narrowed by hand.
            (approval("1.2.0", 1, &["pods", "secrets"]), wider),
        ] {
            assert_eq!(decided(mode, &[&locked], &asked), expected, "{mode:?} {asked:?}");
        }
    }
    let asked = approval("0.1.0", 3, &["secrets"]);
    assert_eq!(decided(ApprovalMode::None, &[&locked], &asked), "Approved");
    assert_eq!(decided(ApprovalMode::Wider, &[], &asked), "New");
    assert!(decided(ApprovalMode::Always, &[], &asked).contains("nothing is approved"));
}

#[test]
fn the_lock_and_the_configuration_approve_together_and_the_higher_version_counts() {
    let (locked, configured) = (approval("2.0.0", 1, &["pods"]), approval("1.0.0", 2, &["secrets"]));
    let given = [&locked, &configured];
    assert_eq!(decided(ApprovalMode::Wider, &given, &approval("2.1.0", 3, &["pods", "secrets"])), "Approved");
    assert!(
        decided(ApprovalMode::Wider, &given, &approval("1.5.0", 3, &["pods"])).contains("lower than 2.0.0")
    );
    assert_eq!(
        decided(ApprovalMode::Wider, &given, &approval("1.0.0", 2, &["secrets"])),
        "Approved",
        "named itself"
    );
}

fn of_kinds(approval: Approval, names: &[&str]) -> Approval {
    let kinds = NamedKinds::parse(names.iter().copied()).unwrap();
    Approval { kinds: Some(Arc::new(kinds)), ..approval }
}

#[test]
fn kinds_are_written_and_read_again_and_stand_beside_a_star_alone() {
    let mut approvals = Approvals::default();
    let star = of_kinds(approval("1.0.0", 1, &["*"]), &["pods", "jobs.batch"]);
    approvals.insert(name("tool"), star);
    let written = String::from_utf8(lock::render(&approvals)).unwrap();
    assert!(written.contains(r#""kinds":["pods","jobs.batch"]"#), "{written}");
    assert_eq!(lock::parse(written.as_bytes()), Ok(approvals));
    for (right, wrong, hint) in [
        (r#""jobs.batch""#, r#""*""#, "tool: kinds: \"*\" is not a kind"),
        (r#""pods","jobs.batch""#, "", "tool: kinds: no kind is named"),
        (r#"["pods","jobs.batch"]"#, "null", "invalid type: null"),
        (r#""*""#, r#""nodes""#, "tool: kinds: they would close nothing"),
    ] {
        let error = lock::parse(written.replacen(right, wrong, 1).as_bytes()).unwrap_err();
        assert!(error.contains(hint), "{error}");
    }
}

fn lock() -> (tempfile::TempDir, ApprovalLock, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.lock");
    (folder, ApprovalLock::new(path.clone()), path)
}

fn insert(lock: &ApprovalLock, name: &str, approval: Approval) {
    let name = ToolName::parse(name).unwrap();
    lock.change(|approvals| assert!(approvals.insert(name, approval))).unwrap();
}

#[test]
fn a_lock_is_read_as_it_was_written_and_replaced_whole() {
    let (folder, lock, path) = lock();
    assert_eq!(lock.read().unwrap(), None);
    insert(&lock, "one", approval("1.0.0", 1, &["pods", "pods/log", "*"]));
    std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
    insert(
        &ApprovalLock::new(folder.path().join("link")),
        "two",
        approval("1.0.0-rc.1", 2, &["nodes/proxy"]),
    );
    let read = lock.read().unwrap().unwrap();
    assert_eq!(read.get("one"), Some(&approval("1.0.0", 1, &["pods", "pods/log", "*"])));
    assert_eq!(read.get("two"), Some(&approval("1.0.0-rc.1", 2, &["nodes/proxy"])), "through a link");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing is left beside it: {names:?}");
}

#[test]
fn writers_of_one_lock_lose_nothing() {
    let (_folder, lock, _) = lock();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let lock = &lock;
            scope.spawn(move || {
                for n in 0..10 {
                    insert(lock, &format!("tool_{thread}_{n}"), approval("1.0.0", thread, &["pods"]));
                }
            });
        }
    });
    assert_eq!(lock.read().unwrap().unwrap().iter().count(), 40);
}

#[test]
fn a_lock_of_nonsense_is_refused_in_a_short_line_and_left_alone() {
    let (_folder, lock, path) = lock();
    insert(&lock, "tool", approval("1.0.0", 1, &["pods"]));
    let good = std::fs::read_to_string(&path).unwrap();
    for (damaged, hint) in [
        (String::new(), "EOF"),
        (good[..good.len() / 2].to_owned(), "EOF"),
        (good.replace("\"format\": 1", "\"format\": 2"), "format 2"),
        (good.replace("\"get\"", "\"watch\""), "\"watch\" is not get or list"),
        (good.replace("\"get\"", ""), "grants nothing"),
        (good.replace("\"pods\"", "\"pods/exec\""), "more than reading"),
        (good.replace("sha256:01", "sha256:zz"), "is not a digest"),
        (good.replace("\"1.0.0\"", "\"1 0\""), "is not a version"),
        (good.replace("\"tool\":\"tool\"", "\"tool\":\"To ol\""), "is not the name of a tool"),
        (good.replace("jane", "jane\\n{}\\u001b[2J"), "by is not one plain line"),
        (good.replace("\"by\"", "\"approvedBy\""), "approvedBy"),
    ] {
        std::fs::write(&path, &damaged).unwrap();
        let error = lock.read().unwrap_err().to_string();
        assert!(error.contains(hint) && error.len() < 500, "{damaged}: {error}");
        assert!(!error.chars().any(porthole_contract::controls_display), "{error:?}");
        assert!(lock.change(|approvals| *approvals = Approvals::default()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged, "it is the operator's to mend");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(lock.read().unwrap_err().to_string().contains("not a file"));
}

#[test]
fn approvals_are_bounded() {
    let mut approvals = Approvals::default();
    for n in 0..MAX_APPROVALS {
        assert!(approvals.insert(ToolName::parse(&format!("t{n}")).unwrap(), approval("1", 1, &["pods"])));
    }
    assert!(!approvals.insert(ToolName::parse("another").unwrap(), approval("1", 1, &["pods"])));
    assert!(approvals.insert(ToolName::parse("t7").unwrap(), approval("2", 1, &["pods"])), "not a new name");
    assert_eq!(lock::parse(&lock::render(&approvals)), Ok(approvals));
}

fn name(text: &str) -> ToolName {
    ToolName::parse(text).unwrap()
}

/// Host with a lock, with approvals of a configuration that a test can change, or with neither.
#[derive(Default)]
struct Host {
    mode: ApprovalMode,
    lock: Option<ApprovalLock>,
    /// File of the configuration, whose fingerprint changes with its length; and the approvals that it holds.
    configuration: Option<(PathBuf, Arc<Mutex<Approvals>>)>,
    audit: Audit,
}

impl Host {
    async fn start(&self) -> Admission {
        let source = self.configuration.clone().map(|(path, approvals)| ApprovalSource {
            path,
            read: Arc::new(move || Ok(approvals.lock().unwrap().clone())),
        });
        let approved = self.configuration.as_ref().map(|(_, approvals)| approvals.lock().unwrap().clone());
        let settings = ApprovalSettings {
            mode: self.mode,
            lock: self.lock.clone(),
            approved: approved.unwrap_or_default(),
            configured: source,
        };
        let mut admission = Admission::new(&settings, self.audit.clone());
        admission.refresh().await;
        admission
    }

    /// Edits the configuration.
    fn configure(&self, entries: &[(&str, &Approval)]) {
        let (path, approvals) = self.configuration.as_ref().unwrap();
        let entries = entries.iter().map(|(tool, approval)| (name(tool), (*approval).clone()));
        *approvals.lock().unwrap() = Approvals(entries.collect());
        let before = std::fs::read_to_string(path).unwrap_or_default();
        std::fs::write(path, before + "#").unwrap();
    }
}

fn configuration(folder: &Path) -> Option<(PathBuf, Arc<Mutex<Approvals>>)> {
    let path = folder.join("porthole.yaml");
    std::fs::write(&path, "").unwrap();
    Some((path, Arc::default()))
}

/// Decides about a file as `approval` describes it, and remembers it if it is served.
fn offer(admission: &mut Admission, tool: &str, file: &Approval) -> Decision {
    let name = name(tool);
    let declared =
        Declaration { name: &name, version: &file.version, digest: &file.digest, reads: &file.reads };
    let decision = admission.decide(&declared);
    if !matches!(decision, Decision::Held(_)) {
        admission.record(&declared);
    }
    decision
}

#[tokio::test]
async fn a_wider_file_is_held_also_after_a_restart_with_the_lock() {
    let (_folder, lock, _) = lock();
    let host = Host { lock: Some(lock), ..Host::default() };
    let (first, wider) = (approval("1.0.0", 1, &["pods"]), approval("1.1.0", 2, &["pods", "secrets"]));
    for held_before in [false, true] {
        let mut admission = host.start().await;
        let expected = if held_before { Decision::Approved } else { Decision::New };
        assert_eq!(offer(&mut admission, "tool", &first), expected);
        assert!(matches!(offer(&mut admission, "tool", &wider), Decision::Held(Hold::Wider(_))));
        admission.save().await;
    }
    // Nothing is served before it under that name.
    let mut admission = host.start().await;
    assert!(matches!(offer(&mut admission, "tool", &wider), Decision::Held(Hold::Wider(_))));
}

#[tokio::test]
async fn what_a_host_saw_first_is_no_approval_under_always() {
    let (_folder, lock, _) = lock();
    let host = Host { lock: Some(lock.clone()), ..Host::default() };
    let mut admission = host.start().await;
    assert_eq!(offer(&mut admission, "tool", &approval("1.0.0", 1, &["pods"])), Decision::New);
    admission.save().await;
    let host = Host { mode: ApprovalMode::Always, ..host };
    let mut admission = host.start().await;
    let file = approval("1.0.0", 1, &["pods"]);
    assert_eq!(offer(&mut admission, "tool", &file), Decision::Held(Hold::Unapproved));
    insert(&lock, "tool", file.clone());
    admission.refresh().await;
    assert_eq!(offer(&mut admission, "tool", &file), Decision::Approved);
}

#[tokio::test]
async fn a_version_below_one_that_was_served_is_held_although_the_configuration_approves_its_reads() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [ApprovalMode::Wider, ApprovalMode::Always] {
        let host = Host { mode, configuration: configuration(folder.path()), ..Host::default() };
        let approved = approval("1.2.0", 1, &["pods"]);
        host.configure(&[("tool", &approved)]);
        let mut admission = host.start().await;
        assert_eq!(offer(&mut admission, "tool", &approval("1.5.0", 2, &["pods"])), Decision::Approved);
        let lower = offer(&mut admission, "tool", &approval("1.3.0", 3, &["pods"]));
        assert!(matches!(lower, Decision::Held(Hold::Older(_))), "{lower:?}");
        // The file that was approved comes back, and so does the one that was served.
        assert_eq!(offer(&mut admission, "tool", &approved), Decision::Approved);
        assert_eq!(offer(&mut admission, "tool", &approval("1.5.0", 2, &["pods"])), Decision::Approved);
    }
}

#[tokio::test]
async fn a_name_whose_approval_is_taken_out_of_the_configuration_is_new_again_under_wider() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host { configuration: configuration(folder.path()), ..Host::default() };
    let (narrow, wider) = (approval("1.0.0", 1, &["pods"]), approval("1.1.0", 2, &["pods", "secrets"]));
    host.configure(&[("tool", &narrow)]);
    let mut admission = host.start().await;
    assert_eq!(offer(&mut admission, "tool", &narrow), Decision::Approved);
    assert!(matches!(offer(&mut admission, "tool", &wider), Decision::Held(Hold::Wider(_))));
    host.configure(&[]);
    assert!(admission.refresh().await, "another decision");
    assert_eq!(offer(&mut admission, "tool", &narrow), Decision::New);
    // From now on its reads are remembered.
    assert!(matches!(offer(&mut admission, "tool", &wider), Decision::Held(Hold::Wider(_))));
    assert_eq!(offer(&mut admission, "tool", &narrow), Decision::Approved);
}

/// True if a tool that is served may get this resource of the core group.
fn opens(admission: &Admission, tool: &str, file: &Approval, resource: &str) -> bool {
    let name = name(tool);
    let declared =
        Declaration { name: &name, version: &file.version, digest: &file.digest, reads: &file.reads };
    admission.bounded_grant(&declared).as_ref().unwrap_or(&file.reads).opens(Verb::Get, "", resource)
}

/// The attack: a version that `*` implies, so it is served at once, names a kind that the approval does not.
#[tokio::test]
async fn a_version_that_names_a_kind_reads_it_only_if_an_approval_names_it() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [ApprovalMode::Wider, ApprovalMode::Always, ApprovalMode::None] {
        let host = Host { mode, configuration: configuration(folder.path()), ..Host::default() };
        let star = of_kinds(approval("1.0.0", 1, &["*"]), &["pods"]);
        let both = of_kinds(approval("1.0.0", 1, &["*", "widgets"]), &["pods"]);
        for (approved, widgets_are_open) in [(star, mode == ApprovalMode::None), (both, true)] {
            host.configure(&[("tool", &approved)]);
            let mut admission = host.start().await;
            for (n, names) in [(1, &["*"][..]), (2, &["widgets"]), (3, &["*", "widgets"])] {
                let file = approval(&format!("1.0.{n}"), n, names);
                assert_eq!(offer(&mut admission, "tool", &file), Decision::Approved);
                assert_eq!(
                    opens(&admission, "tool", &file, "widgets"),
                    widgets_are_open,
                    "{mode:?} {names:?}"
                );
                assert_eq!(
                    opens(&admission, "tool", &file, "pods"),
                    names.contains(&"*"),
                    "{mode:?} {names:?}"
                );
                assert_eq!(opens(&admission, "tool", &file, "pods/log"), names.contains(&"*"));
                assert!(opens(&admission, "another", &file, "widgets"), "it has no approval");
            }
        }
    }
}

#[tokio::test]
async fn what_a_host_let_in_by_itself_is_no_approval_of_any_kind() {
    let (folder, lock, _) = lock();
    let host =
        Host { lock: Some(lock.clone()), configuration: configuration(folder.path()), ..Host::default() };
    let mut admission = host.start().await;
    let file = approval("1.0.0", 1, &["*", "widgets"]);
    assert_eq!(offer(&mut admission, "tool", &file), Decision::New);
    assert!(opens(&admission, "tool", &file, "secrets"));
    host.configure(&[("tool", &of_kinds(approval("1.0.0", 1, &["*"]), &["pods"]))]);
    for restarted in [false, true] {
        if restarted {
            admission.save().await;
            admission = host.start().await;
        } else {
            assert!(admission.refresh().await, "another decision");
        }
        assert_eq!(offer(&mut admission, "tool", &file), Decision::Approved);
        let open = ["pods", "widgets", "secrets"].map(|resource| opens(&admission, "tool", &file, resource));
        assert_eq!(open, [true, false, false], "what the host let in opens nothing; {restarted}");
    }
    // An operator's approval of any kind is one.
    insert(&lock, "tool", file.clone());
    admission.refresh().await;
    assert!(opens(&admission, "tool", &file, "secrets"));
}

#[tokio::test]
async fn an_operators_approval_beside_the_hosts_own_writing_takes_effect() {
    let (_folder, lock, _) = lock();
    let host = Host { lock: Some(lock.clone()), ..Host::default() };
    let mut admission = host.start().await;
    offer(&mut admission, "one", &approval("1.0.0", 1, &["pods"]));
    // After the lock was read, and before the host writes into it.
    insert(&lock, "two", approval("1.0.0", 2, &["secrets"]));
    assert!(admission.save().await, "another decision");
    assert_eq!(offer(&mut admission, "two", &approval("1.0.0", 2, &["secrets"])), Decision::Approved);
    assert!(!admission.save().await);
}

#[tokio::test]
async fn each_approval_that_takes_effect_is_one_line_of_the_audit_log() {
    let (folder, lock, _) = lock();
    insert(&lock, "of_the_lock", approval("1.0.0", 1, &["pods"]));
    let file = folder.path().join("audit");
    let host = Host {
        mode: ApprovalMode::Wider,
        lock: Some(lock.clone()),
        configuration: configuration(folder.path()),
        audit: Audit::file(&file, FailurePolicy::Refuse).unwrap(),
    };
    let configured = approval("2.0.0", 2, &["secrets"]);
    host.configure(&[("configured", &configured)]);
    let mut admission = host.start().await;
    offer(&mut admission, "first_seen", &approval("3.0.0", 3, &["nodes"]));
    // Neither the file that is served nor what was written by this host is told twice.
    offer(&mut admission, "first_seen", &approval("3.0.0", 3, &["nodes"]));
    admission.save().await;
    admission.refresh().await;
    insert(&lock, "while_it_runs", approval("4.0.0", 4, &["pods/log"]));
    host.configure(&[("configured", &configured), ("reviewed", &approval("5.0.0", 5, &["*"]))]);
    admission.refresh().await;
    host.audit.flush(Duration::from_secs(5)).await;
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| line["tool"].as_str().unwrap()).collect();
    assert_eq!(told, ["configured", "of_the_lock", "first_seen", "while_it_runs", "reviewed"], "{text}");
    let mut line = lines[1].clone();
    let audit = line.as_object_mut().unwrap().remove("audit").unwrap();
    assert!(text.starts_with("{\"audit\":\"") && audit.as_str().unwrap().ends_with('Z'), "{text}");
    let expected = serde_json::json!({
        "event": "approved", "tool": "of_the_lock", "version": "1.0.0", "digest": "01".repeat(32),
        "reads": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        "by": "jane (uid 1000)", "at": "2026-11-29T10:00:00Z",
    });
    assert_eq!(line, expected);
    assert_eq!(lines[2]["by"], "porthole, when it was first seen");
}
