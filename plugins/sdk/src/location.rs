//! Namespaces that have an object of a name: where a name without a namespace is read, and where else a missing one is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Error, call,
    field_path::{cut, echo},
    get, get_or_suggest,
    kube_read::{self, GetQuery, KindRef, ListQuery, ReadError, Reason, View},
    list_all_of,
    missing::{near_names, with_suggestion},
    one_line,
    pod::Metadata,
    read::parsed,
    table_rows,
};

/// Queries that the host answers at one time.
const AT_ONCE: usize = 64;
/// Max objects of one name that are listed with their status.
const MAX_LISTED: usize = 10;
/// Max bytes of what a column tells: a custom resource may hold any text.
const MAX_CELL: usize = 100;
/// Field of an object's namespace.
const NAMESPACE: &str = "metadata.namespace";
/// Columns of the API server's tables that tell how an object is.
const STATUS: [&str; 5] = ["ready", "status", "phase", "type", "age"];

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

/// Reads one object, or only some of its fields (none named: all). Without a namespace it is looked for by its name: in the
/// preferred one, and then in all of them. It is read where it is the only one, with its namespace beside the fields; several
/// are listed, and none is read.
///
/// The tool must declare `get` and `list` of the kind.
///
/// # Errors
/// If there is no such object, or more than one; the error says where this or a like name is.
pub fn get_by_name<T: DeserializeOwned>(
    kind: KindRef,
    namespace: Option<String>,
    name: &str,
    fields: &[&str],
) -> Result<T, Error> {
    if namespace.is_some() {
        return get_or_suggest(kind, namespace, name, fields);
    }
    let with_namespace: Vec<&str> = fields.iter().copied().chain([NAMESPACE]).collect();
    let fields = if fields.is_empty() { fields } else { &with_namespace };
    let read = |namespace: Option<String>| get(kind.clone(), namespace, name, fields);
    // The host refuses such a name in its own words, before it asks the cluster; a search would find nothing.
    if name.contains(['/', '%']) || matches!(name, "." | "..") {
        return Ok(read(Some(call::default_namespace()))?);
    }
    // The host knows whether the kind has namespaces, and refuses this read before it is made if it has.
    let closed = match read(None) {
        Err(error) if error.reason == Reason::Invalid => None,
        // A kind without namespaces, or a caller whose policy opens some namespaces only.
        Err(error) if matches!(error.reason, Reason::Forbidden | Reason::NotGranted) => Some(error),
        Err(error) => return Err(with_suggestion(error, &kind, None, name)),
        Ok(object) => return Ok(object),
    };
    if let Some(preferred) = call::preferred_namespace() {
        match read(Some(preferred)) {
            // What may not be read there may be readable where it is.
            Err(error) if matches!(error.reason, Reason::NotFound | Reason::Forbidden) => {}
            other => return Ok(other?),
        }
    }
    let locations = match (locate(std::slice::from_ref(&kind), name), closed) {
        (Ok(locations), Some(closed)) if locations.is_unknown() => return Err(closed.into()),
        (Err(_), Some(closed)) => return Err(closed.into()),
        (located, _) => located?,
    };
    match locations.only(name)? {
        Some(namespace) => Ok(read(Some(namespace.to_owned()))?),
        None => Err(locations.not_found(&kind, name)),
    }
}

/// As [`locate`], but the preferred namespace alone if that has an object of this name.
///
/// # Errors
/// As [`locate`], and if the preferred namespace may have one that could not be read.
pub fn locate_preferred(kinds: &[KindRef], name: &str) -> Result<Locations, ReadError> {
    let Some(namespace) = call::preferred_namespace() else { return locate(kinds, name) };
    let queries: Vec<GetQuery> =
        kinds.iter().take(AT_ONCE).map(|kind| named(kind, &namespace, name, metadata())).collect();
    let reads = kube_read::get_all(&queries);
    if let Some((kind, _)) = kinds.iter().zip(&reads).find(|(_, read)| read.is_ok()) {
        let mut locations = Locations::default();
        locations.add(kind, namespace);
        return Ok(locations);
    }
    match reads.into_iter().filter_map(Result::err).find(is_unknown) {
        Some(error) => Err(error),
        None => locate(kinds, name),
    }
}

