//! Where the eye and the hand are while the ball is hidden (P25, Fig. 1C).

use serde::{Deserialize, Serialize};

use crate::array::Array2;
use crate::error::{Error, Result};
use crate::stats;

/// A curve over bins, aligned to an event of each condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlignedCurve {
    /// `[point]`, bins from the event; 0 is the event's bin.
    pub bin: Vec<i64>,
    /// `[point]`, mean over conditions. NaN where there is none.
    #[serde(with = "super::nan_list")]
    pub mean: Vec<f64>,
    /// `[point]`, standard error over conditions (ddof 1). NaN for fewer than two.
    #[serde(with = "super::nan_list")]
    pub sem: Vec<f64>,
    /// `[point]`, conditions that have a value there.
    pub n: Vec<usize>,
}

/// `[condition][bin]`, distance of the eye from the ball, degrees: `eye` and `ball` are `[condition][bin, (x, y)]`, condition
/// means in degrees. NaN where either is missing. [`Error::Shape`] if they do not agree.
pub fn eye_error(eye: &[Array2], ball: &[Array2]) -> Result<Vec<Vec<f64>>> {
    if eye.len() != ball.len() {
        return Err(Error::shape(
            "eye",
            format!("{} conditions, as the ball", ball.len()),
            format!("{} conditions", eye.len()),
        ));
    }
    eye.iter()
        .zip(ball)
        .enumerate()
        .map(|(c, (e, b))| {
            if e.rows() != b.rows() || e.cols() != 2 || b.cols() != 2 {
                return Err(Error::shape(
                    format!("eye, condition {c}"),
                    format!("{} bins, 2 columns", b.rows()),
                    format!(
                        "{} bins, {} columns; ball {} columns",
                        e.rows(),
                        e.cols(),
                        b.cols()
                    ),
                ));
            }
            Ok((0..e.rows())
                .map(|t| (e.get(t, 0) - b.get(t, 0)).hypot(e.get(t, 1) - b.get(t, 1)))
                .collect())
        })
        .collect()
}

/// `[condition][bin]`, |paddle - target|, degrees: `paddle` is `[condition][bin]`, `target` `[condition]`, the height where the
/// ball will arrive (say by which law). [`Error::Shape`] if the conditions differ.
pub fn hand_error(paddle: &[Vec<f64>], target: &[f64]) -> Result<Vec<Vec<f64>>> {
    if paddle.len() != target.len() {
        return Err(Error::shape(
            "paddle",
            format!("{} conditions, as the target", target.len()),
            format!("{} conditions", paddle.len()),
        ));
    }
    Ok(paddle
        .iter()
        .zip(target)
        .map(|(p, t)| p.iter().map(|v| (v - t).abs()).collect())
        .collect())
}

/// Mean and standard error over conditions of `errors` `[condition][bin]`, with bin `event[condition]` (published: the first
/// hidden one) at 0, from `from` to `to` (inclusive). Missing bins are left out.
///
/// [`Error::Shape`] if the conditions differ, [`Error::Invalid`] if `from` is above `to`.
pub fn aligned_curve(
    errors: &[Vec<f64>],
    event: &[usize],
    from: i64,
    to: i64,
) -> Result<AlignedCurve> {
    if errors.len() != event.len() {
        return Err(Error::shape(
            "event",
            format!("{} conditions", errors.len()),
            format!("{} conditions", event.len()),
        ));
    }
    if from > to {
        return Err(Error::invalid("bins", format!("from {from} to {to}")));
    }
    let mut curve = AlignedCurve {
        bin: (from..=to).collect(),
        mean: Vec::new(),
        sem: Vec::new(),
        n: Vec::new(),
    };
    for &bin in &curve.bin {
        let values: Vec<f64> = errors
            .iter()
            .zip(event)
            .filter_map(|(e, &zero)| {
                let at = usize::try_from(i64::try_from(zero).ok()? + bin).ok()?;
                e.get(at).copied().filter(|v| v.is_finite())
            })
            .collect();
        curve.mean.push(stats::mean(&values));
        curve.sem.push(super::standard_error(&values));
        curve.n.push(values.len());
    }
    Ok(curve)
}
