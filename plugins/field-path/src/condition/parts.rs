//! Taking a filter apart: conditions at commas, operators, quotes.

use super::FilterError;
use crate::echo;

/// The conditions of a filter, trimmed, without empty ones. A comma separates nothing within the brackets of a path, and
/// within the quotes around a whole operand; a quote within a word is a letter.
pub(super) fn split(text: &str) -> Result<Vec<&str>, FilterError> {
    let mut conditions = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = end(rest).ok_or_else(|| FilterError::Malformed(echo(rest)))?;
        let (condition, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        conditions.push(condition.trim());
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    conditions.retain(|condition| !condition.is_empty());
    Ok(conditions)
}

/// The end of the first condition; `None` if a quote or a bracket of it is not closed.
fn end(text: &str) -> Option<usize> {
    let mut brackets = Brackets::default();
    let mut letters = text.char_indices();
    let operand = loop {
        let Some((at, letter)) = letters.next() else { return brackets.is_outside().then_some(text.len()) };
        let is_outside = brackets.is_outside();
        brackets.step(letter);
        match letter {
            ',' if is_outside => return Some(at),
            '=' | '>' | '<' | '~' if is_outside => break letters.as_str(),
            _ => {}
        }
    };
    let start = text.len().checked_sub(operand.trim_start_matches([' ', '=', '~']).len())?;
    let value = text.get(start..)?;
    let closed = match value.chars().next() {
        Some(quote @ ('\'' | '"')) => value.get(1..)?.find(quote)?.checked_add(2)?,
        _ => 0,
    };
    let comma = value.get(closed..)?.find(',');
    Some(comma.map_or(text.len(), |comma| start.saturating_add(closed).saturating_add(comma)))
}

/// The position of the first operator outside of brackets: a quoted name may hold one.
pub(super) fn operator(text: &str) -> Option<usize> {
    let mut brackets = Brackets::default();
    for (at, letter) in text.char_indices() {
        let is_outside = brackets.is_outside();
        brackets.step(letter);
        match letter {
            '=' | '>' | '<' | '~' if is_outside => return Some(at),
            '!' if is_outside => return text.get(at..)?.starts_with("!=").then_some(at),
            _ => {}
        }
    }
    None
}

/// The operand without the quotes around it, if there are any: they let it hold commas. `None` if they are not around all
/// of it.
pub(super) fn unquote(operand: &str) -> Option<&str> {
    let Some(quote @ ('\'' | '"')) = operand.chars().next() else { return Some(operand) };
    let within = operand.strip_prefix(quote)?.strip_suffix(quote)?;
    (!within.contains(quote)).then_some(within)
}

/// The brackets of a path, which end at the first `]` as the path's own grammar has it.
#[derive(Default)]
struct Brackets(bool);

impl Brackets {
    fn is_outside(&self) -> bool {
        !self.0
    }

    fn step(&mut self, letter: char) {
        match letter {
            '[' => self.0 = true,
            ']' => self.0 = false,
            _ => {}
        }
    }
}
