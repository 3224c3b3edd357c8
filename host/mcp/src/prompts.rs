//! Prompts: questions that a person picks in a client, as templates with arguments.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use porthole_contract::{Echo, Printable};
use rmcp::{
    ErrorData,
    model::{GetPromptResult, JsonObject, PromptArgument, PromptMessage, Role},
};
use serde_json::Value;

/// Max prompts: clients show them in a menu.
const MAX_PROMPTS: usize = 50;
/// Max arguments of a prompt.
const MAX_ARGUMENTS: usize = 8;
/// Max bytes of a name.
const MAX_NAME: usize = 64;
/// Max bytes of a title.
const MAX_TITLE: usize = 100;
/// Max bytes of a description.
const MAX_DESCRIPTION: usize = 500;
/// Max bytes of a template.
pub const MAX_TEMPLATE: usize = 16 << 10;
/// Max bytes of the value of an argument: a name of Kubernetes has 253. Without it a template of many placeholders would
/// make a large answer of a small request.
const MAX_VALUE: usize = 512;
/// Max placeholders of a template, for the same reason.
const MAX_PLACEHOLDERS: usize = 64;

/// An argument of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name, as placeholders have it: `{{name}}`.
    pub name: String,
    /// A sentence for the person who fills it in; may be empty.
    pub description: String,
    /// True if the prompt makes no sense without it.
    pub required: bool,
}

/// A template, and its description for a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Words of a menu.
    pub title: String,
    /// A sentence about it.
    pub description: String,
    /// The arguments, in the order in which a client asks for them.
    pub arguments: Vec<Argument>,
    /// The text. A line with a placeholder `{{name}}` of an argument that is not given is left out.
    pub template: String,
}

/// Reason that a prompt is rejected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PromptError {
    /// A name is empty, too long, or has other characters than lower-case letters, digits, `-` and `_`.
    #[error("{0} is not a name of a prompt or of an argument: a-z, 0-9, - and _, at most {MAX_NAME}")]
    Name(String),
    /// A text is empty or too long.
    #[error("its {0} is empty, or has more than {1} bytes")]
    Text(&'static str, usize),
    /// An argument is declared twice, has no placeholder, or a placeholder has no argument.
    #[error("its placeholders and arguments differ: {0}")]
    Arguments(String),
    /// There are more prompts than a menu shows.
    #[error("more than {MAX_PROMPTS} prompts")]
    TooMany,
}

/// The prompts that a host offers, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts(BTreeMap<String, Prompt>);

