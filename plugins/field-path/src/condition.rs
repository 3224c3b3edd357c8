//! Conditions on the values at a path: `status.phase!=Running, metadata.creationTimestamp > 2d`.

mod parts;
#[cfg(test)]
mod tests;

use std::{str::FromStr, time::SystemTime};

use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

use crate::{Path, PathError, cut, echo, quantity, text};

/// The maximum length of a filter, in bytes.
pub const MAX_FILTER: usize = 16 << 10;
/// The maximum number of conditions in a filter.
pub const MAX_CONDITIONS: usize = 16;
/// The maximum length of a regular expression, in bytes. Matching takes time linear in the value (regex-lite).
pub const MAX_PATTERN: usize = 256;
/// The maximum size of a compiled regular expression, in bytes: `(a{99}){99}` is short and large, and each byte of a value
/// costs as much time as the expression is large.
const MAX_COMPILED: usize = 64 << 10;
/// The bytes of a value that a regular expression is matched with; what follows is not looked at.
pub const MAX_MATCHED: usize = 16 << 10;
/// 2^53: floats above it do not represent every integer.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// The form of a condition, for error messages.
const FORM: &str =
    "write it like status.phase!=Running, with =, !=, >, <, ~ (regular expression) or: path exists";

/// Conditions joined with commas; an object must meet all of them. An empty filter matches every object.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    conditions: Vec<Condition>,
}

/// One condition: `path op operand`, or `path exists`.
///
/// If a path leads to several values, through an array, one of them is enough; `!=` requires that none is equal, and
/// therefore holds if there is no value.
#[derive(Debug, Clone)]
pub struct Condition {
    path: Path,
    test: Test,
}

/// The comparison of a condition with its operand.
#[derive(Debug, Clone)]
enum Test {
    Exists,
    Equal(String),
    NotEqual(String),
    Greater(Operand),
    Less(Operand),
    Matches(Regex),
}

/// An operand with an order. `5m` is both five thousandths and five minutes; the value at the path decides.
#[derive(Debug, Clone)]
struct Operand {
    quantity: Option<f64>,
    age: Option<std::time::Duration>,
    time: Option<SystemTime>,
}

/// Reason that a filter cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The path of a condition is malformed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// More than [`MAX_CONDITIONS`].
    #[error("{0} conditions are more than {MAX_CONDITIONS}")]
    TooMany(usize),
    /// More than [`MAX_FILTER`].
    #[error("conditions of {0} bytes are more than {MAX_FILTER}")]
    TooLong(usize),
    /// There is no operator, nothing behind it, or a quote or bracket that is not closed. Quoted already.
    #[error("condition {0} is malformed; {FORM}")]
    Malformed(String),
    /// The operand of `>` or `<` has no order. Quoted already.
    #[error(
        "{0} has no order: > and < compare quantities (500m, 1Gi), ages (90s, 5m, 2d) and times (2026-01-31T12:00:00Z)"
    )]
    Unordered(String),
    /// The regular expression does not compile, or is longer than [`MAX_PATTERN`].
    #[error("{pattern} is no regular expression of at most {MAX_PATTERN} bytes: {reason}")]
    Pattern {
        /// The expression, quoted and cut.
        pattern: String,
        /// The message of the library.
        reason: String,
    },
}

impl Filter {
    /// True if an object meets every condition at this time.
    pub fn matches(&self, object: &Value, now: SystemTime) -> bool {
        self.conditions.iter().all(|condition| condition.holds(object, now))
    }

    /// The conditions, in the order in which they were written.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_FILTER {
            return Err(FilterError::TooLong(text.len()));
        }
        let conditions = parts::split(text)?;
        if conditions.len() > MAX_CONDITIONS {
            return Err(FilterError::TooMany(conditions.len()));
        }
        Ok(Self { conditions: conditions.into_iter().map(str::parse).collect::<Result<_, _>>()? })
    }
}

