//! The way in which an object has a word, and the order of what was found.

use porthole_diagnosis::{Kind, Reference, line, names};

use crate::kinds::Object;

/// Bytes of a text that is shown around the word.
const SHOWN: usize = 80;
/// Bytes of an object's kind, namespace and name.
const MAX_REFERENCE: usize = 600;
/// A namespace that could not be read.
const UNKNOWN: &str = "?";

/// A way in which an object has a word, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Name,
    BeginningOfName,
    PartOfName,
    Field,
}

/// An object that has the word.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Match {
    fit: Fit,
    /// Objects that own others stand before them.
    kind: &'static str,
    /// None: unknown yet.
    namespace: Option<String>,
    name: String,
    status: String,
    found_in: String,
}

impl Match {
    /// True if the word stands in its name.
    pub(crate) fn is_of_name(&self) -> bool {
        self.fit != Fit::Field
    }

    /// Kind and name, if its namespace is unknown.
    pub(crate) fn without_namespace(&self) -> Option<(Kind, String)> {
        let kind = Kind::parse(self.kind).filter(|_| self.namespace.is_none());
        kind.map(|kind| (kind, self.name.clone()))
    }

    /// Kind, namespace, name, status, and the field that has the word.
    pub(crate) fn cells(&self) -> [String; 5] {
        let Self { kind, namespace, name, status, found_in, .. } = self;
        let namespace = namespace.as_deref().unwrap_or(UNKNOWN).to_owned();
        [(*kind).to_owned(), namespace, name.clone(), status.clone(), found_in.clone()]
    }
}

/// The objects whose name is nearly `query`, which is in lower case. Pods are named only if nothing else is, since what owns
/// them says more.
pub(crate) fn alike(query: &str, objects: &[Object]) -> Vec<(Kind, String)> {
    let among = |is_pod: bool| {
        let objects = objects
            .iter()
            .filter(|object| object.kind != Kind::ReplicaSet && (object.kind == Kind::Pod) == is_pod);
        names::alike(query, objects.map(|object| (object.name.as_str(), (object.kind, object.name.clone()))))
    };
    let owners = among(false);
    if owners.is_empty() { among(true) } else { owners }
}

/// An object in a list of names: `Deployment shop/checkout`.
pub(crate) fn reference(object: &Object) -> String {
    let namespace = object.namespace.as_deref().unwrap_or(UNKNOWN);
    line(&Reference::new(object.kind, namespace, &object.name).to_string(), MAX_REFERENCE)
}

/// The match of an object; `query` is in lower case.
pub(crate) fn find(query: &str, object: &Object) -> Option<Match> {
    let name = object.name.to_lowercase();
    if object.kind == Kind::ReplicaSet && object.status.ends_with("/0 ready") {
        return None;
    }
    let found = |fit: Fit, found_in: String| Match {
        fit,
        kind: object.kind.name(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        status: object.status.clone(),
        found_in,
    };
    // The name of a ReplicaSet is that of its Deployment, which is found itself.
    if object.kind == Kind::ReplicaSet {
        return of_field(query, object).map(|field| found(Fit::Field, field));
    }
    if name == query {
        return Some(found(Fit::Name, "name".to_owned()));
    }
    if name.starts_with(query) {
        return Some(found(Fit::BeginningOfName, "name".to_owned()));
    }
    if name.contains(query) {
        return Some(found(Fit::PartOfName, "name".to_owned()));
    }
    of_field(query, object).map(|field| found(Fit::Field, field))
}

/// The first field that has the word, and its text.
fn of_field(query: &str, object: &Object) -> Option<String> {
    let (field, text) = object.texts.iter().find(|(_, text)| text.to_lowercase().contains(query))?;
    Some(format!("{field} {}", shortened(text, query)))
}

/// The part of a long text that has the word, in one line.
fn shortened(text: &str, query: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if line.len() <= SHOWN {
        return line;
    }
    let at = line.to_lowercase().find(query).unwrap_or(0).min(line.len());
    let begin = line.floor_char_boundary(at.saturating_sub(SHOWN / 4));
    let end = line.floor_char_boundary((begin + SHOWN).min(line.len()));
    format!("…{}…", line.get(begin..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, texts: &[(&str, &str)]) -> Object {
        let texts =
            texts.iter().map(|(field, text)| ((*field).to_owned().into(), (*text).to_owned())).collect();
        Object {
            kind: Kind::Deployment,
            namespace: Some("shop".into()),
            name: name.into(),
            status: String::new(),
            texts,
        }
    }

    #[test]
    fn names_stand_before_fields() {
        let objects = [
            object("cart", &[("image", "r.example/web:1")]),
            object("my-web", &[]),
            object("web", &[]),
            object("web-2", &[]),
            object("db", &[]),
        ];
        let mut found: Vec<Match> = objects.iter().filter_map(|object| find("web", object)).collect();
        found.sort();
        let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["web", "web-2", "my-web", "cart"]);
        assert_eq!(found.last().map(|found| found.found_in.as_str()), Some("image r.example/web:1"));
    }

    /// The pod of a Deployment is left out, since the Deployment is named.
    #[test]
    fn a_misspelt_word_is_answered_with_names_like_it() {
        let pod = Object { kind: Kind::Pod, ..object("checkout-5d8-x2x", &[]) };
        let objects = [object("checkout", &[]), object("db", &[]), pod];
        assert_eq!(alike("chekcout", &objects), [(Kind::Deployment, "checkout".to_owned())]);
        assert_eq!(alike("chekcout", &objects[2..]), [(Kind::Pod, "checkout-5d8-x2x".to_owned())]);
        assert_eq!(reference(&objects[2]), "Pod shop/checkout-5d8-x2x");
        assert!(alike("orders", &objects).is_empty());
    }

    #[test]
    fn a_long_text_is_shown_around_the_word() {
        let long = format!("{}é needle {}", "a".repeat(300), "b".repeat(300));
        let short = shortened(&long, "needle");
        assert!(short.contains("needle") && short.len() < SHOWN + 12, "{short}");
    }
}
