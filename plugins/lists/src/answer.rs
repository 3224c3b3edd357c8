//! The text of an answer: counts, rows, and the notice of what is not shown.

use crate::{
    cursor::Cursor,
    engine::List,
    entry::{Entry, Row},
    fold::{FoldRules, entries_before, groups},
    one_line,
    request::Output,
    selection::{AnswerRows, Scan, Selected},
    table::Table,
};

/// The form of one answer.
pub(crate) struct AnswerFormat<'a> {
    pub(crate) list: &'a List<'a>,
    pub(crate) output: Output,
    /// The room for rows, in bytes.
    pub(crate) budget: usize,
    /// True if a selector was given.
    pub(crate) is_narrowed: bool,
    pub(crate) fold: Option<FoldRules>,
}

/// The rows of an answer as text.
struct Rows {
    text: String,
    /// The number of objects in it.
    shown: usize,
    /// True if a row stands for several objects.
    is_folded: bool,
}

impl AnswerFormat<'_> {
    /// The answer for an empty list, or for one of which nothing meets the conditions.
    pub(crate) fn no_objects(&self, scan: Option<&Scan>) -> String {
        let place =
            self.list.namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        if let Some(Scan { read, absent, .. }) = scan.filter(|scan| scan.read > 0) {
            return format!("0 of {read} {}{place} match{absent}.", self.list.noun);
        }
        let by = if self.is_narrowed { " that match the selector" } else { "" };
        format!("No {}{place}{by}.", self.list.noun)
    }

    /// The answer with these rows, after `before` rows in earlier answers.
    pub(crate) fn render(
        &self,
        header: &[String],
        resource_version: &str,
        selected: &AnswerRows,
        before: u64,
    ) -> String {
        let noun = self.list.noun;
        let is_whole = selected.after.is_none() && selected.cut.is_none() && selected.missing(0, before) == 0;
        if selected.entries.is_empty() && is_whole {
            return if before == 0 {
                self.no_objects(selected.scan.as_ref())
            } else {
                format!("No more {noun}.")
            };
        }
        let Rows { text: rows, shown, is_folded } = self.render_rows(header, &selected.entries);
        let until = before.saturating_add(shown as u64);
        let next = selected.next(shown, before, resource_version);
        let mut lines = self.head(selected, next.as_ref(), until);
        lines.extend(self.fold.filter(|_| is_folded).map(|fold| fold.notice.to_owned()));
        let notice = match next {
            Some(next) => {
                let range = match (shown, before) {
                    (0, _) if selected.scan.is_some() => "none here".to_owned(),
                    (_, 0) => until.to_string(),
                    _ => format!("{} to {until}", before.saturating_add(1)),
                };
                // A total that is no more than what was shown was of a page whose count was too small.
                let of = if next.total > until { format!("of {}", next.total) } else { "and there are more".to_owned() };
                let of = if selected.scan.is_some() { of.replace("are more", "may be more") } else { of };
                let narrow = if self.list.can_narrow { "a namespace, " } else { "" };
                Some(format!("shown {range} {of}; narrow with {narrow}labelSelector, fieldSelector or fields, or go on with continue={next}"))
            }
            None => Some(selected.missing(shown, before)).filter(|missing| *missing > 0).map(|missing| {
                format!("{missing} of {} {noun} are missing here: the API server's table calls them healthy, this tool does not; sortBy=metadata.name shows all", selected.total)
            }),
        };
        match self.output {
            Output::Json => {
                lines.extend(notice);
                let notice = Some(lines.join("; ")).filter(|notice| !notice.is_empty());
                let notice = notice.map(|notice| format!(",\"notice\":{}", serde_json::Value::from(notice)));
                format!("{{\"items\":[{rows}]{}}}", notice.unwrap_or_default())
            }
            Output::Yaml => {
                lines.extend(notice);
                let lines: String = lines.iter().map(|line| format!("# {line}\n")).collect();
                rows + &lines
            }
            Output::Table | Output::Names | Output::Count => {
                let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
                let notice = notice.map(|notice| format!("{notice}\n")).unwrap_or_default();
                lines + &rows + &notice
            }
        }
    }

    /// The lines above the rows: counts, and a list that was not read to its end.
    fn head(&self, selected: &AnswerRows, next: Option<&Cursor>, until: u64) -> Vec<String> {
        let noun = self.list.noun;
        let scanned = selected.scan.as_ref().filter(|scan| scan.is_in_order).map(|scan| match next {
            Some(next) => format!("{until} of the first {} {noun} match", next.position.index()),
            None => format!("{until} of {} {noun} match", scan.read),
        });
        let is_counted = self.output == Output::Table || selected.scan.is_some();
        let counts = selected.counts.clone().or(scanned).filter(|_| is_counted);
        let read = selected.scan.as_ref().map_or(selected.bound, |scan| scan.read);
        let cut = selected.cut.as_ref().map(|cut| format!("only the first {read} were read: {cut}"));
        counts.into_iter().chain(cut).collect()
    }

    /// The rows that there was room for.
    fn render_rows(&self, header: &[String], entries: &[Selected]) -> Rows {
        let rows = entries.iter().map(|selected| &selected.entry);
        let whole = |text: String| Rows { text, shown: entries.len(), is_folded: false };
        // If one namespace is read, every row is of it.
        let namespace = |entry: &Entry| match self.list.namespace {
            Some(_) => String::new(),
            None => entry.row.namespace.clone(),
        };
        match self.output {
            Output::Json | Output::Yaml => {
                let bodies: Vec<String> = rows.map(|entry| entry.body(self.output, self.budget)).collect();
                let separator = if self.output == Output::Json { "," } else { "" };
                whole(bodies.join(separator))
            }
            Output::Names => {
                let names = rows.map(|entry| match namespace(entry).as_str() {
                    "" => format!("{}\n", one_line(&entry.row.name)),
                    namespace => format!("{}/{}\n", one_line(namespace), one_line(&entry.row.name)),
                });
                whole(names.collect())
            }
            Output::Table | Output::Count if entries.is_empty() => whole(String::new()),
            Output::Table | Output::Count => self.render_table(header, entries, namespace),
        }
    }

    fn render_table(
        &self,
        header: &[String],
        mut entries: &[Selected],
        namespace: impl Fn(&Entry) -> String,
    ) -> Rows {
        loop {
            let mut table = Table::new(std::iter::once("NAMESPACE".to_owned()).chain(header.iter().cloned()));
            let groups = groups(entries);
            for group in &groups {
                let Some(first) = group.first() else { continue };
                let cells = match self.fold {
                    Some(fold) if group.len() > 1 => {
                        let rows: Vec<&Row> = group.iter().map(|selected| &selected.entry.row).collect();
                        (fold.cells)(&rows)
                    }
                    _ => first.entry.row.cells.clone(),
                };
                table.row(std::iter::once(namespace(&first.entry)).chain(cells));
            }
            let (text, shown) = table.fit(self.budget);
            let left = entries_before(entries, shown);
            match entries.get(..left).filter(|_| left < entries.len()) {
                // Without what is left to the next answer, a row may stand for fewer.
                Some(fewer) if groups.len() < entries.len() => entries = fewer,
                _ => {
                    let is_folded = groups.len() < left;
                    return Rows { text, shown: left, is_folded };
                }
            }
        }
    }
}
