//! Rooms whose walls can be told from a picture.
//!
//! Each of the four sides of a room is drawn by itself and alike, so that a scene, its mirror images and its transpose
//! are equally frequent. A wall inside the view is a line of its own colour along it, on many pictures with an area of
//! another colour beyond it; an occluder never has such a line. That is the one cue by which a band at the edge of the
//! view (bodies pass behind it) and a wall (bodies turn back) differ. A wall at the very edge of the view is not drawn.

use mental_pong_base::Stream;
use mental_pong_game::frames::canvas::Rgb;
use serde::{Deserialize, Serialize};

use super::scene::{
    MIN_ASPECT_DISTANCE, Occluder, OccluderShape, Room, VIEW_UNITS, any_color, contrasting,
    draw_occluder,
};

/// How often the kinds of sides and occluders come up. What is left of `at_edge` and `inside` are walls beyond the view:
/// bodies leave there, and some return.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomMix {
    /// Share of walls that coincide with the edge of the view, which nothing shows.
    pub at_edge: f64,
    /// Share of walls inside the view, drawn.
    pub inside: f64,
    /// Share of drawn walls with another colour beyond their line.
    pub areas: f64,
    /// Share of sides without a drawn wall that have a solid band, flush with the edge of the view.
    pub bands: f64,
    /// Share of scenes with one occluder elsewhere; a fifth as many have two.
    pub blocks: f64,
}

/// How drawn walls look.
#[derive(Clone, Debug, PartialEq)]
pub struct WallMarks {
    /// Colour of the lines.
    pub line: Rgb,
    /// Width of the lines, units, outwards from the wall.
    pub width: f64,
    /// Colour beyond the lines.
    pub area: Option<Rgb>,
}

/// Farthest that a drawn wall stands from its edge of the view, units.
const DEEPEST: f64 = 3.4;
/// Depth of bands at the edge, units.
const BAND: (f64, f64) = (0.5, 4.2);

impl RoomMix {
    /// All kinds of sides.
    pub const FULL: Self = Self {
        at_edge: 0.55,
        inside: 0.35,
        areas: 0.5,
        bands: 0.3,
        blocks: 0.4,
    };

    /// A room: never square, at least 4 units wide and high within the view.
    pub(super) fn room(&self, rng: &mut Stream) -> Room {
        loop {
            let mut side = || {
                let kind = rng.unit();
                if kind < self.at_edge {
                    0.0
                } else if kind < self.at_edge + self.inside {
                    rng.uniform(0.12, DEEPEST)
                } else {
                    -rng.uniform(1.3, 8.0)
                }
            };
            let room = Room {
                x0: side(),
                x1: VIEW_UNITS - side(),
                y0: side(),
                y1: VIEW_UNITS - side(),
            };
            let (w, h) = (room.x1 - room.x0, room.y1 - room.y0);
            if room.aspect() >= MIN_ASPECT_DISTANCE && w >= 4.0 && h >= 4.0 {
                return room;
            }
        }
    }

    /// The look of the walls before a background.
    pub(super) fn marks(&self, rng: &mut Stream, background: Rgb) -> WallMarks {
        let line = contrasting(rng, background, 60);
        let area = rng.chance(self.areas).then(|| contrasting(rng, line, 25));
        // Thin lines are the common case: log-uniform from 1 to 9 pixels.
        let width = libm::exp(rng.uniform(libm::log(0.045), libm::log(0.4)));
        WallMarks { line, width, area }
    }

