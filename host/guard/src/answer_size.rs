//! Sizes of answers in the memory of a component.

use std::sync::Arc;

use porthole_contract::{
    AccessDecision, Change, ChangesPage, Kind, LogChunk, LogMatches, LogText, Page, Release, UserInfo,
};

/// Bytes of a string's pointer and length in a component: a million empty strings are not free.
const STRING: usize = 8;

/// An answer that is handed to a component.
pub(super) trait AnswerSize {
    /// Bytes of its texts.
    fn bytes(&self) -> usize;
}

fn texts<'t>(texts: impl IntoIterator<Item = &'t String>) -> usize {
    texts.into_iter().fold(0, |sum, text| sum.saturating_add(text.len()).saturating_add(STRING))
}

impl AnswerSize for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl AnswerSize for Page {
    fn bytes(&self) -> usize {
        self.items.len()
    }
}

impl AnswerSize for LogText {
    fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl AnswerSize for LogChunk {
    fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl AnswerSize for LogMatches {
    fn bytes(&self) -> usize {
        texts([&self.first, &self.last])
    }
}

impl AnswerSize for Vec<Release> {
    fn bytes(&self) -> usize {
        self.iter().fold(0, |sum, release| {
            let Release { name, namespace, revision: _, status, chart, chart_version, app_version, updated } =
                release;
            sum.saturating_add(texts([name, namespace, status, chart, chart_version, app_version, updated]))
        })
    }
}

impl AnswerSize for ChangesPage {
    fn bytes(&self) -> usize {
        self.changes.iter().fold(0, |sum, change| {
            let Change {
                namespace, name, uid, created, manager, operation, time, subresource, fields, ..
            } = change;
            let entry = [namespace, name, uid, created, manager, operation, time, subresource];
            sum.saturating_add(texts(entry.into_iter().chain(fields)))
        })
    }
}

impl AnswerSize for Vec<Arc<Kind>> {
    fn bytes(&self) -> usize {
        self.iter().fold(0, |sum, kind| {
            let Kind { group, version, plural, singular: _, kind, short_names, namespaced: _, verbs } =
                &**kind;
            let lists = texts(short_names.iter().chain(verbs));
            sum.saturating_add(texts([group, version, plural, kind])).saturating_add(lists)
        })
    }
}

impl AnswerSize for AccessDecision {
    fn bytes(&self) -> usize {
        texts([&self.reason])
    }
}

impl AnswerSize for (UserInfo, String) {
    fn bytes(&self) -> usize {
        let (user, version) = self;
        texts(user.groups.iter().chain([&user.username, version]))
    }
}

#[cfg(test)]
mod tests {
    use porthole_contract::Cut;

    use super::*;

    #[test]
    fn every_text_of_an_answer_counts() {
        let text = || "four".to_owned();
        let user = UserInfo { username: text(), uid: String::new(), groups: vec![text(), text()] };
        assert_eq!((user, text()).bytes(), 4 * (4 + STRING));
        assert_eq!(AccessDecision { allowed: true, reason: text() }.bytes(), 4 + STRING);
        assert_eq!(LogChunk { text: text(), lines: 1, end: None }.bytes(), 4);
        assert_eq!(LogText { text: text(), lines_read: 1, bytes_read: 5, cut: Cut::Whole }.bytes(), 4);
        assert_eq!(Page { items: text(), ..Page::default() }.bytes(), 4);
    }
}
