use std::sync::Arc;

use porthole_contract::Verb::{self, Get, List};

use super::*;
use crate::{ApprovedReads, NamedKinds};

type Rule<'r> = (&'r [&'r str], &'r [&'r str], &'r [Verb]);

fn grant(rules: &[Rule<'_>]) -> Grant {
    let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let rule = |(groups, resources, verbs): &Rule<'_>| ReadRule {
        api_groups: own(groups),
        resources: own(resources),
        verbs: verbs.to_vec(),
    };
    Grant::new(rules.iter().map(rule).collect())
}

fn excess(locked: &[Rule<'_>], asked: &[Rule<'_>]) -> Option<String> {
    grant(locked).excess(&grant(asked)).map(|excess| excess.to_string())
}

#[test]
fn a_grant_implies_what_its_rules_open_and_names_the_rest() {
    let both: &[Verb] = &[Get, List];
    let pods: Rule<'_> = (&[""], &["pods"], both);
    let all: Rule<'_> = (&["*"], &["*"], both);
    let table: &[(&[Rule<'_>], &[Rule<'_>], Option<&str>)] = &[
        (&[pods], &[pods], None),
        (&[pods], &[], None),
        (&[], &[], None),
        (&[], &[pods], Some("get, list pods")),
        (&[pods], &[(&[""], &["pods"], &[List])], None),
        (&[(&[""], &["pods"], &[List])], &[pods], Some("get pods")),
        (&[pods], &[(&[""], &["pods", "secrets"], both)], Some("get, list secrets")),
        (&[pods], &[(&[""], &["pods/log"], &[Get])], Some("get pods/log")),
        (&[(&[""], &["pods/log"], &[Get])], &[(&[""], &["pods"], &[Get])], Some("get pods")),
        (&[pods], &[(&["metrics.k8s.io"], &["pods"], &[List])], Some("list pods.metrics.k8s.io")),
        // Spread over rules, each of which opens a part.
        (&[(&[""], &["pods"], &[Get]), (&[""], &["pods"], &[List])], &[pods], None),
        (
            &[pods, (&["apps"], &["deployments"], both)],
            &[(&["", "apps"], &["pods"], &[Get])],
            Some("get pods.apps"),
        ),
        // A star is implied by a star alone, and implies every name but the kubelet's.
        (&[all], &[pods, (&["apps"], &["deployments", "*"], both)], None),
        (&[all], &[all], None),
        (&[all], &[(&[""], &["nodes/proxy"], &[Get])], Some("get nodes/proxy")),
        (&[(&[""], &["nodes/proxy"], &[Get])], &[(&[""], &["nodes/proxy"], &[Get])], None),
        (&[pods], &[all], Some("get, list any kind")),
        (&[(&["*"], &["pods"], both)], &[(&["apps"], &["pods"], both)], None),
        (&[(&["*"], &["pods"], both)], &[(&["*"], &["secrets"], &[Get])], Some("get secrets.*")),
        (&[(&["apps"], &["*"], both)], &[(&["*"], &["*"], both)], Some("get, list any kind")),
        (&[(&["apps"], &["*"], both)], &[(&[""], &["*"], &[Get])], Some("get *")),
        (&[(&["apps"], &["*"], both)], &[(&["apps"], &["deployments/scale"], &[Get])], None),
    ];
    for (locked, asked, expected) in table {
        assert_eq!(excess(locked, asked).as_deref(), *expected, "{locked:?} for {asked:?}");
    }
}

#[test]
fn a_declaration_of_millions_of_reads_is_compared_at_once() {
    let names: Vec<String> = (0..2000).map(|n| format!("a{n}")).collect();
    let vast = |extra: &[&str]| {
        let resources =
            names.iter().map(String::as_str).chain(extra.iter().copied()).map(str::to_owned).collect();
        Grant::new(vec![ReadRule { api_groups: names.clone(), resources, verbs: vec![Get, List] }])
    };
    assert_eq!(vast(&[]).excess(&vast(&[])), None);
    let excess = vast(&[]).excess(&vast(&["secrets"])).unwrap();
    assert_eq!((excess.rules().len(), excess.to_string().as_str()), (1, "get, list a0.a0 and more"));
    // Many rules, each of them small enough.
    let many = |n: usize| {
        Grant::new(vec![ReadRule {
            api_groups: vec![String::new()],
            resources: names[..n].to_vec(),
            verbs: vec![Get],
        }])
    };
    // Names as long as they may be: a reason stays short.
    let long = format!("{0}.{0}.{0}", "a".repeat(63));
    let group = |n: usize| format!("{n}.{long}");
    let resources = vec![format!("{0}/{0}", "b".repeat(63))];
    let asked = ReadRule { api_groups: (0..20).map(group).collect(), resources, verbs: vec![Get, List] };
    let excess = Grant::default().excess(&Grant::new(vec![asked])).unwrap().to_string();
    assert!(excess.len() < 600 && excess.ends_with(" and more"), "{excess}");
    let excess = many(1).excess(&many(500)).unwrap();
    assert_eq!((excess.rules().len(), excess.more), (MAX_NAMED, true));
}

/// The attack: the author orders the declaration, or makes it too large to be compared.
#[test]
fn what_is_sensitive_is_named_before_any_number_of_decoys() {
    let names: Vec<String> = (0..2_000).map(|n| format!("a{n}")).collect();
    let decoys: Vec<&str> = names.iter().map(String::as_str).collect();
    let long = "a".repeat(253);
    let both: &[Verb] = &[Get, List];
    let few: Rule<'_> = (&[""], &decoys[..40], both);
    for (asked, first) in [
        (
            &[few, (&[""], &["configmaps", "secrets"], &[Get])][..],
            "get secrets; get configmaps; get, list a0; ",
        ),
        (&[few, (&[""], &["pods/log", "nodes/proxy"], both)], "get, list nodes/proxy; get, list pods/log; "),
        (&[few, (&["helm.sh"], &["releases"], both)], "get, list releases.helm.sh; "),
        (
            &[few, (&["*"], &["secrets"], &[Get]), (&["*"], &["*"], both)],
            "get, list any kind; get secrets.*; ",
        ),
        // A star of a group of the author's own is a decoy, too.
        (&[(&decoys[..40], &["*"], both), (&[""], &["secrets"], &[List])], "list secrets; "),
        (&[(&[""], &[&long], &[Get]), few, (&[""], &["secrets"], &[List])], "list secrets; "),
        // Again and again, by other verbs.
        (
            &[few, (&[""], &["secrets"], &[Get]), (&[""], &["secrets"], &[List, Get, List])],
            "get, list secrets; ",
        ),
        // Beyond what is compared.
        (&[(&[""], &decoys, both), (&decoys, &decoys, both), (&[""], &["secrets"], &[Get])], "get secrets; "),
        (&[(&["b", "c", ""], &[&decoys[..], &["secrets"]].concat(), both)], "get, list secrets and more"),
    ] {
        let excess = excess(&[], asked).unwrap();
        assert!(excess.starts_with(first) && excess.ends_with(" and more"), "{first}: {excess}");
    }
    // An approved read is not named.
    let large: Rule<'_> = (&["b", "c", ""], &[&decoys[..], &["secrets"]].concat(), both);
    assert_eq!(excess(&[(&[""], &["secrets"], both)], &[large]).unwrap(), "get, list a0.b and more");
}

/// Random numbers (xorshift), the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }

    fn some(&mut self, of: &[&str]) -> Vec<String> {
        (0..=self.below(2)).map(|_| of[self.below(of.len())].to_owned()).collect()
    }

    fn grant(&mut self) -> Grant {
        let rules = (0..self.below(4)).map(|_| ReadRule {
            api_groups: self.some(&["", "apps", "batch", "*"]),
            resources: self.some(&["pods", "pods/log", "secrets", "nodes/proxy", "*"]),
            verbs: [&[Get][..], &[List], &[Get, List]][self.below(3)].to_vec(),
        });
        Grant::new(rules.collect())
    }
}

