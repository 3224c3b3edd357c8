//! The custom resources of a cluster: read kind by kind, and joined by their owners.

use std::collections::BTreeSet;

use super::{
    CustomKind, CustomList, CustomSource, SUBJECTS,
    resource::{Resource, State},
};
use crate::{Crowd, Facts, Listed, Reference, Unread, collect, object::text, render};

/// Kinds that are looked at: an operator may bring a hundred.
const KINDS: usize = 80;
/// Namespaces in which what they own is read.
const NAMESPACES: usize = 2;
/// Owners above one another.
const DEPTH: usize = 6;

/// All that was read.
pub(super) struct Cluster {
    pub(super) facts: Facts,
    pub(super) kinds: Vec<CustomKind>,
    pub(super) resources: Vec<Resource>,
    /// Lists that were read whole: resource, and namespace (empty: all).
    pub(super) listed: BTreeSet<(String, String)>,
}

impl Cluster {
    /// Reads the resources of some kinds, in a namespace or in all.
    pub(super) fn read(
        &mut self,
        source: &mut impl CustomSource,
        kinds: &[CustomKind],
        namespace: Option<&str>,
    ) {
        let is_new = |list: &CustomList| {
            let place = list.namespace.clone().unwrap_or_default();
            !self.listed.contains(&(list.kind.resource(), place))
                && !self.listed.contains(&(list.kind.resource(), String::new()))
        };
        let list = |kind: &CustomKind| CustomList {
            kind: kind.clone(),
            namespace: namespace.filter(|_| kind.is_namespaced).map(str::to_owned),
            name: None,
        };
        let lists: Vec<CustomList> = kinds.iter().take(KINDS).map(list).filter(is_new).collect();
        let left_out = kinds.len().saturating_sub(KINDS);
        if left_out > 0 {
            self.facts.add_gap(format!("{left_out} more custom kinds"), "name a kind");
        }
        for (list, answer) in lists.iter().zip(source.customs(&lists)) {
            match answer {
                Ok(Listed { items, cut }) => {
                    let known: BTreeSet<String> =
                        self.resources.iter().map(|resource| resource.uid().to_owned()).collect();
                    let new = items.into_iter().map(|item| Resource::new(&list.kind, item));
                    self.resources.extend(
                        new.filter(|resource| resource.uid().is_empty() || !known.contains(resource.uid())),
                    );
                    match cut.is_empty() {
                        true => {
                            let place = list.namespace.clone().unwrap_or_default();
                            self.listed.insert((list.kind.resource(), place));
                        }
                        false => self.facts.add_gap(format!("some {}", list.kind.resource()), cut),
                    }
                }
                Err(Unread::NotFound | Unread::Unsupported) => {}
                Err(Unread::Failed(why)) => self.facts.add_gap(list.kind.resource(), why),
            }
        }
    }

    /// The resources that are meant, as their places: those of the best fitting name, or else those that are not well, if
    /// there are any.
    pub(super) fn subject(
        &self,
        name: Option<&str>,
        namespace: Option<&str>,
        kinds: usize,
    ) -> Result<Vec<usize>, String> {
        let all = || self.resources.iter().enumerate();
        let places = |is_meant: &dyn Fn(&Resource) -> bool| -> Vec<usize> {
            all().filter(|(_, resource)| is_meant(resource)).map(|(at, _)| at).collect()
        };
        let Some(name) = name else {
            let uids = self.unwell_uids();
            // What another one owns that is not well is part of it.
            let unwell = places(&|one| {
                self.state(one) == State::Unwell && !one.owners().any(|owner| uids.contains(owner))
            });
            return Ok(unwell);
        };
        let fits: [&dyn Fn(&Resource) -> bool; 3] = [
            &|one| one.name() == name,
            &|one| one.name().strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '.'])),
            &|one| one.name().contains(name),
        ];
        let found = fits.iter().map(|fit| places(*fit)).find(|found| !found.is_empty());
        // What is owned by another one that is meant is part of it.
        let found = found.map(|found| {
            let uids: BTreeSet<&str> =
                found.iter().filter_map(|at| self.resources.get(*at)).map(Resource::uid).collect();
            let is_top = |at: &usize| {
                self.resources.get(*at).is_some_and(|one| !one.owners().any(|owner| uids.contains(owner)))
            };
            found.iter().copied().filter(is_top).collect()
        });
        found.ok_or_else(|| {
            let place = namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
            format!(
                "no custom resource{place} has that in its name, of {kinds} kinds; diagnose looks at the built-in ones{}",
                self.gaps()
            )
        })
    }

    /// A line for what was not read; empty if there is nothing.
    pub(super) fn gaps(&self) -> String {
        match render::gaps(&self.facts) {
            gaps if gaps.is_empty() => gaps,
            gaps => format!("\nnot checked: {gaps}"),
        }
    }

    pub(super) fn state(&self, resource: &Resource) -> State {
        resource.judge(self.facts.now).state
    }

    /// The uids of all resources that are not well.
    pub(super) fn unwell_uids(&self) -> BTreeSet<&str> {
        let unwell = self.resources.iter().filter(|one| self.state(one) == State::Unwell);
        unwell.map(Resource::uid).filter(|uid| !uid.is_empty()).collect()
    }

    pub(super) fn owns_one_of(&self, owner: &Resource, uids: &BTreeSet<&str>) -> bool {
        let is_owned = |other: &&Resource| other.owners().any(|uid| !uid.is_empty() && uid == owner.uid());
        self.resources.iter().filter(is_owned).any(|owned| uids.contains(owned.uid()))
    }

    /// Reads what the subject may own or refer to: the other custom kinds and the built-in ones in its namespaces.
    pub(super) fn read_around(&mut self, source: &mut impl CustomSource, subject: &[usize]) {
        let shown: Vec<Resource> =
            subject.iter().take(SUBJECTS).filter_map(|at| self.resources.get(*at)).cloned().collect();
        let places: BTreeSet<String> = shown
            .iter()
            .map(|resource| resource.namespace().to_owned())
            .filter(|place| !place.is_empty())
            .collect();
        let kinds = self.kinds.clone();
        for place in places.iter().take(NAMESPACES) {
            self.read(source, &kinds, Some(place));
            collect::namespace(source, &mut self.facts, place, Crowd::share(NAMESPACES));
        }
    }

    /// The resource and all that it owns, directly or through others.
    pub(super) fn family<'r>(&'r self, resource: &'r Resource) -> Vec<&'r Resource> {
        let mut family = vec![resource];
        let mut uids = BTreeSet::from([resource.uid()]);
        for _ in 0..DEPTH {
            let is_new = |other: &&Resource| {
                !uids.contains(other.uid())
                    && other.owners().any(|owner| !owner.is_empty() && uids.contains(owner))
            };
            let owned: Vec<&Resource> = self.resources.iter().filter(is_new).collect();
            if owned.is_empty() {
                break;
            }
            uids.extend(owned.iter().map(|owned| owned.uid()));
            family.extend(owned);
        }
        family
    }

    /// The built-in objects that a family owns.
    pub(super) fn objects_of(&self, family: &[&Resource]) -> Vec<Reference> {
        let uids: BTreeSet<&str> = family.iter().map(|one| one.uid()).filter(|uid| !uid.is_empty()).collect();
        let is_owned = |object: &&crate::Object| {
            object.list("/metadata/ownerReferences").iter().any(|owner| uids.contains(text(owner, "/uid")))
        };
        self.facts.objects().filter(is_owned).map(crate::Object::reference).collect()
    }
}
