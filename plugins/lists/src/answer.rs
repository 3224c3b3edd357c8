//! The text of an answer: counts, rows, and the notice of what is not shown.

use crate::{engine::List, entry::Entry, one_line, request::Output, selection::AnswerRows, table::Table};

/// The form of one answer.
pub(crate) struct AnswerFormat<'a> {
    pub(crate) list: &'a List<'a>,
    pub(crate) output: Output,
    /// The room for rows, in bytes.
    pub(crate) budget: usize,
    /// True if a selector was given.
    pub(crate) is_narrowed: bool,
}

impl AnswerFormat<'_> {
    /// The answer for an empty list.
    pub(crate) fn no_objects(&self) -> String {
        let place =
            self.list.namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
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
        if selected.entries.is_empty() && selected.after.is_none() && selected.missing(0, before) == 0 {
            return if before == 0 { self.no_objects() } else { format!("No more {noun}.") };
        }
        let (rows, shown) = self.render_rows(header, &selected.entries);
        let until = before.saturating_add(shown as u64);
        let notice = match selected.next(shown, before, resource_version) {
            Some(next) => {
                let range = if before == 0 { until.to_string() } else { format!("{} to {until}", before.saturating_add(1)) };
                // A total that is no more than what was shown was of a page whose count was too small.
                let of = if next.total > until { format!("of {}", next.total) } else { "and there are more".to_owned() };
                let narrow = if self.list.can_narrow { "a namespace, " } else { "" };
                Some(format!("shown {range} {of}; narrow with {narrow}labelSelector, fieldSelector or fields, or go on with continue={next}"))
            }
            None => Some(selected.missing(shown, before)).filter(|missing| *missing > 0).map(|missing| {
                format!("{missing} of {} {noun} are missing here: the API server's table calls them healthy, this tool does not; sortBy=metadata.name shows all", selected.total)
            }),
        };
        let counts = selected.counts.as_ref().filter(|_| self.output == Output::Table);
        let mut head = counts.map(|counts| format!("{counts}\n")).unwrap_or_default();
        if let Some(cut) = &selected.cut {
            head.push_str(&format!("only the first {} were read: {cut}\n", selected.bound));
        }
        match (self.output, notice) {
            (Output::Json, notice) => {
                let notice = notice.map(|notice| format!(",\"notice\":{}", serde_json::Value::from(notice)));
                format!("{{\"items\":[{rows}]{}}}", notice.unwrap_or_default())
            }
            (Output::Yaml, Some(notice)) => format!("{rows}# {notice}\n"),
            (_, Some(notice)) => format!("{head}{rows}{notice}\n"),
            (_, None) => head + &rows,
        }
    }

    /// The rows as text, and the number of those that there was room for.
    fn render_rows(
        &self,
        header: &[String],
        entries: &[(Entry, crate::cursor::Position)],
    ) -> (String, usize) {
        let rows = entries.iter().map(|(entry, _)| entry);
        // If one namespace is read, every row is of it.
        let namespace = |entry: &Entry| match self.list.namespace {
            Some(_) => String::new(),
            None => entry.row.namespace.clone(),
        };
        match self.output {
            Output::Json | Output::Yaml => {
                let bodies: Vec<String> = rows.map(|entry| entry.body(self.output, self.budget)).collect();
                let separator = if self.output == Output::Json { "," } else { "" };
                (bodies.join(separator), bodies.len())
            }
            Output::Names => {
                let names = rows.map(|entry| match namespace(entry).as_str() {
                    "" => format!("{}\n", one_line(&entry.row.name)),
                    namespace => format!("{}/{}\n", one_line(namespace), one_line(&entry.row.name)),
                });
                (names.collect(), entries.len())
            }
            Output::Table | Output::Count => {
                let mut table =
                    Table::new(std::iter::once("NAMESPACE".to_owned()).chain(header.iter().cloned()));
                for entry in rows {
                    table.row(std::iter::once(namespace(entry)).chain(entry.row.cells.iter().cloned()));
                }
                table.fit(self.budget)
            }
        }
    }
}
