//! Quantities of resources, such as `100m`, `1Gi` or `2e3`, in thousandths.

/// The thousandths of a quantity; None if it is none.
pub fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text.find(|letter: char| !matches!(letter, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    // Digits after the ninth are beyond what a quantity can hold.
    let part = part.get(..part.len().min(9))?;
    let digits: i128 = format!("{whole}{part}").parse().ok()?;
    let divisor = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let thousandths = match suffix {
        "n" => return Some(rounded(digits, divisor.checked_mul(1_000_000)?)),
        "u" => return Some(rounded(digits, divisor.checked_mul(1000)?)),
        "m" => 1,
        "" => 1000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        "Ti" => 1000 << 40,
        "Pi" => 1000 << 50,
        "Ei" => 1000 << 60,
        _ => 1000_i128.checked_mul(10_i128.checked_pow(power(suffix)?)?)?,
    };
    Some(rounded(digits.checked_mul(thousandths)?, divisor))
}

/// The power of ten of a decimal suffix or exponent.
fn power(suffix: &str) -> Option<u32> {
    Some(match suffix {
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        // An exponent was not cut off as a part of the number, because it begins with a letter.
        _ => suffix.strip_prefix(['e', 'E'])?.parse::<u32>().ok().filter(|power| *power < 19)?,
    })
}

/// The API server rounds up what is smaller than a thousandth.
fn rounded(digits: i128, divisor: i128) -> i128 {
    (digits + divisor - 1).div_euclid(divisor)
}

/// A quantity of a resource for a sentence: `1500m` or `2` of CPU, `1.5Gi` of memory.
pub fn show(resource: &str, thousandths: i128) -> String {
    let is_bytes = ["memory", "storage", "hugepages"].iter().any(|part| resource.contains(part))
        && !resource.contains("storageclass.storage.k8s.io/persistentvolumeclaims");
    let whole = thousandths / 1000;
    match thousandths % 1000 {
        // A quantity has 63 bits, of which the first 53 are far more than is shown.
        _ if is_bytes && whole != 0 => porthole_field_path::quantity::readable(whole as f64),
        0 => whole.to_string(),
        _ => format!("{thousandths}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_what_the_api_server_takes_it_for() {
        for (text, thousandths) in [
            ("100m", 100),
            ("2", 2000),
            ("0.1", 100),
            ("1.5Gi", 1000 * 3 * (1 << 29)),
            ("1k", 1_000_000),
            ("2e3", 2_000_000),
            ("1E", 1000 * 10_i128.pow(18)),
            ("1n", 1),
            ("250u", 1),
            ("-1", -1000),
            ("-0.5", -500),
            ("+3", 3000),
            (" 5m ", 5),
            ("1Ki", 1000 << 10),
            ("1Mi", 1000 << 20),
            ("1Ti", 1000 << 40),
            ("1Pi", 1000 << 50),
            ("1Ei", 1000 << 60),
            ("1M", 1000 * 10_i128.pow(6)),
            ("1G", 1000 * 10_i128.pow(9)),
            ("1T", 1000 * 10_i128.pow(12)),
            ("1P", 1000 * 10_i128.pow(15)),
            ("1e18", 1000 * 10_i128.pow(18)),
            // What is smaller than a thousandth is rounded up.
            ("1000u", 1),
            ("1001u", 2),
            ("1000000n", 1),
            ("1000001n", 2),
            ("0.0001", 1),
            ("0.0011", 2),
        ] {
            assert_eq!(parse(text), Some(thousandths), "{text}");
        }
        for text in ["", "x", "1 Gi", "1Xi", "1e19", "1e99", "--1", "."] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_quantity_is_shown_in_its_usual_unit() {
        let shown = |resource, text| show(resource, parse(text).unwrap());
        assert_eq!(shown("cpu", "1200m"), "1200m");
        assert_eq!(shown("cpu", "4000m"), "4");
        assert_eq!(shown("limits.memory", "1536Mi"), "1.5Gi");
        assert_eq!(shown("memory", "7900000Ki"), "7.53Gi");
        assert_eq!(shown("nvidia.com/gpu", "1"), "1");
        assert_eq!(shown("requests.storage", "500"), "500");
        assert_eq!(shown("memory", "100m"), "100m");
        assert_eq!(shown("hugepages-2Mi", "4Mi"), "4Mi");
        let claims = "gold.storageclass.storage.k8s.io/persistentvolumeclaims";
        assert_eq!(shown(claims, "2048"), "2048");
    }
}