    /// Occluders of a room: bands flush with edges that have no drawn wall, and a few elsewhere.
    pub(super) fn occluders(
        &self,
        rng: &mut Stream,
        room: &Room,
        background: Rgb,
    ) -> Vec<Occluder> {
        let far = VIEW_UNITS + 1.0;
        let mut occluders = Vec::new();
        let mut free = 2.0 * BAND.1 + 0.5;
        for side in 0..4 {
            let drawn = match side {
                0 => room.x0 > 0.0,
                1 => room.x1 < VIEW_UNITS,
                2 => room.y0 > 0.0,
                _ => room.y1 < VIEW_UNITS,
            };
            if drawn || !rng.chance(self.bands) {
                continue;
            }
            let depth = rng.uniform(BAND.0, BAND.1.min(free));
            free = (free - depth).max(BAND.0 + 0.01);
            let shape = match side {
                0 => OccluderShape::Rect(-1.0, -1.0, depth, far),
                1 => OccluderShape::Rect(VIEW_UNITS - depth, -1.0, far, far),
                2 => OccluderShape::Rect(-1.0, -1.0, far, depth),
                _ => OccluderShape::Rect(-1.0, VIEW_UNITS - depth, far, far),
            };
            let color = contrasting(rng, background, 20);
            occluders.push(Occluder { shape, color });
        }
        let kind = rng.unit();
        let blocks = usize::from(kind < 1.2 * self.blocks) + usize::from(kind < 0.2 * self.blocks);
        for _ in 0..blocks {
            let mut occluder = draw_occluder(rng);
            occluder.color = any_color(rng);
            occluders.push(occluder);
        }
        occluders
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playworld::{Mix, Scene, TASK_SPEED_MARGIN, TASK_SPEEDS};

    const ROOMS: RoomMix = RoomMix {
        at_edge: 0.55,
        inside: 0.35,
        areas: 0.5,
        bands: 0.3,
        blocks: 0.4,
    };

    fn scenes() -> impl Iterator<Item = Scene> {
        let mix = Mix {
            rooms: Some(ROOMS),
            ..Mix::FULL
        };
        (0..2000).map(move |index| Scene::draw(&mut Stream::new(9, "test", index), &mix))
    }

    fn drawn(room: &Room) -> [bool; 4] {
        [
            room.x0 > 0.0,
            room.x1 < VIEW_UNITS,
            room.y0 > 0.0,
            room.y1 < VIEW_UNITS,
        ]
    }

    /// Sides that a band flush with the edge covers.
    fn bands(scene: &Scene) -> [bool; 4] {
        let mut found = [false; 4];
        for occluder in &scene.occluders {
            if let OccluderShape::Rect(x0, y0, x1, y1) = occluder.shape {
                let (tall, wide) = (y0 <= 0.0 && y1 >= VIEW_UNITS, x0 <= 0.0 && x1 >= VIEW_UNITS);
                found[0] |= tall && x0 == -1.0 && x1 <= BAND.1;
                found[1] |= tall && (x1 - VIEW_UNITS - 1.0).abs() < 1e-9;
                found[2] |= wide && y0 == -1.0 && y1 <= BAND.1;
                found[3] |= wide && (y1 - VIEW_UNITS - 1.0).abs() < 1e-9;
            }
        }
        found
    }

    #[test]
    fn no_room_is_the_task_s_field_and_no_body_has_its_speed() {
        for scene in scenes() {
            assert!(scene.room.aspect() >= MIN_ASPECT_DISTANCE);
            for body in &scene.bodies {
                let speed = (body.velocity.0.powi(2) + body.velocity.1.powi(2)).sqrt();
                for task in TASK_SPEEDS {
                    assert!((speed / task - 1.0).abs() > 0.99 * TASK_SPEED_MARGIN);
                }
            }
        }
    }

    #[test]
    fn the_four_sides_are_alike_and_bands_stand_where_no_wall_is_drawn() {
        let (mut walls, mut covered) = ([0; 4], [0; 4]);
        for scene in scenes() {
            let (drawn, bands) = (drawn(&scene.room), bands(&scene));
            for side in 0..4 {
                walls[side] += usize::from(drawn[side]);
                covered[side] += usize::from(bands[side]);
            }
        }
        for side in 0..4 {
            // Of 2,000 sides about 35 % have a drawn wall, of the others about 30 % a band (and few free blocks pass for one).
            assert!((600..850).contains(&walls[side]), "{walls:?}");
            assert!((330..560).contains(&covered[side]), "{covered:?}");
        }
    }

    #[test]
    fn another_look_keeps_the_room() {
        let mut rng = Stream::new(4, "test", 0);
        for scene in scenes().take(300) {
            let other = scene.restyled(&mut rng);
            assert_eq!(other.room, scene.room);
            assert_ne!(other.marked, scene.marked);
        }
    }

    #[test]
    fn a_drawn_wall_is_never_covered_by_a_band_at_its_edge() {
        let rooms = RoomMix {
            blocks: 0.0,
            bands: 1.0,
            ..ROOMS
        };
        let mut rng = Stream::new(4, "test", 1);
        for scene in scenes().take(500) {
            let occluders = rooms.occluders(&mut rng, &scene.room, Rgb::grey(0));
            let bare = Scene { occluders, ..scene };
            let (drawn, bands) = (drawn(&bare.room), bands(&bare));
            for side in 0..4 {
                assert_ne!(drawn[side], bands[side]);
            }
        }
    }
}
