//! Documentation of a kind's fields, from the API server's OpenAPI v3 documents.

use std::{collections::HashMap, fmt::Write as _};

use porthole_contract::{Echo, Failure, Kind, Reason, nearest};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Client,
    envelope::decode_error,
    failure,
    work::{TimeSlice, Workers},
};

/// Max fields of an answer: a whole Pod over many levels is a book.
const MAX_FIELDS: usize = 2000;
/// Max depth, because a schema may refer to itself, as JSONSchemaProps does.
const MAX_DEPTH: u32 = 10;
/// Max bytes of a field's description, of which only the first sentence is used.
const MAX_SENTENCE: usize = 160;
/// Max suggestions for an unknown field, and their min similarity.
const MAX_SUGGESTIONS: usize = 3;
const MIN_SIMILARITY: f64 = 0.7;
/// Max names of a path, and bytes of a name: a path of 60,000 names took 3 s.
const MAX_NAMES: usize = 32;
const MAX_NAME: usize = 253;
const REFERENCE: &str = "#/components/schemas/";

#[derive(Deserialize)]
struct Document<'d> {
    #[serde(borrow)]
    components: Components<'d>,
}

#[derive(Deserialize)]
struct Components<'d> {
    /// Parsed on use: those of the core group have a megabyte.
    #[serde(borrow)]
    schemas: HashMap<String, &'d RawValue>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct Schema {
    description: String,
    r#type: String,
    format: String,
    #[serde(rename = "$ref")]
    reference: String,
    #[serde(rename = "allOf")]
    all_of: Vec<Schema>,
    items: Option<Box<Schema>>,
    #[serde(rename = "additionalProperties")]
    values: Option<Values>,
    properties: std::collections::BTreeMap<String, Schema>,
    required: Vec<String>,
    r#enum: Vec<serde_json::Value>,
    #[serde(rename = "x-kubernetes-int-or-string")]
    int_or_string: bool,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum Values {
    Schema(Box<Schema>),
    Any(#[expect(dead_code, reason = "only that it is there counts")] bool),
}

/// Renders the fields below `path` of a kind, `depth` levels down, one per line.
pub async fn explain(
    client: Client<'_>,
    kind: &Kind,
    path: &[String],
    depth: u32,
    workers: &Workers,
) -> Result<String, Failure> {
    if path.len() > MAX_NAMES || path.iter().any(|name| name.len() > MAX_NAME) {
        return Err(Failure::new(
            Reason::Invalid,
            format!("a path of {} names: at most {MAX_NAMES} names of {MAX_NAME} bytes", path.len()),
        ));
    }
    let what = format!("the documentation of {}", kind.qualified_name());
    let group = if kind.group.is_empty() { "api".to_owned() } else { format!("apis/{}", kind.group) };
    let document = format!("/openapi/v3/{group}/{}", kind.version);
    let body = client.get(&document, "application/json", &what).await?.bytes().await?;
    let (of, kind, path) = (what.clone(), kind.clone(), path.to_vec());
    let explain = move |slice| {
        let document: Document<'_> =
            serde_json::from_slice(&body).map_err(|error| decode_error(&of, &error))?;
        Schemas { all: document.components.schemas, slice }.explain(&kind, &path, depth)
    };
    let text = workers.run(client.budget, &what, explain).await??;
    client.budget.check_size(text.len(), &what)?;
    Ok(text)
}

/// Schemas of a document, with the time slice for the search.
struct Schemas<'d> {
    all: HashMap<String, &'d RawValue>,
    slice: TimeSlice,
}

