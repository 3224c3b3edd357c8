//! Tables as answers.

use porthole_lists::Table;

use crate::{Answer, call, text};

/// A table as the answer of a tool.
pub trait TableAnswer {
    /// As many rows as the host passes on, and a line on the others; `noun` is the plural of a row.
    fn answer(&self, noun: &str) -> Answer;
}

impl TableAnswer for Table {
    fn answer(&self, noun: &str) -> Answer {
        text(self.text(noun, call::output_budget() as usize))
    }
}