/// True if the error leaves open whether the object exists, other than for the caller's rights.
fn is_unknown(error: &ReadError) -> bool {
    use Reason::{Expired, Other, OverBytes, OverReads, OverTime, Throttled, TooLarge, Unavailable};
    matches!(
        error.reason,
        Expired | Other | OverBytes | OverReads | OverTime | Throttled | TooLarge | Unavailable
    )
}

/// Looks for the objects of exactly this name, of any of some kinds, in all namespaces; in those that the host knows if the
/// caller may not list all of them. The tool must declare `get` and `list` of the kinds.
///
/// # Errors
/// If no list could be read, other than for the caller's rights.
pub fn locate(kinds: &[KindRef], name: &str) -> Result<Locations, ReadError> {
    // Without a limit the API server answers out of its cache; there is one of a name in a namespace.
    let everywhere = |kind: &KindRef| ListQuery {
        field_selector: Some(format!("metadata.name={name}")),
        ..list_all_of(kind.clone(), None, &[NAMESPACE, "metadata.name"])
    };
    let queries: Vec<ListQuery> = kinds.iter().map(everywhere).collect();
    let mut locations = Locations::default();
    let mut closed = Vec::new();
    for (kind, page) in kinds.iter().zip(kube_read::list_all(&queries)) {
        match page {
            Ok(page) => {
                // A name that is none may be several conditions.
                let objects = parsed::<Vec<Object>>(&page.items).unwrap_or_default().into_iter();
                let exact = objects.filter(|object| object.metadata.name == name);
                exact.for_each(|object| locations.add(kind, object.metadata.namespace));
            }
            Err(error) if error.reason == Reason::Forbidden => {
                closed.push(kind);
                locations.refused.insert(kind.kind.clone(), error);
            }
            // Of several kinds a cluster may lack some, and the operator may have closed some.
            Err(error) if kinds.len() == 1 => return Err(error),
            Err(error) => locations.note(error),
        }
    }
    locations.look_into_known(&closed, name);
    Ok(locations)
}

/// The namespaces that have an object of a name.
#[derive(Debug, Default)]
pub struct Locations {
    /// Each with the first kind of which it has one; the empty one is that of kinds without namespaces.
    found: BTreeMap<String, KindRef>,
    /// Namespaces that were looked into one by one.
    looked: BTreeSet<String>,
    /// Refusals of the list of all namespaces, by kind.
    refused: BTreeMap<String, ReadError>,
    /// A read that failed other than for the caller's rights, behind which there may be another object of the name.
    failed: Option<ReadError>,
}

impl Locations {
    fn add(&mut self, kind: &KindRef, namespace: String) {
        self.found.entry(namespace).or_insert_with(|| kind.clone());
    }

    /// True if nothing was found, and no namespace could be looked into.
    fn is_unknown(&self) -> bool {
        self.found.is_empty() && self.looked.is_empty()
    }

    fn note(&mut self, error: ReadError) {
        if is_unknown(&error) {
            self.failed.get_or_insert(error);
        }
    }

    /// Looks into the namespaces that the host knows, by reading the name itself: a caller may have the right to that alone.
    fn look_into_known(&mut self, kinds: &[&KindRef], name: &str) {
        let Some(share) = AT_ONCE.checked_div(kinds.len()) else { return };
        let namespaces = call::namespaces();
        let asked: Vec<(&KindRef, &String)> = kinds
            .iter()
            .flat_map(|kind| namespaces.iter().take(share).map(|namespace| (*kind, namespace)))
            .collect();
        let queries: Vec<GetQuery> =
            asked.iter().map(|(kind, namespace)| named(kind, namespace, name, metadata())).collect();
        for ((kind, namespace), read) in asked.into_iter().zip(kube_read::get_all(&queries)) {
            match read {
                Ok(json) => {
                    let object = parsed::<Object>(&json).ok();
                    self.add(kind, object.map(|object| object.metadata.namespace).unwrap_or_default());
                }
                Err(error) if error.reason == Reason::NotFound => {}
                Err(error) => {
                    self.note(error);
                    continue;
                }
            }
            self.looked.insert(namespace.clone());
        }
    }