impl Schemas<'_> {
    fn explain(&self, kind: &Kind, path: &[String], depth: u32) -> Result<String, Failure> {
        let mut schema = self.find_kind(kind).ok_or_else(|| {
            Failure::new(
                Reason::Unsupported,
                format!("the API server documents no fields of {}", kind.qualified_name()),
            )
        })?;
        let mut description = schema.description.clone();
        let mut at = kind.kind.clone();
        for name in path {
            self.check_deadline()?;
            let below = self.resolve(&schema);
            let Some(next) = below.properties.get(name) else {
                let near = nearest(
                    name,
                    below.properties.keys().map(String::as_str),
                    MIN_SIMILARITY,
                    MAX_SUGGESTIONS,
                );
                let near = if near.is_empty() {
                    String::new()
                } else {
                    format!("; the nearest: {}", near.join(", "))
                };
                return Err(Failure::new(
                    Reason::Invalid,
                    format!(
                        "{at} has no field {}{near}. Ask for {at} without it to see all of them.",
                        Echo(name)
                    ),
                ));
            };
            at = format!("{at}.{name}");
            schema = next.clone();
            description = self.description(&schema);
        }
        let version = if kind.group.is_empty() {
            kind.version.clone()
        } else {
            format!("{}/{}", kind.group, kind.version)
        };
        let mut text = format!("{at} <{}> ({version})\n{}\n", self.ty(&schema), description.trim());
        let mut fields = 0;
        self.fields(&self.resolve(&schema), depth.clamp(1, MAX_DEPTH), 0, &mut text, &mut fields);
        self.check_deadline()?;
        if fields > MAX_FIELDS {
            let _ = writeln!(text, "… cut at {MAX_FIELDS} fields; name a field to see those below it");
        }
        if depth > MAX_DEPTH {
            let _ = writeln!(text, "… {MAX_DEPTH} levels at most; name a field to see those below it");
        }
        Ok(text)
    }

    fn check_deadline(&self) -> Result<(), Failure> {
        if self.slice.is_past_deadline() { Err(failure::over_time("the documentation")) } else { Ok(()) }
    }

    fn find_kind(&self, kind: &Kind) -> Option<Schema> {
        #[derive(Deserialize)]
        struct KindSchema {
            #[serde(rename = "x-kubernetes-group-version-kind", default)]
            kinds: Vec<GroupVersionKind>,
        }
        #[derive(Deserialize)]
        struct GroupVersionKind {
            group: String,
            version: String,
            kind: String,
        }
        let fits = |id: &GroupVersionKind| {
            id.group == kind.group && id.version == kind.version && id.kind == kind.kind
        };
        let found = self.all.values().find(|raw| {
            // Most schemas belong to no kind; a text search first avoids parsing them.
            raw.get().contains("x-kubernetes-group-version-kind")
                && serde_json::from_str::<KindSchema>(raw.get())
                    .is_ok_and(|named| named.kinds.len() == 1 && named.kinds.iter().any(fits))
        })?;
        serde_json::from_str(found.get()).ok()
    }

    fn lookup(&self, reference: &str) -> Option<Schema> {
        let raw = self.all.get(reference.strip_prefix(REFERENCE)?)?;
        serde_json::from_str(raw.get()).ok()
    }

    fn reference(schema: &Schema) -> Option<&str> {
        [&schema.reference]
            .into_iter()
            .chain(schema.all_of.iter().map(|one| &one.reference))
            .find(|reference| !reference.is_empty())
            .map(String::as_str)
    }

    /// Resolves a schema to the one with the fields, through references, arrays and maps.
    fn resolve(&self, schema: &Schema) -> Schema {
        let mut schema = schema.clone();
        // Bounded, because a reference may point to itself.
        for _ in 0..MAX_DEPTH {
            let next = if let Some(reference) = Self::reference(&schema) {
                self.lookup(reference)
            } else if let Some(items) = &schema.items {
                Some((**items).clone())
            } else if let Some(Values::Schema(values)) = &schema.values {
                Some((**values).clone())
            } else {
                None
            };
            match next {
                Some(next) => schema = next,
                None => break,
            }
        }
        schema
    }

    fn description(&self, schema: &Schema) -> String {
        if !schema.description.is_empty() {
            return schema.description.clone();
        }
        Self::reference(schema)
            .and_then(|name| self.lookup(name))
            .map(|named| named.description)
            .unwrap_or_default()
    }

    /// Type for display: `[]Container`, `map[string]string`, `integer`.
    fn ty(&self, schema: &Schema) -> String {
        if let Some(reference) = Self::reference(schema) {
            return reference.rsplit('.').next().unwrap_or(reference).to_owned();
        }
        if let Some(items) = &schema.items {
            return format!("[]{}", self.ty(items));
        }
        if let Some(Values::Schema(values)) = &schema.values {
            return format!("map[string]{}", self.ty(values));
        }
        match (schema.r#type.as_str(), schema.format.as_str()) {
            ("", _) if schema.int_or_string => "integer or string".to_owned(),
            ("", _) => "any".to_owned(),
            ("string", "date-time") => "time".to_owned(),
            (ty, _) => ty.to_owned(),
        }
    }

    fn fields(&self, schema: &Schema, depth: u32, level: usize, text: &mut String, count: &mut usize) {
        for (name, field) in &schema.properties {
            *count = count.saturating_add(1);
            if *count > MAX_FIELDS || self.slice.is_past_deadline() {
                return;
            }
            let required = if schema.required.contains(name) { " required" } else { "" };
            let allowed: Vec<String> =
                field.r#enum.iter().map(|value| value.to_string().replace('"', "")).collect();
            let allowed =
                if allowed.is_empty() { String::new() } else { format!(" one of {}.", allowed.join(", ")) };
            let sentence = first_sentence(&self.description(field));
            let _ = writeln!(
                text,
                "{}{name} <{}>{required}{allowed} {sentence}",
                "  ".repeat(level),
                self.ty(field)
            );
            if depth > 1 {
                self.fields(
                    &self.resolve(field),
                    depth.saturating_sub(1),
                    level.saturating_add(1),
                    text,
                    count,
                );
            }
        }
    }
}

