//! Oracle of Helm releases: bounded, and nothing of the values.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use std::io::Write as _;

use serde_json::Value;

use super::{
    BASE64_STANDARD, CALL_UNPACKED, Engine as _, MAX_FIELD, MAX_UNPACKED, Relaxed, Release, TimeSlice,
    UnpackBudget, decode, truncate,
};

fn secret(packed: &[u8]) -> Vec<u8> {
    let release = BASE64_STANDARD.encode(BASE64_STANDARD.encode(packed));
    serde_json::json!({"data": {"release": release}}).to_string().into_bytes()
}

fn unpacked(secret: &[u8]) -> Result<Release, String> {
    let budget = UnpackBudget::default();
    let decode =
        decode(secret, &budget, TimeSlice::unlimited()).map(|inside| inside.release(Release::default()));
    match &decode {
        Ok(release) => {
            let Release { chart, chart_version, app_version, updated, status, .. } = release;
            let fields = [chart, chart_version, app_version, updated, status];
            assert!(fields.iter().all(|field| field.len() <= MAX_FIELD));
        }
        Err(error) => assert!(error.len() < 100, "{error}"),
    }
    let taken = CALL_UNPACKED.saturating_sub(budget.0.load(Relaxed));
    assert!(taken <= MAX_UNPACKED + (64 << 10), "{taken} bytes are unpacked");
    decode
}

/// A release is read from five short fields of its JSON. The input is the Secret, then what is packed in one, then the JSON
/// of a release.
pub fn helm_release(data: &[u8]) {
    let _ = unpacked(data);
    let _ = unpacked(&secret(data));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(data).unwrap();
    let decode = unpacked(&secret(&gzip.finish().unwrap()));
    // Skipped fields may hold numbers and strings that serde_json refuses when it is asked for them.
    let (Ok(release), Ok(value)) = (decode, serde_json::from_slice::<Value>(data)) else { return };
    let objects = ["", "/info", "/chart", "/chart/metadata"];
    if !objects.iter().all(|at| value.pointer(at).is_none_or(Value::is_object)) {
        return;
    }
    let text = |at: &str| {
        let text = value.pointer(at).and_then(Value::as_str).unwrap_or_default();
        truncate(text, MAX_FIELD).to_owned()
    };
    let expected = Release {
        chart: text("/chart/metadata/name"),
        chart_version: text("/chart/metadata/version"),
        app_version: text("/chart/metadata/appVersion"),
        updated: text("/info/last_deployed"),
        status: text("/info/status"),
        ..Release::default()
    };
    assert_eq!(release, expected);
}
