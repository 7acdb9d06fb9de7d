//! How numbers are written in figures, tables and text.

/// `digits` after the point; empty for NaN or infinity (undefined). No negative zero.
#[must_use]
pub fn fixed(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| b == b'0' || b == b'.') => rest.to_owned(),
        _ => text,
    }
}

/// A p value for a sentence: `.0001` at the least.
#[must_use]
pub fn p_value(p: f64) -> String {
    if p.is_nan() {
        "undefined".to_owned()
    } else if p < 0.0001 {
        "< 0.0001".to_owned()
    } else if p < 0.001 {
        format!("{p:.4}")
    } else {
        format!("{p:.3}")
    }
}
