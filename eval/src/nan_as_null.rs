//! JSON has no NaN: undefined numbers are null.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

// serde calls it with a reference.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "signature given by serde's `with`"
)]
/// The number, or null where it is not finite.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
    value.is_finite().then_some(*value).serialize(s)
}

/// A number, NaN for null.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(d)?.unwrap_or(f64::NAN))
}