impl Condition {
    /// The path whose values are compared: a field to ask the API server for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if the object meets this condition at this time.
    pub fn holds(&self, object: &Value, now: SystemTime) -> bool {
        let values = self.path.values(object);
        let any = |test: &dyn Fn(&Value) -> bool| values.iter().any(|value| test(value));
        match &self.test {
            Test::Exists => !values.is_empty(),
            Test::Equal(operand) => any(&|value| is_equal(value, operand)),
            Test::NotEqual(operand) => !any(&|value| is_equal(value, operand)),
            Test::Greater(operand) => {
                any(&|value| operand.compare(value, now).is_some_and(|order| order.is_gt()))
            }
            Test::Less(operand) => {
                any(&|value| operand.compare(value, now).is_some_and(|order| order.is_lt()))
            }
            Test::Matches(pattern) => any(&|value| pattern.is_match(cut(&text(value), MAX_MATCHED))),
        }
    }
}

impl FromStr for Condition {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let malformed = || FilterError::Malformed(echo(text));
        let at = parts::operator(text);
        if let Some(path) = text.strip_suffix("exists") {
            match at {
                None if path.ends_with([' ', ']']) => {
                    return Ok(Self { path: path.trim().parse()?, test: Test::Exists });
                }
                // Two conditions without a comma between them, rather than a value that ends so.
                Some(_) if path.ends_with(' ') => return Err(malformed()),
                _ => {}
            }
        }
        let (path, rest) = text.split_at(at.ok_or_else(malformed)?);
        let (symbol, operand) = match rest.strip_prefix("!=").map(|operand| ('!', operand)) {
            Some(not_equal) => not_equal,
            // `==` is kubectl's other spelling of `=`.
            None => match rest.strip_prefix("==") {
                Some(operand) => ('=', operand),
                None => {
                    let mut letters = rest.chars();
                    (letters.next().ok_or_else(malformed)?, letters.as_str())
                }
            },
        };
        // `=~` of other languages would look for a text that begins with `~`, and find nothing.
        if symbol == '=' && operand.starts_with(['~', '=']) {
            return Err(malformed());
        }
        let operand = parts::unquote(operand.trim()).ok_or_else(malformed)?;
        if operand.is_empty() {
            return Err(malformed());
        }
        let test = match symbol {
            '=' => Test::Equal(operand.to_owned()),
            '!' => Test::NotEqual(operand.to_owned()),
            '>' => Test::Greater(operand.parse()?),
            '<' => Test::Less(operand.parse()?),
            '~' => Test::Matches(pattern(operand)?),
            _ => return Err(malformed()),
        };
        Ok(Self { path: path.trim().parse()?, test })
    }
}

fn pattern(operand: &str) -> Result<Regex, FilterError> {
    let error = |reason: String| FilterError::Pattern { pattern: echo(operand), reason };
    if operand.len() > MAX_PATTERN {
        return Err(error(format!("it has {} bytes", operand.len())));
    }
    RegexBuilder::new(operand).size_limit(MAX_COMPILED).build().map_err(|cause| error(cause.to_string()))
}

/// Equal as text, or as quantities: `1000m` is `1`. Numbers beyond what a float holds exactly are compared as text.
fn is_equal(value: &Value, operand: &str) -> bool {
    let value = text(value);
    let is_same = |number: f64| number.abs() < EXACT && quantity::parse(operand) == Some(number);
    value == operand || quantity::parse(&value).is_some_and(is_same)
}

impl FromStr for Operand {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let operand = Self {
            quantity: quantity::parse(text),
            age: humantime::parse_duration(text).ok(),
            time: humantime::parse_rfc3339_weak(text).ok(),
        };
        let has_order = operand.quantity.is_some() || operand.age.is_some() || operand.time.is_some();
        if has_order { Ok(operand) } else { Err(FilterError::Unordered(echo(text))) }
    }
}

impl Operand {
    /// The order of a value against this operand; `None` if they cannot be compared. A timestamp is compared as a time
    /// with a time, and as an age with a duration: older is more.
    fn compare(&self, value: &Value, now: SystemTime) -> Option<std::cmp::Ordering> {
        let value = text(value);
        if let Ok(timestamp) = humantime::parse_rfc3339(&value) {
            return match (self.time, self.age) {
                (Some(time), _) => Some(timestamp.cmp(&time)),
                // A timestamp in the future, of a clock that runs ahead, has the age zero.
                (None, Some(age)) => Some(now.duration_since(timestamp).unwrap_or_default().cmp(&age)),
                (None, None) => None,
            };
        }
        quantity::parse(&value)?.partial_cmp(&self.quantity?)
    }
}
