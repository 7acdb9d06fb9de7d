//! Degrees of visual angle on a screen.

use serde::{Deserialize, Serialize};

use mental_pong_game::error::{Error, Result};
use mental_pong_game::task::geometry::FIELD_HALF_DEG;

/// What has to be seen across, degrees: the field and a margin for the paddle, whose centre stands
/// on its edge.
pub const NEEDED_DEG: f64 = 2.0 * FIELD_HALF_DEG + 0.5;
/// What is seen across where the screen's size is not known, degrees: as the preset `display`.
pub const VIEW_DEG: f64 = 24.0;

/// The screen and the eye, as the user measured them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScreenGeometry {
    /// Width of the screen's picture, centimetres.
    pub width_cm: Option<f64>,
    /// Width of the screen, pixels; the system's own answer without it.
    pub width_px: Option<u32>,
    /// From the eye to the screen, centimetres.
    pub distance_cm: Option<f64>,
}

impl ScreenGeometry {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::BadValue`] for one that no screen has.
    pub fn check(&self) -> Result<()> {
        let within = |field, value: Option<f64>, low: f64, high: f64| match value {
            Some(v) if !(low..=high).contains(&v) => Err(Error::BadValue {
                field,
                expected: format!("{low} to {high}"),
                found: v.to_string(),
            }),
            _ => Ok(()),
        };
        within("screen.width_cm", self.width_cm, 1.0, 1000.0)?;
        within("screen.distance_cm", self.distance_cm, 1.0, 1000.0)?;
        within(
            "screen.width_px",
            self.width_px.map(f64::from),
            100.0,
            100_000.0,
        )
    }

    /// Pixels of a degree in the middle of the screen, `2 d tan(½°)` wide, on a screen of `screen_px`
    /// where the user gave none; nothing where size or distance is not known.
    ///
    /// A degree has the same length everywhere on the screen, as in MWorks and PsychoPy: at 10° from
    /// the middle of a flat screen it is 3 % less than a degree of the eye.
    #[must_use]
    pub fn px_per_deg(&self, screen_px: Option<u32>) -> Option<f64> {
        let (width_cm, distance_cm) = (self.width_cm?, self.distance_cm?);
        let px_per_cm = f64::from(self.width_px.or(screen_px)?) / width_cm;
        let deg_cm = 2.0 * distance_cm * libm::tan(0.5_f64.to_radians());
        Some(px_per_cm * deg_cm)
    }
}

/// How a window shows the field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Pixels of a degree.
    pub px_per_deg: f64,
    /// Whether that is a degree of visual angle.
    pub calibrated: bool,
}

/// How a window of so many pixels shows the field: at its true size where that is known and fits,
/// otherwise as large as it can.
#[must_use]
pub fn fit(calibrated: Option<f64>, (width_px, height_px): (f64, f64)) -> Fit {
    let side = width_px.min(height_px).max(1.0);
    match calibrated {
        Some(px_per_deg) if px_per_deg * NEEDED_DEG <= side => Fit {
            px_per_deg,
            calibrated: true,
        },
        _ => Fit {
            px_per_deg: side / VIEW_DEG,
            calibrated: false,
        },
    }
}

/// What to tell the person about a window; nothing where all is well.
#[must_use]
pub fn warning(calibrated: Option<f64>, (width_px, height_px): (f64, f64)) -> Option<String> {
    let side = width_px.min(height_px);
    match calibrated {
        None => Some(
            "Sizes are not degrees of visual angle: screen width and distance are not known."
                .to_owned(),
        ),
        Some(px) if px * NEEDED_DEG > side => Some(format!(
            "The window shows {:.1} of the 20 degrees: sizes are reduced. Use a larger window or \
             sit closer.",
            (side / px * 10.0).floor() / 10.0
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_screen_gives_its_degrees() {
        // 23 inches, 1920 × 1200, 67 cm: 49.5 cm wide, so 1.169 cm and 45.3 px a degree.
        let width_cm = 23.0 * 2.54 * 1920.0 / libm::hypot(1920.0, 1200.0);
        let screen = ScreenGeometry {
            width_cm: Some(width_cm),
            width_px: None,
            distance_cm: Some(67.0),
        };
        let px = screen.px_per_deg(Some(1920)).unwrap();
        assert!((px - 45.33).abs() < 0.02, "{px}");
        // 20° are 907 px of its 1200.
        assert_eq!(warning(Some(px), (1920.0, 1200.0)), None);
        assert!(fit(Some(px), (1920.0, 1200.0)).calibrated);
        let small = warning(Some(px), (800.0, 600.0)).unwrap();
        assert!(small.contains("13.2 of the 20"), "{small}");
        assert!(!fit(Some(px), (800.0, 600.0)).calibrated);
        assert_eq!(fit(None, (480.0, 480.0)).px_per_deg, 20.0);
        assert!(warning(None, (800.0, 600.0)).is_some());
    }

    #[test]
    fn sizes_that_no_screen_has_are_refused() {
        let bad = ScreenGeometry {
            distance_cm: Some(-1.0),
            ..ScreenGeometry::default()
        };
        assert!(
            bad.check()
                .unwrap_err()
                .to_string()
                .contains("screen.distance_cm is -1")
        );
        let bad = ScreenGeometry {
            width_cm: Some(f64::NAN),
            ..ScreenGeometry::default()
        };
        assert!(bad.check().is_err());
        assert!(ScreenGeometry::default().check().is_ok());
    }
}
