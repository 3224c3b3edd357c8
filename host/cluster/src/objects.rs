//! Objects and lists, in the views of the contract.

#[cfg(test)]
mod tests;

use porthole_contract::{Echo, Failure, GetQuery, Kind, ListQuery, Page, Reason, View};

use super::{
    Client, Redaction, ValueMasks,
    envelope::{check_kind, count_masked, decode_error, envelope, into_utf8},
    request::{
        JSON, MAX_CONTINUE, MAX_SELECTOR, MAX_VERSION, TABLE, check_length, describe_read, parameter, path,
        segment,
    },
    shape::{FieldSelection, Items, Projection, copy},
    table::{CellMasks, NamespaceColumn, table},
};

/// Maximum number of rows in a page of a table with whole objects: thousands are asked for where a row has 150 bytes.
const MAX_ROWS_WITH_OBJECTS: u32 = 500;

/// Reads one object.
pub async fn get_object(
    client: Client<'_>,
    kind: &Kind,
    query: &GetQuery,
    redaction: Redaction,
    masks: &ValueMasks,
) -> Result<String, Failure> {
    let namespace = query.namespace.as_deref().filter(|_| kind.namespaced);
    let what = describe_read(kind, namespace, Some(&query.name));
    if kind.namespaced && namespace.is_none() {
        return Err(Failure::new(
            Reason::Invalid,
            format!("{} live in namespaces: name one", kind.qualified_name()),
        ));
    }
    let mut path = path(kind, namespace)?;
    path.push('/');
    path.extend(segment("name", &query.name)?);
    let projection = match &query.view {
        View::Fields(fields) => Some(Projection::parse(fields)?),
        _ => None,
    };
    let out = if matches!(query.view, View::Table | View::Outline) {
        let masks = CellMasks::of(masks, kind);
        parameter(&mut path, "includeObject", masks.row_object(NamespaceColumn::Absent));
        let answer = client.get(&path, TABLE, &what).await?;
        let page = table(answer, NamespaceColumn::Absent, redaction, masks, client.budget, &what);
        return Ok(page.await?.items);
    } else {
        let body = client.get(&path, JSON, &what).await?.bytes().await?;
        check_kind(&body, &kind.kind, &what)?;
        // The body stays reserved until the call ends, and covers the copy, which is about as long. Until this returns,
        // both exist.
        let scratch = client.budget.scratch();
        scratch.hold_up_to(body.len(), &what).await?;
        let mut out = Vec::with_capacity(body.len());
        let selection = projection.as_ref().map_or(FieldSelection::All, Projection::selection);
        let masked = copy(&body, selection, redaction, masks, &mut out)
            .map_err(|error| decode_error(&what, &error))?;
        count_masked(client.budget, redaction, masked, &out);
        out
    };
    client.budget.check_size(out.len(), &what)?;
    into_utf8(&what, out)
}

/// Reads one page of a list.
pub async fn list_objects(
    client: Client<'_>,
    kind: &Kind,
    query: &ListQuery,
    redaction: Redaction,
    masks: &ValueMasks,
) -> Result<Page, Failure> {
    let namespace = query.namespace.as_deref().filter(|_| kind.namespaced);
    let what = describe_read(kind, namespace, None);
    let mut path = path(kind, namespace)?;
    check_length("labelSelector", query.label_selector.as_deref(), MAX_SELECTOR)?;
    check_length("fieldSelector", query.field_selector.as_deref(), MAX_SELECTOR)?;
    masks.check_selector(query.field_selector.as_deref())?;
    check_length("continue", query.continue_token.as_deref(), MAX_CONTINUE)?;
    check_length("resourceVersion", query.resource_version.as_deref(), MAX_VERSION)?;
    // Without `Exact` the API server may answer with a newer state.
    let is_table = matches!(query.view, View::Table | View::Outline);
    let limit = match query.limit {
        Some(limit) if is_table && CellMasks::of(masks, kind).reads_objects() => {
            Some(limit.min(MAX_ROWS_WITH_OBJECTS))
        }
        limit => limit,
    };
    let exactly = query.resource_version.as_ref().filter(|_| query.continue_token.is_none()).map(|_| "Exact");
    let parameters = [
        ("labelSelector", query.label_selector.as_deref()),
        ("fieldSelector", query.field_selector.as_deref()),
        ("limit", limit.map(|limit| limit.to_string()).as_deref()),
        ("continue", query.continue_token.as_deref()),
        ("resourceVersion", query.resource_version.as_deref().filter(|_| query.continue_token.is_none())),
        ("resourceVersionMatch", exactly),
    ]
    .map(|(key, value)| (key, value.filter(|value| !value.is_empty()).map(str::to_owned)));
    for (key, value) in parameters {
        if let Some(value) = value {
            parameter(&mut path, key, &value);
        }
    }
    let page = match &query.view {
        View::Table | View::Outline => {
            let in_all = kind.namespaced && namespace.is_none() && matches!(query.view, View::Table);
            // The API server's own table has no column of namespaces: the metadata of each object has it.
            let column = if in_all { NamespaceColumn::Added } else { NamespaceColumn::Absent };
            let masks = CellMasks::of(masks, kind);
            parameter(&mut path, "includeObject", masks.row_object(column));
            let answer = client.get(&path, TABLE, &what).await?;
            table(answer, column, redaction, masks, client.budget, &what).await
        }
        View::Whole => items(client, &path, FieldSelection::All, redaction, masks, &what).await,
        View::Fields(fields) => {
            let projection = Projection::parse(fields)?;
            items(client, &path, projection.selection(), redaction, masks, &what).await
        }
    };
    page.map_err(|failure| with_selectors(query, failure))
}

/// Adds the selectors to an error: the API server describes the mistake, but not in which selector it is.
fn with_selectors(query: &ListQuery, mut failure: Failure) -> Failure {
    if failure.reason == Reason::Invalid {
        let selectors = [("labelSelector", &query.label_selector), ("fieldSelector", &query.field_selector)];
        for (name, selector) in selectors {
            if let Some(selector) = selector {
                failure.message.push_str(&format!(" ({name} {})", Echo(selector)));
            }
        }
    }
    failure
}

/// Reads a list object by object, copying the selected part of each as it arrives.
async fn items(
    client: Client<'_>,
    path: &str,
    selection: FieldSelection<'_>,
    redaction: Redaction,
    masks: &ValueMasks,
    what: &str,
) -> Result<Page, Failure> {
    let mut answer = client.get(path, JSON, what).await?;
    let mut list = Items::of("items");
    let scratch = client.budget.scratch();
    let mut out = vec![b'['];
    let (mut count, mut masked) = (0_u32, 0_u64);
    while let Some(chunk) = answer.chunk().await? {
        // An element of an aggregated API may be as large as `readBytes`, and is held while it arrives.
        scratch.hold_up_to(list.buffered().saturating_add(chunk.len()), what).await?;
        let before = out.len();
        list.feed(&chunk, |element| {
            if count > 0 {
                out.push(b',');
            }
            count = count.saturating_add(1);
            let here = copy(element, selection, redaction, masks, &mut out)
                .map_err(|error| decode_error(what, &error))?;
            masked = masked.saturating_add(here);
            client.budget.check_size(out.len(), what)
        })?;
        client.budget.hold(out.len().saturating_sub(before), what).await?;
    }
    out.push(b']');
    count_masked(client.budget, redaction, masked, &out);
    Ok(envelope(list, what)?.page(into_utf8(what, out)?, count))
}
