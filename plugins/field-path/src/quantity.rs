//! Quantities of Kubernetes: `250m`, `1500000n`, `128Mi` (apimachinery's `resource.Quantity`).

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

/// CPU in thousandths of a core, as `kubectl top` writes it: `250m`.
pub fn millicores(cores: f64) -> String {
    format!("{}m", (cores * 1000.0).ceil())
}

/// Memory in MiB, as `kubectl top` writes it: `128Mi`.
pub fn mebibytes(bytes: f64) -> String {
    format!("{}Mi", (bytes / 1_048_576.0).floor())
}

/// Memory in the largest unit that it fills, with one decimal at most: `23.5Gi`.
pub fn readable(bytes: f64) -> String {
    let unit = UNITS.iter().take(6).rev().find(|(_, factor)| bytes >= *factor);
    let (unit, factor) = unit.copied().unwrap_or(("", 1.0));
    let number = format!("{:.1}", bytes / factor);
    format!("{}{unit}", number.trim_end_matches(".0"))
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
        ] {
            assert_eq!(readable(bytes), expected);
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
}
