//! What somebody may have meant who named something that is not there.

/// The one of `known` that is nearest to `found`, where one is near enough to be a slip of the pen.
///
/// ```
/// use mental_pong_base::guess::nearest;
///
/// assert_eq!(nearest("primat79", ["primate79", "valid"]), Some("primate79"));
/// assert_eq!(nearest("pong", ["primate79", "valid"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = found.to_lowercase();
    let close = known.into_iter().filter_map(|name| {
        let how = strsim::jaro_winkler(&lower, &name.to_lowercase());
        (how >= 0.8).then_some((how, name))
    });
    // Of two as near the first.
    close
        .fold(None, |best: Option<(f64, &str)>, one| match best {
            Some(best) if best.0 >= one.0 => Some(best),
            _ => Some(one),
        })
        .map(|(_, name)| name)
}