    /// The namespaces, without that of kinds that have none.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.found.keys().map(String::as_str).filter(|namespace| !namespace.is_empty())
    }

    /// The only namespace of the name, if there is one; it is empty for a kind without namespaces.
    ///
    /// # Errors
    /// If there are several: they are listed with their status. If some could not be read, there may be several.
    pub fn only(&self, name: &str) -> Result<Option<&str>, Error> {
        if let (Some(failed), 0 | 1) = (&self.failed, self.found.len()) {
            return Err(failed.clone().into());
        }
        let mut found = self.found.keys();
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(self.several(name).into()),
            (only, None) => Ok(only.map(String::as_str)),
        }
    }

    /// The objects of the name, each with what the API server's table says of it.
    fn several(&self, name: &str) -> String {
        let shown: Vec<(&String, &KindRef)> = self.found.iter().take(MAX_LISTED).collect();
        let queries: Vec<GetQuery> =
            shown.iter().map(|(namespace, kind)| named(kind, namespace, name, View::Table)).collect();
        let count = self.found.len();
        let mut text = format!(
            "{name:?} is in {count} namespaces, and none of them was read. Ask again with one as namespace:"
        );
        for ((namespace, kind), read) in shown.into_iter().zip(kube_read::get_all(&queries)) {
            let row = read.ok().and_then(|table| table_rows(&table).ok()?.into_iter().next());
            let cells = row.map(|row| STATUS.map(|title| row.cell(title))).unwrap_or_default();
            let told: Vec<_> = cells
                .iter()
                .filter(|cell| !cell.is_empty())
                .map(|cell| cut(&one_line(cell), MAX_CELL).to_owned())
                .collect();
            text.push_str(&format!("\n{} {}/{name}", kind.kind, one_line(namespace)));
            if !told.is_empty() {
                text.push_str(&format!(": {}", told.join(", ")));
            }
        }
        if count > MAX_LISTED {
            text.push_str(&format!("\n… and {} more", count - MAX_LISTED));
        }
        text
    }

    /// The error for a name that is nowhere, with where it was looked for and where a like name is.
    pub fn not_found(&self, kind: &KindRef, name: &str) -> Error {
        let (noun, near) = (&kind.kind, near_names(kind, name));
        let name = echo(name);
        let looked: Vec<&str> = self.looked.iter().map(String::as_str).collect();
        let (reason, message) = match (self.refused.get(&kind.kind), looked.as_slice()) {
            (None, _) => (Reason::NotFound, format!("{noun} {name} not found in any namespace.")),
            (Some(refused), []) => {
                let tried = call::namespaces().join(", ");
                let message = format!(
                    "{} Nor is {name} readable in the namespaces that were tried: {tried}. Name its namespace.",
                    refused.message
                );
                (refused.reason, message)
            }
            (Some(_), looked) => (
                Reason::NotFound,
                format!(
                    "{noun} {name} not found in {}. This account may not list {noun} in all namespaces: name the namespace if it is another.",
                    looked.join(", ")
                ),
            ),
        };
        let near = if near.is_empty() { near } else { format!(" There is: {near}.") };
        Error::Read(ReadError { reason, message: message + &near, retry_after_seconds: None })
    }
}

fn metadata() -> View {
    View::Fields([NAMESPACE, "metadata.name"].map(str::to_owned).into())
}

fn named(kind: &KindRef, namespace: &str, name: &str, view: View) -> GetQuery {
    let namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
    GetQuery { kind: kind.clone(), namespace, name: name.to_owned(), view }
}