/// The first sentence, on one line.
fn first_sentence(description: &str) -> String {
    let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(". ").map_or(line.len(), |at| at.saturating_add(1));
    if end <= MAX_SENTENCE {
        return line.get(..end).unwrap_or_default().to_owned();
    }
    format!("{}…", line.get(..line.floor_char_boundary(MAX_SENTENCE)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r##"{"components":{"schemas":{
        "io.Spec":{"type":"object","required":["image"],"properties":{"image":{"type":"string","description":"The image. More of it."},
            "next":{"allOf":[{"$ref":"#/components/schemas/io.Spec"}],"default":{}},"tags":{"type":"array","items":{"type":"string"}}}},
        "io.Box":{"description":"A box.","type":"object","properties":{"spec":{"description":"What is wanted.","allOf":[{"$ref":"#/components/schemas/io.Spec"}]}},
            "x-kubernetes-group-version-kind":[{"group":"example.com","version":"v1","kind":"Box"}]}}}}"##;

    fn text(path: &[&str], depth: u32) -> Result<String, Failure> {
        text_of(DOCUMENT, path, depth)
    }

    fn text_of(document: &str, path: &[&str], depth: u32) -> Result<String, Failure> {
        let document: Document<'_> = serde_json::from_str(document).unwrap();
        let kind = Kind {
            group: "example.com".into(),
            version: "v1".into(),
            plural: "boxes".into(),
            singular: "box".into(),
            kind: "Box".into(),
            short_names: vec![],
            namespaced: true,
            verbs: vec![],
        };
        let path: Vec<String> = path.iter().map(|name| name.to_string()).collect();
        Schemas { all: document.components.schemas, slice: TimeSlice::unlimited() }
            .explain(&kind, &path, depth)
    }

    #[test]
    fn fields_are_told_a_line_each() {
        assert_eq!(
            text(&["spec"], 1).unwrap(),
            "Box.spec <Spec> (example.com/v1)\nWhat is wanted.\nimage <string> required The image.\nnext <Spec> \ntags <[]string> \n"
        );
        assert!(text(&[], 2).unwrap().contains("\n  image <string>"));
        assert_eq!(text(&["spec", "next", "next", "image"], 1).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_schema_that_holds_itself_ends() {
        assert!(text(&["spec"], 1000).unwrap().lines().count() <= MAX_FIELDS + 2);
    }

    #[test]
    fn what_is_cut_off_is_said() {
        assert!(text(&["spec"], 1000).unwrap().contains("\n… 10 levels at most"));
        assert!(!text(&["spec"], 10).unwrap().contains('…'));
        // With `spec` itself as many as an answer has, and one more.
        for (count, cut) in [(MAX_FIELDS - 1, false), (MAX_FIELDS, true)] {
            let properties: Vec<String> =
                (0..count).map(|n| format!(r#""f{n}":{{"type":"string"}}"#)).collect();
            let document = DOCUMENT.replace(r#""spec":{"#, &format!(r#"{},"spec":{{"#, properties.join(",")));
            let text = text_of(&document, &[], 1).unwrap();
            // The kind's title has a type too.
            let fields = text.lines().filter(|line| line.contains(" <")).count() - 1;
            assert_eq!((fields, text.contains("\n… cut at 2000 fields")), (MAX_FIELDS, cut));
        }
    }

    #[test]
    fn a_field_that_is_not_there_names_the_nearest() {
        let failure = text(&["spec", "imag"], 1).unwrap_err();
        assert!(failure.message.contains("image"), "{failure}");
    }
}