impl Prompts {
    /// Adds a prompt.
    ///
    /// # Errors
    /// If it is not one that every client can show.
    pub fn add(&mut self, name: &str, prompt: Prompt) -> Result<(), PromptError> {
        check_name(name)?;
        prompt.check()?;
        if self.0.len() >= MAX_PROMPTS {
            return Err(PromptError::TooMany);
        }
        self.0.insert(name.to_owned(), prompt);
        Ok(())
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All prompts, as clients list them.
    pub(super) fn list(&self) -> Vec<rmcp::model::Prompt> {
        self.0.iter().map(|(name, prompt)| prompt.descriptor(name)).collect()
    }

    /// A prompt with arguments filled in.
    pub(super) fn get(
        &self,
        name: &str,
        arguments: Option<&JsonObject>,
    ) -> Result<GetPromptResult, ErrorData> {
        let invalid = |message: String| ErrorData::invalid_params(message, None);
        let prompt = self.0.get(name);
        let prompt = prompt.ok_or_else(|| {
            invalid(format!("there is no prompt {} here; prompts/list has them", Echo(name)))
        })?;
        let text = prompt.text(arguments).map_err(|error| invalid(format!("prompt {name}: {error}")))?;
        let message = PromptMessage::new_text(Role::User, text);
        Ok(GetPromptResult::new(vec![message]).with_description(prompt.description.clone()))
    }
}

impl Prompt {
    fn check(&self) -> Result<(), PromptError> {
        let texts = [
            ("title", &self.title, MAX_TITLE),
            ("description", &self.description, MAX_DESCRIPTION),
            ("text", &self.template, MAX_TEMPLATE),
        ];
        for (what, text, max) in texts {
            if text.trim().is_empty() || text.len() > max {
                return Err(PromptError::Text(what, max));
            }
        }
        let mut declared = BTreeSet::new();
        for argument in &self.arguments {
            check_name(&argument.name)?;
            if argument.description.len() > MAX_DESCRIPTION {
                return Err(PromptError::Text("description of an argument", MAX_DESCRIPTION));
            }
            if !declared.insert(argument.name.as_str()) {
                return Err(PromptError::Arguments(format!("{} is declared twice", argument.name)));
            }
        }
        let used: Vec<&str> = pieces(&self.template).filter_map(|(_, placeholder)| placeholder).collect();
        if declared.len() > MAX_ARGUMENTS || used.len() > MAX_PLACEHOLDERS {
            return Err(PromptError::Arguments(format!(
                "at most {MAX_ARGUMENTS} arguments and {MAX_PLACEHOLDERS} placeholders"
            )));
        }
        if let Some(unknown) = used.iter().find(|name| !declared.contains(*name)) {
            return Err(PromptError::Arguments(format!("{} is no argument", Echo(unknown))));
        }
        match declared.into_iter().find(|name| !used.contains(name)) {
            Some(unused) => Err(PromptError::Arguments(format!("{unused} stands nowhere in the text"))),
            None => Ok(()),
        }
    }

    fn descriptor(&self, name: &str) -> rmcp::model::Prompt {
        let argument = |argument: &Argument| {
            let descriptor = PromptArgument::new(&argument.name).with_required(argument.required);
            match argument.description.as_str() {
                "" => descriptor,
                description => descriptor.with_description(description),
            }
        };
        let arguments: Vec<PromptArgument> = self.arguments.iter().map(argument).collect();
        rmcp::model::Prompt::new(
            name,
            Some(&self.description),
            Some(arguments).filter(|arguments| !arguments.is_empty()),
        )
        .with_title(&self.title)
    }

