//! What draws the frames of a set, and how far it is from the rasteriser.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::FrameScene;
use crate::task::geometry::Geometry;
use crate::task::law::named;

/// What draws the frames of a set.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Drawer {
    /// This crate's own, on the CPU: the same bytes on every machine.
    #[default]
    Rasteriser,
    /// The game's scene, on a GPU or a software driver: what a person at the window sees. The bytes
    /// are those of the adapter and its driver, which the manifest names with the difference.
    Bevy,
}

impl Drawer {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rasteriser, Self::Bevy];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rasteriser => "rasteriser",
            Self::Bevy => "bevy",
        }
    }

    /// Whether it is the rasteriser.
    #[must_use]
    pub fn is_rasteriser(&self) -> bool {
        *self == Self::Rasteriser
    }
}

impl std::fmt::Display for Drawer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Drawer {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("renderer", name, &Self::ALL, Self::name)
    }
}

/// Draws frames in the rasteriser's place: the game's scene, behind feature `play`.
pub trait Painter {
    /// What it draws with.
    fn adapter(&self) -> Adapter;

    /// Draws what comes next in another geometry.
    fn set_geometry(&mut self, geometry: &Geometry);

    /// Draws a scene: `[y, x, channel]`, u8, of the size that the set has.
    ///
    /// # Errors
    /// Where nothing comes back.
    fn paint(&mut self, scene: &FrameScene) -> Result<Vec<u8>>;
}

/// What a [`Painter`] draws with, as the graphics library names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// The device: a GPU, or `llvmpipe` for lavapipe.
    pub name: String,
    /// The graphics interface: `Vulkan`, `Metal`, `Dx12`, `Gl`.
    pub backend: String,
    /// The driver with its version.
    pub driver: String,
}

impl std::fmt::Display for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.backend, self.driver)
    }
}

/// Who drew a set that the rasteriser did not draw, and how far that is from the rasteriser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Painted {
    /// What it was drawn with.
    pub adapter: Adapter,
    /// Every frame against the rasteriser's of the same scene. Never a claim of equal bytes.
    pub difference: Apart,
}

/// How frames differ from others of the same size, in levels of 255. Counts are whole numbers, so
/// that parts add up to the same whatever their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Apart {
    /// Frames compared.
    pub n_frames: u64,
    /// Mean absolute difference of a channel over all frames, levels.
    pub mean: f64,
    /// The largest difference of a channel, levels.
    pub max: u8,
    /// Share of all pixels with a channel that differs by more than 2 levels.
    pub share_above_2: f64,
    /// The largest mean absolute difference of a frame, levels.
    pub worst_frame_mean: f64,
    /// The largest share of a frame's pixels that differ by more than 2 levels.
    pub worst_frame_share_above_2: f64,
    /// Channel values compared.
    pub n_values: u64,
    /// Sum of the absolute differences, levels.
    pub sum: u64,
    /// Pixels with a channel that differs by more than 2 levels.
    pub n_above_2: u64,
}

impl Apart {
    /// The difference of two RGB frames.
    #[must_use]
    pub fn of(a: &[u8], b: &[u8]) -> Self {
        let apart = || a.iter().zip(b).map(|(x, y)| x.abs_diff(*y));
        let above = a
            .chunks_exact(3)
            .zip(b.chunks_exact(3))
            .filter(|(x, y)| x.iter().zip(*y).any(|(x, y)| x.abs_diff(*y) > 2))
            .count();
        let mut one = Self {
            n_frames: 1,
            max: apart().max().unwrap_or(0),
            n_values: a.len().min(b.len()) as u64,
            sum: apart().map(u64::from).sum(),
            n_above_2: above as u64,
            ..Self::default()
        };
        one.divide();
        (one.worst_frame_mean, one.worst_frame_share_above_2) = (one.mean, one.share_above_2);
        one
    }

    /// Adds the difference of further frames.
    pub fn add(&mut self, other: &Self) {
        self.n_frames += other.n_frames;
        self.max = self.max.max(other.max);
        self.worst_frame_mean = self.worst_frame_mean.max(other.worst_frame_mean);
        self.worst_frame_share_above_2 = self
            .worst_frame_share_above_2
            .max(other.worst_frame_share_above_2);
        self.n_values += other.n_values;
        self.sum += other.sum;
        self.n_above_2 += other.n_above_2;
        self.divide();
    }

    fn divide(&mut self) {
        let n = self.n_values.max(1) as f64;
        self.mean = self.sum as f64 / n;
        self.share_above_2 = 3.0 * self.n_above_2 as f64 / n;
    }
}

impl std::fmt::Display for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "mean {:.4} of 255 levels (worst frame {:.4}), at most {}, {:.3} % of pixels above 2 \
             levels (worst frame {:.3} %), {} frames",
            self.mean,
            self.worst_frame_mean,
            self.max,
            100.0 * self.share_above_2,
            100.0 * self.worst_frame_share_above_2,
            self.n_frames
        )
    }
}

/// Frames that were drawn beforehand: `[frame]` by the condition's id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drawn(pub(crate) Arc<std::collections::BTreeMap<String, Vec<Vec<u8>>>>);

impl Drawn {
    pub(crate) fn frame(&self, id: &str, n: usize) -> Option<&[u8]> {
        self.0.get(id)?.get(n).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_add_up_in_any_order() {
        let (a, b) = ([0, 0, 0, 10, 10, 10], [0, 1, 0, 10, 15, 7]);
        let one = Apart::of(&a, &b);
        assert_eq!((one.sum, one.max, one.n_above_2), (9, 5, 1));
        assert_eq!((one.mean, one.share_above_2), (1.5, 0.5));
        let none = Apart::of(&a, &a);
        assert_eq!((none.mean, none.max, none.share_above_2), (0.0, 0, 0.0));
        let sum = |parts: &[&Apart]| {
            let mut all = Apart::default();
            for part in parts {
                all.add(part);
            }
            all
        };
        let all = sum(&[&one, &none, &none]);
        assert_eq!(all, sum(&[&none, &one, &none]));
        assert_eq!(
            (all.n_frames, all.mean, all.worst_frame_mean),
            (3, 0.5, 1.5)
        );
    }
}
