//! Judgement of a diagnosis: the causes that an answer names, against those that are there.
//!
//! A fact counts only in a right cause or its evidence: a word in the line of the verdict, or in a list of what was
//! fine, does not tell a reader why. Any other cause is wrong, however weak it says it is.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use regex::{Regex, RegexBuilder};

/// A cause that an answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Id of its rule.
    pub rule: String,
    /// `certain`, `likely`, `guess`; empty if it stands in the list of further causes only.
    pub certainty: String,
    /// Its line and its evidence, without the next step.
    pub text: String,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.certainty.as_str() {
            "" => f.write_str(&self.rule),
            certainty => write!(f, "{} ({certainty})", self.rule),
        }
    }
}

/// Causes of an answer, in its order.
pub fn causes(answer: &str) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    let mut is_within = false;
    for line in answer.lines() {
        if let Some(cause) = begins_cause(line) {
            causes.push(cause);
            is_within = true;
        } else if let (true, true, Some(last)) = (is_within, line.starts_with("  "), causes.last_mut()) {
            if !line.starts_with("  next: ") {
                last.text.push('\n');
                last.text.push_str(line);
            }
        } else {
            is_within = false;
            causes.extend(further(line));
        }
    }
    causes
}

/// `cause 1 (certain) [image-pull] Pod shop/web: …`.
fn begins_cause(line: &str) -> Option<Cause> {
    let (number, rest) = line.strip_prefix("cause ")?.split_once(" (")?;
    number.parse::<usize>().ok()?;
    let (certainty, rest) = rest.split_once(") [")?;
    let (rule, _) = rest.split_once("] ")?;
    Some(Cause { rule: rule.to_owned(), certainty: certainty.to_owned(), text: line.to_owned() })
}

/// `also: 2 more: [image-pull] Pod shop/web; [dns] Pod shop/api`.
fn further(line: &str) -> Vec<Cause> {
    let listed = line.strip_prefix("also: ").and_then(|rest| rest.split_once(" more: "));
    let listed = listed.map_or("", |(_, listed)| listed);
    let cause = |text: &str| {
        let (rule, _) = text.strip_prefix('[')?.split_once("] ")?;
        Some(Cause { rule: rule.to_owned(), certainty: String::new(), text: text.to_owned() })
    };
    listed.split("; ").filter_map(cause).collect()
}

/// What an answer must and must not say.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// Rules that a right answer may name, and one of which it must; empty if nothing is wrong. `None` for an answer
    /// that is not a diagnosis.
    causes: Option<BTreeSet<String>>,
    facts: Vec<Regex>,
    forbidden: Vec<Regex>,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Facts and causes that it lacks.
    pub missing: Vec<String>,
    /// Forbidden expressions that it contains.
    pub forbidden: Vec<String>,
    /// Causes that are not there.
    pub wrong: Vec<String>,
}

impl Expectation {
    /// Expressions are searched in any case, line by line.
    pub fn new(causes: Option<&[String]>, facts: &[String], forbidden: &[String]) -> Result<Self> {
        let regex = |text: &String| {
            let regex = RegexBuilder::new(text).case_insensitive(true).multi_line(true).build();
            regex.with_context(|| text.clone())
        };
        Ok(Self {
            causes: causes.map(|causes| causes.iter().cloned().collect()),
            facts: facts.iter().map(regex).collect::<Result<_>>()?,
            forbidden: forbidden.iter().map(regex).collect::<Result<_>>()?,
        })
    }

    /// Judges an answer.
    pub fn judge(&self, answer: &str) -> Verdict {
        let named = causes(answer);
        let allowed = self.causes.clone().unwrap_or_default();
        let (right, wrong): (Vec<&Cause>, Vec<&Cause>) =
            named.iter().partition(|cause| allowed.contains(&cause.rule));
        let searched = match allowed.is_empty() {
            true => answer.to_owned(),
            false => right.iter().map(|cause| cause.text.as_str()).collect::<Vec<_>>().join("\n"),
        };
        let lacking = self.facts.iter().filter(|fact| !fact.is_match(&searched));
        let mut missing: Vec<String> = lacking.map(|fact| format!("/{fact}/")).collect();
        if !allowed.is_empty() && right.is_empty() {
            missing.push(format!("a cause of {allowed:?}"));
        }
        let found = self.forbidden.iter().filter(|expression| expression.is_match(answer));
        Verdict {
            missing,
            forbidden: found.map(|expression| format!("/{expression}/")).collect(),
            wrong: if self.causes.is_some() {
                wrong.iter().map(ToString::to_string).collect()
            } else {
                Vec::new()
            },
        }
    }
}

impl Verdict {
    pub fn is_right(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        for (what, list) in
            [("missing", &self.missing), ("forbidden", &self.forbidden), ("wrong cause", &self.wrong)]
        {
            if !list.is_empty() {
                parts.push(format!("{what} {}", list.join(", ")));
            }
        }
        f.write_str(if parts.is_empty() { "right" } else { "WRONG: " })?;
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "Deployment shop/web: down, 0 of 1 ready, OOMKilled\n\
        cause 1 (certain) [image-pull] Deployment shop/web: tag 9.99 is missing (affects 1 pod)\n  \
        waiting: `not found` [pod.status]\n  next: look at 9.98\n\
        cause 2 (guess) [dns] Pod shop/api: a name\n\
        also: 1 more: [evicted] Pod shop/x\n\
        checked and fine: 3 pods";

    fn judged(causes: Option<&[&str]>, facts: &[&str], forbidden: &[&str]) -> Verdict {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let causes = causes.map(own);
        Expectation::new(causes.as_deref(), &own(facts), &own(forbidden)).unwrap().judge(ANSWER)
    }

    #[test]
    fn a_fact_counts_only_in_a_right_cause_or_its_evidence() {
        let all = ["image-pull", "dns", "evicted"];
        assert!(judged(Some(&all), &[r"9\.99.*missing", "NOT found"], &[]).is_right());
        for elsewhere in ["OOMKilled", r"9\.98", "3 pods"] {
            assert_eq!(judged(Some(&all), &[elsewhere], &[]).missing, [format!("/{elsewhere}/")]);
        }
        assert!(judged(None, &["OOMKilled", "3 pods"], &[]).is_right(), "an answer of another tool");
    }

    #[test]
    fn any_other_cause_is_wrong() {
        let verdict = judged(Some(&["image-pull"]), &[], &[]);
        assert_eq!(verdict.wrong, ["dns (guess)", "evicted"]);
        let verdict = judged(Some(&["cpu"]), &[], &["oomkilled"]);
        assert_eq!(verdict.wrong, ["image-pull (certain)", "dns (guess)", "evicted"]);
        assert_eq!((verdict.missing.len(), verdict.forbidden.len()), (1, 1), "{verdict}");
        assert_eq!(judged(Some(&[]), &["OOMKilled"], &[]).wrong.len(), 3, "of a healthy object");
    }
}