fn approved(reads: &Grant, kinds: &[String]) -> ApprovedReads {
    let kinds = NamedKinds::parse(kinds.iter().map(String::as_str)).unwrap();
    ApprovedReads { reads: Arc::new(reads.clone()), kinds: Some(Arc::new(kinds)) }
}

/// Reads that rules open by name alone.
fn without_stars(grant: &Grant) -> Grant {
    let mut rules = grant.rules.clone();
    for rule in &mut rules {
        rule.api_groups.retain(|group| group != ALL);
        rule.resources.retain(|resource| resource != ALL);
    }
    Grant::new(rules)
}

/// Name of a resource's kind.
fn name(group: &str, resource: &str) -> String {
    let plural = resource.split('/').next().unwrap();
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

/// The promise of an approval, by the guard's own check: an implied grant opens no read that the approved one did not,
/// and a grant that is not implied names one.
#[test]
fn what_is_implied_opens_no_read_that_the_approved_grant_did_not() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut implied, mut refused, mut narrowed) = (0, 0, 0);
    for _ in 0..4_000 {
        let (locked, asked) = (dice.grant(), dice.grant());
        let mut beyond = Vec::new();
        let kinds = dice.some(&["pods", "secrets", "pods.apps", "widgets.example.com"]);
        let bounded = asked.within([approved(&locked, &kinds)].into());
        let by_name = without_stars(&locked);
        for group in ["", "apps", "batch", "example.com"] {
            for resource in ["pods", "pods/log", "secrets", "nodes/proxy", "widgets"] {
                for verb in [Get, List] {
                    let opened = asked.check(verb, group, resource).is_ok();
                    if opened && locked.check(verb, group, resource).is_err() {
                        beyond.push((verb, group, resource));
                    }
                    // Within an approval that names kinds: what it names, and of its `*` those kinds.
                    let is_named = kinds.contains(&name(group, resource));
                    let approved = locked.opens(verb, group, resource) && is_named;
                    let expected = opened && (by_name.opens(verb, group, resource) || approved);
                    let open = bounded.check(verb, group, resource).is_ok();
                    assert_eq!(
                        open, expected,
                        "{asked:?} within {locked:?} of {kinds:?}: {group} {resource}"
                    );
                    narrowed += usize::from(opened && !open && locked.opens(verb, group, resource));
                }
            }
        }
        match locked.excess(&asked) {
            None => {
                implied += 1;
                assert!(beyond.is_empty(), "{locked:?} does not imply {asked:?}: {beyond:?}");
            }
            Some(excess) => {
                refused += 1;
                // example.com and widgets stand for every name that no rule spells, so a star in excess shows there.
                assert!(!beyond.is_empty(), "{locked:?} implies {asked:?}, not {excess}");
                for rule in excess.rules() {
                    assert!(
                        !rule
                            .verbs
                            .iter()
                            .any(|verb| { locked.opens(*verb, &rule.api_groups[0], &rule.resources[0]) })
                    );
                }
            }
        }
    }
    assert!(implied > 400 && refused > 400, "{implied} implied, {refused} refused");
    assert!(narrowed > 400, "{narrowed} reads closed by kinds");
}
