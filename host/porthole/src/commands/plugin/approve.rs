//! `porthole plugin approve`: approves what tools may read, in the words of the configuration and in a lock.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, process::ExitCode, sync::Arc, time::SystemTime};

use anyhow::Context;
use porthole_cluster::{ApiServer, Cluster};
use porthole_contract::{Credential, ToolName, controls_display, describe_rules};
use porthole_guard::{Guard, NamedKinds};
use porthole_tools::{Approval, ApprovalLock, ApprovalText, Approvals, Loader, Tool};

use super::{open, printable};
use crate::{cli::ClusterArgs, demo::Demo, wiring};

/// Bytes of a user's name that are kept.
const MAX_USER: usize = 64;

/// Max kinds or groups that are named one by one.
const MAX_NAMED: usize = 12;

/// Kinds for which an approved `*` is to stand.
#[derive(Clone, Copy)]
pub(super) enum Star<'a> {
    /// Those that this cluster serves now.
    Discovered(&'a ClusterArgs),
    /// Those that an earlier approval names; any if none does.
    Earlier,
    /// Any.
    Any,
}

pub(super) async fn approve(
    files: &[PathBuf],
    star: Star<'_>,
    lock: Option<ApprovalLock>,
    configured: &Approvals,
    loader: &Loader,
) -> anyhow::Result<ExitCode> {
    let kinds = match star {
        Star::Discovered(cluster) => Some(Arc::new(kinds(cluster).await?)),
        Star::Earlier | Star::Any => None,
    };
    let note =
        Note { kinds, by: user(), at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string() };
    let mut approved: Vec<(ToolName, Approval)> = Vec::new();
    for file in files {
        let Some(wasm) = open(file, loader).await? else { return Ok(ExitCode::FAILURE) };
        let tool = match loader.load_open(file, &wasm).await {
            Ok(tool) => tool,
            Err(reason) => {
                println!("{} would not be served: {reason}", printable(file));
                return Ok(ExitCode::FAILURE);
            }
        };
        approved.push((tool.description.name.clone(), note.approval(&tool)));
    }
    let has_star = |(_, approval): &(ToolName, Approval)| approval.reads.has_star();
    if matches!(star, Star::Earlier)
        && lock.is_none()
        && configured.is_empty()
        && approved.iter().any(has_star)
    {
        eprintln!(
            "no earlier approval was read, so kinds that one names are not kept: give --lock or --config, or --kinds"
        );
    }
    let before = write(lock.as_ref(), &mut approved, star, configured)?;
    let entries: Vec<ApprovalText> =
        approved.iter().map(|(tool, approval)| ApprovalText::of(tool, approval)).collect();
    print!("{}", serde_saphyr::to_string(&entries)?);
    for (tool, approval) in &approved {
        let reads = describe_rules(approval.reads.rules());
        let excess = before.get(tool).and_then(|before| before.reads.excess(&approval.reads));
        let addition = excess.map(|excess| format!(" ({excess} in addition)")).unwrap_or_default();
        let kinds = describe_kinds(approval, star, earlier_kinds(tool, &before, configured));
        eprintln!("approved by {}: {tool} {} may {reads}{addition}{kinds}", note.by, approval.version);
    }
    Ok(ExitCode::SUCCESS)
}

/// Kinds that the approval of the lock names, or else the one of the configuration.
fn earlier_kinds<'a>(
    tool: &ToolName,
    locked: &'a Approvals,
    configured: &'a Approvals,
) -> Option<&'a Arc<NamedKinds>> {
    [locked, configured].into_iter().find_map(|approvals| approvals.get(tool)?.kinds.as_ref())
}

