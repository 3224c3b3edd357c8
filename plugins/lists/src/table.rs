//! Plain tables: the cheapest form of a list that a model still reads well.

use crate::one_line;

/// The end of a row that was cut.
const CUT: &str = "… (cut)\n";

/// The maximum width that one wide row gives to its column, in characters.
const MAX_PADDED: usize = 60;

/// Rows under a header. Columns that are empty in every row are left out.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        let title = |title: S| one_line(&title.into()).into_owned();
        Self { header: header.into_iter().map(title).collect(), rows: Vec::new() }
    }

    /// Adds a row; each cell is [`one_line`].
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell).into_owned()).collect());
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table in at most `budget` bytes, with a line on the rows that are not shown.
    pub fn text(&self, noun: &str, budget: usize) -> String {
        /// Room for the last line, in bytes.
        const NOTICE: usize = 100;
        if self.is_empty() {
            return format!("no {noun} found");
        }
        let (mut text, shown) = self.fit(budget.saturating_sub(NOTICE));
        if shown < self.len() {
            text.push_str(&format!("{shown} of {} {noun} shown; narrow it down", self.len()));
        }
        text
    }

    /// The header and as many rows as fit into `budget` bytes, and the number of those rows: at least one, cut if it alone
    /// is larger.
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
                // A row that is larger than the budget is cut: a caller that asks for the next would get it again, for ever.
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

/// Writes cells with two spaces between them; a column is padded to at most [`MAX_PADDED`] characters.
fn write_row(text: &mut String, row: &[String], columns: &[(usize, usize)]) {
    let mut line = String::new();
    for (at, width) in columns {
        let cell = row.get(*at).map(String::as_str).filter(|cell| !cell.is_empty()).unwrap_or("-");
        line.push_str(cell);
        let padding = (*width).min(MAX_PADDED).saturating_sub(cell.chars().count());
        line.extend(std::iter::repeat_n(' ', padding + 2));
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let mut table = Table::new(["NAME", "GATES", "AGE"]);
        table.row(["web".into(), "".into(), "5m".into()]);
        table.row(["database\n1".into(), "".into(), "".into()]);
        assert_eq!(table.fit(1000), ("NAME        AGE\nweb         5m\ndatabase 1  -\n".into(), 2));
        assert_eq!(table.fit(32).1, 1);
        let (cut, shown) = table.fit(20);
        assert!(shown == 1 && cut.ends_with(CUT), "{cut}");
    }
}
