//! Columns of kinds whose rows have little more than a name.

use serde_json::Value;

use super::{
    Printer,
    cells::{age, name, text},
};

pub(super) const CONFIG_MAPS: Printer = Printer {
    columns: &[("Name", 0), ("Data", 0), ("Age", 0)],
    cells: |map, now| vec![name(map), (keys(&map["data"]) + keys(&map["binaryData"])).into(), age(map, now)],
};

pub(super) const SECRETS: Printer = Printer {
    columns: &[("Name", 0), ("Type", 0), ("Data", 0), ("Age", 0)],
    cells: |secret, now| {
        vec![name(secret), text(secret, "/type").into(), keys(&secret["data"]).into(), age(secret, now)]
    },
};

pub(super) const WITH_CREATION: Printer = Printer {
    columns: &[("Name", 0), ("Created At", 0)],
    cells: |object, _| vec![name(object), text(object, "/metadata/creationTimestamp").into()],
};

pub(super) const WITH_AGE: Printer = Printer {
    columns: &[("Name", 0), ("Age", 0)],
    cells: |object, now| vec![name(object), age(object, now)],
};

fn keys(map: &Value) -> usize {
    map.as_object().map_or(0, serde_json::Map::len)
}