/// Says for which kinds the `*` of an approval stands, and why.
fn describe_kinds(approval: &Approval, star: Star<'_>, earlier: Option<&Arc<NamedKinds>>) -> String {
    match (&approval.kinds, star) {
        (Some(kinds), Star::Discovered(_)) => {
            let changes = earlier.map(|earlier| (kinds.beyond(earlier), earlier.beyond(kinds)));
            let (new, gone) = changes.unwrap_or_default();
            let (new, gone) = (describe_change("new", &new), describe_change("no longer", &gone));
            format!(", of the {} kinds that the cluster serves now{new}{gone}", kinds.count())
        }
        (Some(kinds), _) => format!(
            ", of the {} kinds that its earlier approval names (--kinds names those of now, --any-kind drops them)",
            kinds.count()
        ),
        (None, Star::Discovered(_)) => "; it has no `*`, so --kinds names none of its kinds".to_owned(),
        (None, _) if earlier.is_some() && !approval.reads.has_star() => {
            "; it has no `*`, so the kinds that its earlier approval names are dropped".to_owned()
        }
        (None, _) if approval.reads.has_star() => {
            ", also of kinds that are installed later (--kinds names those of a cluster)".to_owned()
        }
        (None, _) => String::new(),
    }
}

/// Names of kinds that came or went.
fn describe_change(what: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; {what}: {}", describe_list(names)) }
}

/// The first names of a list, and how many others there are.
fn describe_list(names: &[String]) -> String {
    let (named, more) = names.split_at(names.len().min(MAX_NAMED));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    format!("{}{more}", named.join(", "))
}

/// What an approval says beside the tool.
struct Note {
    /// Kinds for which `*` stands.
    kinds: Option<Arc<NamedKinds>>,
    by: String,
    at: String,
}

impl Note {
    fn approval(&self, tool: &Tool) -> Approval {
        let reads = Arc::clone(&tool.description.grant);
        Approval {
            version: tool.description.version.clone(),
            digest: tool.digest,
            kinds: self.kinds.clone().filter(|_| reads.has_star()),
            reads,
            by: self.by.clone(),
            at: self.at.clone(),
        }
    }
}

/// Kinds that the cluster serves now, as its kubeconfig's account or the pod's sees them.
async fn kinds(cluster: &ClusterArgs) -> anyhow::Result<NamedKinds> {
    let demo = match &cluster.demo {
        Some(folder) => Some(Demo::start(folder.as_deref(), None).await?),
        None => None,
    };
    let server = ApiServer::for_host(&wiring::source(demo.as_ref(), cluster)).await?;
    let guard = Guard::new(Arc::new(Cluster::new(server)), Arc::default());
    let kinds = guard.kinds(&Credential::Connection).await;
    let (kinds, stale) = kinds
        .map_err(|failure| anyhow::anyhow!("--kinds: {}", porthole_contract::Printable(&failure.message)))?;
    if !stale.is_empty() {
        let stale = describe_list(&stale);
        eprintln!(
            "--kinds: the API server of these groups did not answer, so kinds of theirs may be missing: {stale}"
        );
    }
    Ok(kinds)
}

/// Writes approvals into the lock, if there is one, with the kinds that they keep of those before; returns these.
fn write(
    lock: Option<&ApprovalLock>,
    approved: &mut [(ToolName, Approval)],
    star: Star<'_>,
    configured: &Approvals,
) -> anyhow::Result<Approvals> {
    let keep_kinds = |before: &Approvals, approved: &mut [(ToolName, Approval)]| {
        for (tool, approval) in approved {
            if matches!(star, Star::Earlier) && approval.reads.has_star() {
                approval.kinds = earlier_kinds(tool, before, configured).cloned();
            }
        }
    };
    let (mut before, mut fits) = (Approvals::default(), true);
    let Some(lock) = lock else {
        keep_kinds(&before, approved);
        return Ok(before);
    };
    // Under the turn of the lock: what is kept is what is replaced.
    let changed = lock.change(|approvals| {
        before = approvals.clone();
        keep_kinds(&before, approved);
        for (tool, approval) in approved.iter() {
            fits &= approvals.insert(tool.clone(), approval.clone());
        }
    });
    changed.with_context(|| format!("--lock {}", printable(lock.path())))?;
    anyhow::ensure!(fits, "--lock {}: it has no room for more names; take some out", printable(lock.path()));
    Ok(before)
}

/// The user of the operating system that runs this command: its name, if it has one, and its number. Variables of the
/// environment could say anything.
fn user() -> String {
    let Ok(process) = fs::metadata("/proc/self") else { return "unknown".to_owned() };
    let number = process.uid();
    let name = fs::read_to_string("/etc/passwd").ok().and_then(|accounts| {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
        })
    });
    match name.filter(|name| name.len() <= MAX_USER && !name.chars().any(controls_display)) {
        Some(name) => format!("{name} (uid {number})"),
        None => format!("uid {number}"),
    }
}

