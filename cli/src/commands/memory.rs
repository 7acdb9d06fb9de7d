//! Memory: what a person writes, what a run takes, what the machine has.

use std::fmt::Write as _;

use crate::failure::Failure;

/// Bytes as a person writes them: `500M`, `8G`, `1234`; powers of 1,000.
pub(crate) fn parse_bytes(flag: &str, text: &str) -> Result<u64, Failure> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match text[digits.len()..].trim_end_matches('B') {
        "" => Some(1.0),
        "k" | "K" => Some(1e3),
        "M" => Some(1e6),
        "G" => Some(1e9),
        "T" => Some(1e12),
        _ => None,
    };
    match (digits.parse::<f64>(), scale) {
        (Ok(n), Some(scale)) if n > 0.0 && n.is_finite() => Ok((n * scale) as u64),
        _ => Err(Failure::Usage(format!(
            "{flag} {text}: expected bytes, as 500M or 8G"
        ))),
    }
}

/// Bytes for a person to read.
pub(crate) fn shown(bytes: u64) -> String {
    let value = bytes as f64;
    let (scale, unit) = match value {
        v if v >= 1e9 => (1e9, "GB"),
        v if v >= 1e6 => (1e6, "MB"),
        v if v >= 1e3 => (1e3, "kB"),
        _ => (1.0, "bytes"),
    };
    let mut text = String::new();
    let decimals = usize::from(scale > 1.0 && value / scale < 100.0);
    let _ = write!(text, "{:.decimals$} {unit}", value / scale);
    text
}

/// Memory that the machine has to give, bytes; none where it does not say.
pub(crate) fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Memory that this process holds, and the most that it has held, bytes; none where the system does not say.
pub(crate) fn held() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let of = |field: &str| -> Option<u64> {
        let line = text.lines().find(|l| l.starts_with(field))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        kibibytes.checked_mul(1024)
    };
    Some((of("VmRSS:")?, of("VmHWM:")?))
}

/// Refuses what takes more than may be used.
pub(crate) fn refuse_above(limit: Option<u64>, bytes: u64, what: &str) -> Result<(), Failure> {
    match limit {
        Some(limit) if bytes > limit => Err(Failure::Usage(format!(
            "{what} takes about {} of memory, and {} may be used (--max-memory, or what the machine has to give)",
            shown(bytes),
            shown(limit)
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_and_shown() {
        for (text, bytes) in [("8G", 8_000_000_000), ("1.5MB", 1_500_000), ("12", 12)] {
            assert_eq!(parse_bytes("--x", text).unwrap(), bytes);
        }
        for text in ["", "G", "8X", "-1", "nan", "inf"] {
            assert!(parse_bytes("--x", text).is_err(), "{text}");
        }
        assert_eq!(shown(1_500_000), "1.5 MB");
        assert_eq!(shown(12), "12 bytes");
    }
}
