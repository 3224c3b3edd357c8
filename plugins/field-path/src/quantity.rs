//! Quantities of Kubernetes: `250m`, `1500000n`, `128Mi` (apimachinery's `resource.Quantity`).

use std::borrow::Cow;

/// The units and their factors, longest first.
const UNITS: [(&str, f64); 16] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("", 1.0),
];

/// The number that a quantity stands for; `None` if it is not a quantity. Always finite.
pub fn parse(quantity: &str) -> Option<f64> {
    let quantity = quantity.trim();
    // `inf` and `nan` are numbers for Rust, and names of pods for Kubernetes.
    if !quantity.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    UNITS.iter().find_map(|(unit, factor)| {
        let number: f64 = quantity.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor).filter(|number| number.is_finite())
    })
}

/// CPU in thousandths of a core, rounded up as `kubectl top` does: `250m`.
pub fn millicores(cores: f64) -> String {
    format!("{}m", thousandths(cores))
}

/// A number of cores in whole thousandths, rounded up.
pub fn thousandths(cores: f64) -> f64 {
    // In billionths first, the finest unit of metrics: 0.009 as a product is a little more than nine thousandths.
    ((cores * 1e9).round() / 1e6).ceil()
}

/// Memory in MiB, as `kubectl top` writes it: `128Mi`.
pub fn mebibytes(bytes: f64) -> String {
    format!("{}Mi", (bytes / 1_048_576.0).floor())
}

/// Memory in the largest unit that it fills, with one decimal at most, and two below ten: `23.5Gi`, `1.22Gi`.
pub fn readable(bytes: f64) -> String {
    let unit = UNITS.iter().take(6).rev().find(|(_, factor)| bytes.abs() >= *factor);
    let (unit, factor) = unit.copied().unwrap_or(("", 1.0));
    let number = bytes / factor;
    let number = if number.abs() < 10.0 { format!("{number:.2}") } else { format!("{number:.1}") };
    format!("{}{unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// The quantity of a resource, `limits.memory` or `ephemeral-storage`, for people: an amount of bytes as a machine writes it
/// in the largest unit that it fills, `24632456Ki` as `23.5Gi`. Anything else is as it was written.
pub fn of_resource<'t>(resource: &str, quantity: &'t str) -> Cow<'t, str> {
    let is_bytes =
        resource.ends_with("memory") || resource.ends_with("storage") || resource.starts_with("hugepages-");
    let number = quantity.trim_end_matches("Ki").trim_end_matches('m');
    let is_of_machine = number.len() > 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    match parse(quantity).filter(|_| is_bytes && is_of_machine) {
        Some(bytes) => Cow::Owned(readable(bytes)),
        None => Cow::Borrowed(quantity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_readable() {
        for (bytes, expected) in [
            (25_223_634_944.0, "23.5Gi"),
            (17_179_869_184.0, "16Gi"),
            (134_217_728.0, "128Mi"),
            (1_000.0, "1000"),
            (0.0, "0"),
            (1e18, "888.2Pi"),
            (1_311_768_576.0, "1.22Gi"),
            (2_147_483_648.0, "2Gi"),
            (-1_610_612_736.0, "-1.5Gi"),
            (7.0, "7"),
        ] {
            assert_eq!(readable(bytes), expected);
        }
    }

    #[test]
    fn bytes_of_a_resource_are_in_the_units_of_people() {
        for (resource, text, expected) in [
            ("memory", "24632456Ki", "23.5Gi"),
            ("limits.memory", "134217728", "128Mi"),
            ("ephemeral-storage", "47093746742", "43.9Gi"),
            ("memory", "134217728000m", "128Mi"),
            // As a person wrote it.
            ("memory", "1536Mi", "1536Mi"),
            ("storage", "10G", "10G"),
            ("cpu", "16000", "16000"),
            ("pods", "11000", "11000"),
        ] {
            assert_eq!(of_resource(resource, text), expected, "{resource}: {text}");
        }
    }

    #[test]
    fn quantities_are_numbers() {
        for (text, expected) in [
            ("250m", 0.25),
            ("2", 2.0),
            ("1500000n", 0.0015),
            ("128Mi", 134_217_728.0),
            ("1e3", 1000.0),
            ("2E", 2e18),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in ["many", "inf", "-inf", "NaN", "1e999", "", "Mi"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!((millicores(0.2501), mebibytes(2_147_483_648.0)), ("251m".into(), "2048Mi".into()));
    }

    #[test]
    fn whole_thousandths_of_a_core_stay_what_they_are() {
        for number in 0..20_000_u32 {
            for text in [format!("{number}m"), format!("{number}000000n"), format!("{number}000u")] {
                assert_eq!(parse(&text).map(millicores), Some(format!("{number}m")), "{text}");
            }
            let more = format!("{number}000001n");
            assert_eq!(parse(&more).map(millicores), Some(format!("{}m", number + 1)), "{more}");
        }
        let parts = ["9m", "13m", "1000001n"].map(|text| parse(text).unwrap());
        assert_eq!(millicores(parts.iter().sum()), "24m");
    }
}