#[cfg(test)]
mod tests {
    use porthole_contract::{Digest, ReadRule, Verb, Version};
    use porthole_guard::Grant;

    use super::*;

    fn approval(resource: &str, kinds: Option<&[&str]>) -> Approval {
        let rule = ReadRule::parse(vec!["*".to_owned()], vec![resource.to_owned()], [Verb::Get]).unwrap();
        let kinds = kinds.map(|names| Arc::new(NamedKinds::parse(names.iter().copied()).unwrap()));
        let (version, digest) = (Version::parse("1.0.0").unwrap(), Digest::new([1; 32]));
        let reads = Arc::new(Grant::new(vec![rule]));
        Approval { version, digest, reads, kinds, by: String::new(), at: String::new() }
    }

    #[test]
    fn an_approval_keeps_the_kinds_of_the_one_before_it_unless_any_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let tool = ToolName::parse("tool").unwrap();
        let named = |approval: &Approval| approval.kinds.as_ref().map(|kinds| kinds.names().join(" "));
        let with = |kinds: Option<&[&str]>| {
            let mut approvals = Approvals::default();
            assert!(approvals.insert(tool.clone(), approval("*", kinds)));
            approvals
        };
        let (none, pods) = (Approvals::default(), with(Some(&["pods"])));
        for (number, (locked, configured, star, expected)) in [
            (&pods, &none, Star::Earlier, Some("pods")),
            (&pods, &with(Some(&["jobs.batch"])), Star::Earlier, Some("pods")),
            (&with(None), &pods, Star::Earlier, Some("pods")),
            (&none, &none, Star::Earlier, None),
            (&pods, &pods, Star::Any, None),
        ]
        .into_iter()
        .enumerate()
        {
            let lock = ApprovalLock::new(folder.path().join(number.to_string()));
            lock.change(|approvals| *approvals = locked.clone()).unwrap();
            let mut approved = [(tool.clone(), approval("*", None))];
            assert_eq!(write(Some(&lock), &mut approved, star, configured).unwrap(), *locked);
            let written = lock.read().unwrap().unwrap();
            assert_eq!(written.get("tool"), Some(&approved[0].1), "what is printed is what was written");
            assert_eq!(named(&approved[0].1).as_deref(), expected, "{number}");
        }
        let mut printed = [(tool.clone(), approval("*", None))];
        write(None, &mut printed, Star::Earlier, &pods).unwrap();
        assert_eq!(named(&printed[0].1).as_deref(), Some("pods"), "of the configuration");
    }

    #[test]
    fn an_operator_is_told_for_which_kinds_a_star_stands() {
        let cluster =
            ClusterArgs { kubeconfig: None, context: None, service_account: PathBuf::new(), demo: None };
        let many: Vec<String> = (10..40).map(|number| format!("kind-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let many = many.as_slice();
        let earlier = |names: &[&str]| Some(Arc::new(NamedKinds::parse(names.iter().copied()).unwrap()));
        let now = Star::Discovered(&cluster);
        for (kinds, star, earlier, expected) in [
            (Some(many), now, None, ", of the 30 kinds that the cluster serves now"),
            (Some(many), now, earlier(many), ", of the 30 kinds that the cluster serves now"),
            (
                Some(many),
                now,
                earlier(&many[1..]),
                ", of the 30 kinds that the cluster serves now; new: kind-10",
            ),
            (
                Some(many),
                now,
                earlier(&["pods"]),
                "; new: kind-10, kind-11, kind-12, kind-13, kind-14, kind-15, kind-16, kind-17, kind-18, kind-19, kind-20, kind-21 and 18 more; no longer: pods",
            ),
            (
                Some(many),
                Star::Earlier,
                earlier(many),
                ", of the 30 kinds that its earlier approval names (--kinds",
            ),
            (None, Star::Any, earlier(many), ", also of kinds that are installed later"),
            (None, Star::Earlier, None, ", also of kinds that are installed later"),
        ] {
            let told = describe_kinds(&approval("*", kinds), star, earlier.as_ref());
            assert!(told.contains(expected) && told.contains("new:") == expected.contains("new:"), "{told}");
        }
    }
}
