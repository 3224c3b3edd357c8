//! Writes to objects, from the managedFields that the API server keeps of each: which program wrote which fields, and
//! when.
//!
//! Only metadata is requested, and of a set of fields only names are kept: the keys of lists in it hold values.

mod field_set;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

use std::fmt;

use porthole_contract::{Change, ChangesPage, ChangesQuery, Echo, Failure, Kind, Reason, truncate};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use super::{
    Client,
    envelope::{check_kind, decode_error, envelope},
    request::{
        MAX_CONTINUE, MAX_SELECTOR, METADATA, METADATA_LIST, check_length, describe_read, parameter, path,
        segment,
    },
    shape::Items,
};
use field_set::FieldSet;

/// Max entries kept of one object, the newest. The API server keeps ten of updates; a list of empty entries would be
/// twenty times as large in memory as in JSON.
const MAX_ENTRIES: usize = 64;
/// Max bytes of a manager, a subresource, and any other text of an entry. The API server allows 128 for a manager.
const MAX_TEXT: usize = 256;
/// Bytes of a string's pointer and length in a component.
const STRING: usize = 8;

/// An object, or an element of a list: no more than its metadata.
#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    creation_timestamp: Option<String>,
    managed_fields: Entries,
}

/// The entries of an object's managedFields.
#[derive(Default)]
struct Entries(Vec<Entry>);

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    manager: String,
    operation: String,
    time: Option<String>,
    subresource: String,
    fields_v1: FieldSet,
}

impl Entries {
    /// Keeps an entry, instead of the oldest one if there are too many.
    fn keep(&mut self, entry: Entry) {
        if self.0.len() < MAX_ENTRIES {
            self.0.push(entry);
        } else if let Some(oldest) = self.0.iter_mut().min_by(|a, b| a.time.cmp(&b.time))
            && oldest.time < entry.time
        {
            *oldest = entry;
        }
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            // Go writes an empty list as null.
            fn visit_unit<E>(self) -> Result<Entries, E> {
                Ok(Entries::default())
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Entries, S::Error> {
                let mut entries = Entries::default();
                while let Some(entry) = seq.next_element()? {
                    entries.keep(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_any(List)
    }
}

/// Timestamp of the oldest write that is wanted.
#[derive(Clone, Copy)]
struct Since<'q>(Option<&'q str>);

impl<'q> Since<'q> {
    fn parse(text: Option<&'q str>) -> Result<Self, Failure> {
        match text.filter(|text| !is_timestamp(text)) {
            Some(text) => Err(Failure::new(
                Reason::Invalid,
                format!(
                    "since-time {} is not RFC 3339 in UTC with whole seconds, such as 2026-11-24T10:00:00Z",
                    Echo(text)
                ),
            )),
            None => Ok(Self(text)),
        }
    }

    /// True unless the write is known to be older. Timestamps of one form are in order as texts.
    fn includes(self, time: &str) -> bool {
        self.0.is_none_or(|since| !is_timestamp(time) || time >= since)
    }
}

/// True for `2026-11-24T10:00:00Z`, the only form that the API server writes into managedFields.
fn is_timestamp(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00Z";
    text.len() == FORM.len()
        && text.bytes().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == *form,
        })
}

/// Reads the writes to one object, or to one page of a list.
pub async fn object_changes(
    client: Client<'_>,
    kind: &Kind,
    query: &ChangesQuery,
) -> Result<ChangesPage, Failure> {
    let since = Since::parse(query.since_time.as_deref())?;
    let namespace = query.namespace.as_deref().filter(|_| kind.namespaced);
    let what = format!("changes of {}", describe_read(kind, namespace, query.name.as_deref()));
    let path = path(kind, namespace)?;
    match &query.name {
        Some(name) => of_object(client, kind, namespace, name, since, path, &what).await,
        None => of_list(client, query, since, path, &what).await,
    }
}

async fn of_object(
    client: Client<'_>,
    kind: &Kind,
    namespace: Option<&str>,
    name: &str,
    since: Since<'_>,
    mut path: String,
    what: &str,
) -> Result<ChangesPage, Failure> {
    if kind.namespaced && namespace.is_none() {
        let message = format!("{} live in namespaces: name one", kind.qualified_name());
        return Err(Failure::new(Reason::Invalid, message));
    }
    path.push('/');
    path.extend(segment("name", name)?);
    let body = client.get(&path, METADATA, what).await?.bytes().await?;
    // An API that cannot leave the rest out answers with the object itself.
    if check_kind(&body, "PartialObjectMetadata", what).is_err() {
        check_kind(&body, &kind.kind, what)?;
    }
    let mut changes = Changes::default();
    changes.add(&body, since).map_err(|error| decode_error(what, &error))?;
    client.budget.hold(changes.bytes, what).await?;
    Ok(changes.page())
}

async fn of_list(
    client: Client<'_>,
    query: &ChangesQuery,
    since: Since<'_>,
    mut path: String,
    what: &str,
) -> Result<ChangesPage, Failure> {
    check_length("labelSelector", query.label_selector.as_deref(), MAX_SELECTOR)?;
    check_length("continue", query.continue_token.as_deref(), MAX_CONTINUE)?;
    let limit = query.limit.map(|limit| limit.to_string());
    let parameters =
        [("labelSelector", &query.label_selector), ("limit", &limit), ("continue", &query.continue_token)];
    for (key, value) in parameters {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            parameter(&mut path, key, value);
        }
    }
    let mut answer = client.get(&path, METADATA_LIST, what).await?;
    let mut list = Items::of("items");
    let scratch = client.budget.scratch();
    let mut changes = Changes::default();
    while let Some(chunk) = answer.chunk().await? {
        scratch.hold_up_to(list.buffered().saturating_add(chunk.len()), what).await?;
        let before = changes.bytes;
        list.feed(&chunk, |item| {
            changes.add(item, since).map_err(|error| decode_error(what, &error))?;
            client.budget.check_size(changes.size, what)
        })?;
        client.budget.hold(changes.bytes.saturating_sub(before), what).await?;
    }
    let page = envelope(list, what)?.page(String::new(), changes.objects);
    Ok(ChangesPage { continue_token: page.continue_token, remaining: page.remaining, ..changes.page() })
}

