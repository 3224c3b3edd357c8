//! Plain tables: the cheapest form of a list that a model still reads well.

use crate::{Answer, call, text};

/// Stands at the end of a row that was cut.
const CUT: &str = "… (cut)\n";

/// Rows under a header. Columns in which no row says anything are left out.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; a cell is put on one line.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let line = |cell: String| {
            if cell.contains(['\n', '\r', '\t']) {
                cell.split_whitespace().collect::<Vec<_>>().join(" ")
            } else {
                cell
            }
        };
        self.rows.push(cells.into_iter().map(line).collect());
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as a tool's answer: as many rows as reach the caller, and a word on the others.
    pub fn answer(&self, noun: &str) -> Answer {
        /// Room for the last line.
        const NOTICE: usize = 100;
        if self.is_empty() {
            return text(format!("no {noun} found"));
        }
        let (mut answer, shown) = self.fit((call::output_budget() as usize).saturating_sub(NOTICE));
        if shown < self.len() {
            answer.push_str(&format!("{shown} of {} {noun} shown; narrow it down", self.len()));
        }
        text(answer)
    }

    /// The header and as many rows as fit into `budget` bytes; and how many rows those are.
    pub fn fit(&self, budget: usize) -> (String, usize) {
        let columns: Vec<(usize, usize)> = self
            .header
            .iter()
            .enumerate()
            .filter_map(|(at, title)| {
                let widths = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
                let widest = widths.max().unwrap_or(0);
                (widest > 0 || self.rows.is_empty()).then(|| (at, widest.max(title.chars().count())))
            })
            .collect();
        let mut text = String::new();
        write_row(&mut text, &self.header, &columns);
        let mut shown = 0;
        for row in &self.rows {
            let before = text.len();
            write_row(&mut text, row, &columns);
            if text.len() > budget {
                // A row that alone has no room is cut: whoever asks for the next would get it again, for ever.
                let keep = if shown == 0 { budget.saturating_sub(CUT.len()).max(before) } else { before };
                text.truncate(text.floor_char_boundary(keep));
                if shown == 0 {
                    text.push_str(CUT);
                    shown = 1;
                }
                break;
            }
            shown += 1;
        }
        (text, shown)
    }
}

/// Cells beside each other, two spaces between; a very wide column is not padded for the sake of one row.
fn write_row(text: &mut String, row: &[String], columns: &[(usize, usize)]) {
    const WIDEST: usize = 60;
    let mut line = String::new();
    for (at, width) in columns {
        let cell = row.get(*at).map(String::as_str).filter(|cell| !cell.is_empty()).unwrap_or("-");
        line.push_str(cell);
        let padding = (*width).min(WIDEST).saturating_sub(cell.chars().count());
        line.extend(std::iter::repeat_n(' ', padding + 2));
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_silent_ones_left_out() {
        let mut table = Table::new(["NAME", "GATES", "AGE"]);
        table.row(["web".into(), "".into(), "5m".into()]);
        table.row(["database\n1".into(), "".into(), "".into()]);
        assert_eq!(table.fit(1000), ("NAME        AGE\nweb         5m\ndatabase 1  -\n".into(), 2));
        assert_eq!(table.fit(32).1, 1);
        let (cut, shown) = table.fit(20);
        assert!(shown == 1 && cut.ends_with(CUT), "{cut}");
    }
}
