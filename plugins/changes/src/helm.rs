//! Revisions of Helm releases, with what differs from the one before.

use crate::{
    collect::Seen,
    entry::{Entry, Topic, subject},
    source::Release,
    window::{Window, parse},
};

/// All revisions in the window.
pub(crate) fn entries(seen: &Seen, window: Window) -> Vec<Entry> {
    let dated = seen
        .releases
        .iter()
        .filter_map(|release| Some((parse(&release.updated).filter(|time| window.has(*time))?, release)));
    dated
        .map(|(time, release)| {
            let Release { namespace, name, revision, status, chart, app_version, .. } = release;
            let before = seen
                .releases
                .iter()
                .filter(|other| (&other.namespace, &other.name) == (namespace, name))
                .filter(|other| other.revision < *revision)
                .max_by_key(|other| other.revision);
            let differs = |word: &str, old: &str, new: &str| match (old, new) {
                ("", "") => String::new(),
                (old, new) if old == new => format!(", {word} still {new}"),
                ("", new) => format!(", {word} {new}"),
                (old, new) => format!(", {word} {old} -> {new}"),
            };
            let old = |of: fn(&Release) -> &String| before.map(of).map(String::as_str).unwrap_or_default();
            let chart = differs("chart", old(|release| &release.chart), chart);
            let app = differs("app", old(|release| &release.app_version), app_version);
            let words = format!(
                "Helm: {} revision {revision} {status}{chart}{app}",
                subject("release", namespace, name)
            );
            Entry::new(time, Topic::Helm, namespace, name, words)
        })
        .collect()
}