/// Writes found so far.
#[derive(Default)]
struct Changes {
    found: Vec<Change>,
    /// Objects read.
    objects: u32,
    /// Bytes of the writes in the host.
    bytes: usize,
    /// Bytes of the writes in the component.
    size: usize,
}

impl Changes {
    /// Adds the writes to an object.
    fn add(&mut self, json: &[u8], since: Since<'_>) -> Result<(), serde_json::Error> {
        let Item { metadata } = serde_json::from_slice(json)?;
        let Metadata { name, namespace, uid, creation_timestamp, managed_fields } = metadata;
        self.objects = self.objects.saturating_add(1);
        let created = creation_timestamp.unwrap_or_default();
        for entry in managed_fields.0 {
            let Entry { manager, operation, time, subresource, fields_v1 } = entry;
            let time = short(time.unwrap_or_default());
            if !since.includes(&time) {
                continue;
            }
            let FieldSet { names: fields, more: more_fields } = fields_v1;
            let change = Change {
                namespace: short(namespace.clone()),
                name: short(name.clone()),
                uid: short(uid.clone()),
                created: short(created.clone()),
                manager: short(manager),
                operation: short(operation),
                time,
                subresource: short(subresource),
                fields,
                more_fields,
            };
            let size = size(&change);
            self.size = self.size.saturating_add(size);
            self.bytes = self.bytes.saturating_add(size).saturating_add(size_of::<Change>());
            self.found.push(change);
        }
        Ok(())
    }

    fn page(self) -> ChangesPage {
        ChangesPage { changes: self.found, count: self.objects, continue_token: None, remaining: None }
    }
}

/// The text, or as much of it as an entry may hold.
fn short(mut text: String) -> String {
    let end = truncate(&text, MAX_TEXT).len();
    text.truncate(end);
    text
}

/// Bytes of a write in the memory of a component.
fn size(change: &Change) -> usize {
    let Change {
        namespace,
        name,
        uid,
        created,
        manager,
        operation,
        time,
        subresource,
        fields,
        more_fields: _,
    } = change;
    let texts = [namespace, name, uid, created, manager, operation, time, subresource];
    texts.into_iter().chain(fields).fold(0, |sum, text| sum.saturating_add(text.len()).saturating_add(STRING))
}