    /// The text with the values of arguments; an error is for the client.
    fn text(&self, given: Option<&JsonObject>) -> Result<String, String> {
        let mut values: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in given.into_iter().flatten() {
            let argument = self.arguments.iter().find(|argument| argument.name == *name);
            let Some(Argument { name, .. }) = argument else {
                let names: Vec<&str> = self.arguments.iter().map(|argument| argument.name.as_str()).collect();
                return Err(format!("it has no argument {}; it takes {}", Echo(name), names.join(", ")));
            };
            let text = match value {
                Value::String(text) => text.trim().to_owned(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null => String::new(),
                _ => return Err(format!("{name} must be text")),
            };
            // One line: a value must not add lines of its own to the text. An escape takes several times its bytes.
            let line = if text.len() > MAX_VALUE { text } else { Printable(&text).to_string() };
            if line.len() > MAX_VALUE {
                return Err(format!("{name} has more than {MAX_VALUE} bytes"));
            }
            if !line.is_empty() {
                values.insert(name, line);
            }
        }
        let is_missing =
            |argument: &&Argument| argument.required && !values.contains_key(argument.name.as_str());
        if let Some(missing) = self.arguments.iter().find(is_missing) {
            return Err(format!("{} parameter required", missing.name));
        }
        let mut text = String::with_capacity(self.template.len());
        for line in self.template.lines() {
            if pieces(line).filter_map(|(_, name)| name).all(|name| values.contains_key(name)) {
                for (before, name) in pieces(line) {
                    text.push_str(before);
                    text.push_str(name.and_then(|name| values.get(name)).map_or("", String::as_str));
                }
                // A line of a String cannot fail.
                let _ = text.write_char('\n');
            }
        }
        Ok(text.trim().to_owned())
    }
}

fn check_name(name: &str) -> Result<(), PromptError> {
    let is_part =
        |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"-_".contains(&letter);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_part) {
        return Err(PromptError::Name(Echo(name).to_string()));
    }
    Ok(())
}

/// A text in pieces, each with the placeholder behind it; the last one has none.
fn pieces(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let placeholder = text.split_once("{{").and_then(|(before, after)| {
            let (name, after) = after.split_once("}}")?;
            Some((before, name, after))
        });
        let Some((before, name, after)) = placeholder else {
            rest = None;
            return Some((text, None));
        };
        rest = Some(after);
        Some((before, Some(name.trim())))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn argument(name: &str, required: bool) -> Argument {
        Argument { name: name.to_owned(), description: String::new(), required }
    }

    fn prompt(template: &str) -> Prompt {
        Prompt {
            title: "Why?".to_owned(),
            description: "Finds the cause".to_owned(),
            arguments: vec![argument("name", true), argument("namespace", false)],
            template: template.to_owned(),
        }
    }

    fn text(arguments: Value) -> Result<String, String> {
        let prompt = prompt("Why is {{name}} down?\nIt is in {{ namespace }}, I think.\n\nAsk {{name}}.\n");
        prompt.check().unwrap();
        prompt.text(arguments.as_object())
    }

    #[test]
    fn a_line_of_an_argument_that_is_not_given_is_left_out() {
        for (arguments, expected) in [
            (json!({"name": "web"}), "Why is web down?\n\nAsk web."),
            (json!({"name": " web ", "namespace": ""}), "Why is web down?\n\nAsk web."),
            (json!({"name": "web", "namespace": 7}), "Why is web down?\nIt is in 7, I think.\n\nAsk web."),
            // A value is a value, and adds no lines and no placeholders.
            (json!({"name": "a\n{{namespace}}"}), "Why is a\\n{{namespace}} down?\n\nAsk a\\n{{namespace}}."),
        ] {
            assert_eq!(text(arguments).unwrap(), expected);
        }
        for (arguments, error) in [
            (json!({}), "name parameter required"),
            (json!({"name": ["web"]}), "name must be text"),
            (json!({"name": "w".repeat(MAX_VALUE + 1)}), "more than 512"),
            (json!({"name": "web", "kind": "pod"}), "no argument \"kind\"; it takes name, namespace"),
        ] {
            let answer = text(arguments).unwrap_err();
            assert!(answer.contains(error), "{answer}");
        }
    }

    #[test]
    fn a_prompt_that_no_client_could_show_is_rejected() {
        let mut prompts = Prompts::default();
        let fine = prompt("{{name}} {{namespace}}");
        assert_eq!(prompts.add("why_is-it", fine.clone()), Ok(()));
        let long = "x".repeat(MAX_TEMPLATE + 1);
        for (name, prompt, words) in [
            ("Why", fine.clone(), "is not a name"),
            ("", fine.clone(), "is not a name"),
            ("why", prompt(""), "text is empty"),
            ("why", prompt(&long), "more than 16384"),
            ("why", Prompt { title: " ".to_owned(), ..fine.clone() }, "title is empty"),
            ("why", prompt("{{name}}"), "namespace stands nowhere"),
            ("why", prompt("{{name}} {{namespace}} {{kind}}"), "\"kind\" is no argument"),
            ("why", Prompt { arguments: vec![argument("name", true); 2], ..fine.clone() }, "twice"),
            ("why", prompt(&"{{name}}{{namespace}}".repeat(40)), "at most"),
        ] {
            let error = prompts.add(name, prompt).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
        let all = (0..MAX_PROMPTS).map(|number| prompts.add(&format!("p{number}"), fine.clone()));
        assert_eq!(all.last(), Some(Err(PromptError::TooMany)));
        assert!(prompts.get("gone", None).is_err() && prompts.list().len() == MAX_PROMPTS);
    }
}
