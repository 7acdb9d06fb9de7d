//! What a playworld video shows: room, bodies, occluders, background. Units: the view is
//! 10 × 10 units, origin at the lower left, y up; the task's field would be as large as the view.

use mental_pong_game::frames::canvas::Rgb;
use serde::{Deserialize, Serialize};

use mental_pong_base::Stream;

use super::rooms::{RoomMix, WallMarks};

/// Side of the square view, units.
pub const VIEW_UNITS: f64 = 10.0;

/// The task's three speeds (3.75, 7.5 and 11.25 °/s on a 20° field), units per second.
pub const TASK_SPEEDS: [f64; 3] = [1.875, 3.75, 5.625];

/// No body starts faster than this, units per second.
pub const MAX_SPEED: f64 = 6.5;

/// No body starts within this fraction of a task speed.
pub const TASK_SPEED_MARGIN: f64 = 0.03;

/// The room's sides differ by at least this factor; the task's field is square.
pub const MIN_ASPECT_DISTANCE: f64 = 1.12;

/// The rectangle that bodies bounce in, units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Room {
    /// Left wall.
    pub x0: f64,
    /// Right wall.
    pub x1: f64,
    /// Floor.
    pub y0: f64,
    /// Ceiling.
    pub y1: f64,
}

impl Room {
    /// The longer side over the shorter.
    #[must_use]
    pub fn aspect(&self) -> f64 {
        let (w, h) = (self.x1 - self.x0, self.y1 - self.y0);
        (w / h).max(h / w)
    }

    fn draw(rng: &mut Stream, mix: &Mix) -> Self {
        let inside = |rng: &mut Stream, size: f64| {
            let low = rng.uniform(0.0, VIEW_UNITS - size);
            (low, low + size)
        };
        let beyond = |rng: &mut Stream| {
            let size = rng.uniform(MIN_ASPECT_DISTANCE * VIEW_UNITS + 0.1, 17.0);
            let low = rng.uniform(VIEW_UNITS - size, 0.0);
            (low, low + size)
        };
        let full = (0.0, VIEW_UNITS);
        // The other three kinds share what wide rooms leave, 15 : 25 : 25.
        let kind = rng.unit();
        let kind = if kind < mix.wide_rooms {
            0.0
        } else {
            0.35 + 0.65 * (kind - mix.wide_rooms) / (1.0 - mix.wide_rooms)
        };
        let ((x0, x1), (y0, y1)) = if kind < 0.35 {
            (beyond(rng), full)
        } else if kind < 0.5 {
            (full, beyond(rng))
        } else if kind < 0.75 {
            let size = rng.uniform(4.5, 8.7);
            if rng.chance(0.5) {
                (full, inside(rng, size))
            } else {
                (inside(rng, size), full)
            }
        } else {
            let long = rng.uniform(6.0, 9.7);
            let short = long / rng.uniform(MIN_ASPECT_DISTANCE + 0.01, 1.9);
            if rng.chance(0.5) {
                (inside(rng, long), inside(rng, short))
            } else {
                (inside(rng, short), inside(rng, long))
            }
        };
        Self { x0, x1, y0, y1 }
    }
}

/// Outline of a body, units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BodyShape {
    /// A disc.
    Disc {
        /// Radius.
        radius: f64,
    },
    /// A box.
    Box {
        /// Half the width.
        half_width: f64,
        /// Half the height.
        half_height: f64,
    },
}

impl BodyShape {
    /// Radius of the circle around the body, units.
    #[must_use]
    pub fn reach(&self) -> f64 {
        match *self {
            Self::Disc { radius } => radius,
            Self::Box {
                half_width,
                half_height,
            } => (half_width * half_width + half_height * half_height).sqrt(),
        }
    }
}

/// A moving thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Body {
    /// Its outline.
    pub shape: BodyShape,
    /// Its colour.
    pub color: Rgb,
    /// Colour of a mark that shows how it turns, where it is large enough for one.
    pub mark: Option<Rgb>,
    /// Where it starts, units.
    pub start: (f64, f64),
    /// Its first velocity, units per second.
    pub velocity: (f64, f64),
    /// Its first angle, radians.
    pub angle: f64,
    /// Its first turning rate, radians per second.
    pub spin: f64,
}

/// Outline of an occluder, units.
#[derive(Clone, Debug, PartialEq)]
pub enum OccluderShape {
    /// An axis-aligned rectangle `(x0, y0, x1, y1)`.
    Rect(f64, f64, f64, f64),
    /// A disc `(x, y, radius)`.
    Disc(f64, f64, f64),
    /// A convex polygon.
    Polygon(Vec<(f64, f64)>),
}

/// Something that bodies pass behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Occluder {
    /// Its outline.
    pub shape: OccluderShape,
    /// Its colour.
    pub color: Rgb,
}

impl Occluder {
    /// Whether this is the task's occluder: a band from top to bottom that begins in the right half
    /// of the view and reaches its right edge.
    #[must_use]
    pub fn is_task_like(&self) -> bool {
        match self.shape {
            OccluderShape::Rect(x0, y0, x1, y1) => {
                x0 > 0.5 * VIEW_UNITS && x1 >= VIEW_UNITS && y0 <= 0.0 && y1 >= VIEW_UNITS
            }
            OccluderShape::Disc(..) | OccluderShape::Polygon(_) => false,
        }
    }

    /// Whether a disc of radius `reach` at `(x, y)` lies fully behind this occluder.
    #[must_use]
    pub fn hides(&self, x: f64, y: f64, reach: f64) -> bool {
        match &self.shape {
            OccluderShape::Rect(x0, y0, x1, y1) => {
                x - reach >= *x0 && x + reach <= *x1 && y - reach >= *y0 && y + reach <= *y1
            }
            OccluderShape::Disc(cx, cy, r) => {
                let (dx, dy) = (x - cx, y - cy);
                (dx * dx + dy * dy).sqrt() + reach <= *r
            }
            OccluderShape::Polygon(corners) => corners
                .iter()
                .zip(corners.iter().cycle().skip(1))
                .all(|(a, b)| {
                    let (ex, ey) = (b.0 - a.0, b.1 - a.1);
                    let cross = ex * (y - a.1) - ey * (x - a.0);
                    cross >= reach * (ex * ex + ey * ey).sqrt()
                }),
        }
    }
}

/// A static decoration of the background: lower left and upper right corner.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Patch {
    pub(super) corners: ((f64, f64), (f64, f64)),
    pub(super) color: Rgb,
}

/// How often the kinds of scenes come up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Share of rooms as high as the view and wider than it, so that bodies leave and enter at the
    /// sides; other rooms are higher than the view, or end inside it.
    pub wide_rooms: f64,
    /// Share of scenes with one body.
    pub one_body: f64,
    /// Share of scenes with two bodies; the rest have three.
    pub two_bodies: f64,
    /// Share of scenes with gravity.
    pub gravity: f64,
    /// Share of scenes seen by a shaking camera.
    pub shake: f64,
    /// Rooms whose walls are marked; without it walls are areas of one colour, and occluders never a band at the right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rooms: Option<RoomMix>,
}

impl Mix {
    /// All kinds of scenes.
    pub const FULL: Self = Self {
        wide_rooms: 0.35,
        one_body: 0.6,
        two_bodies: 0.25,
        gravity: 0.3,
        shake: 0.15,
        rooms: None,
    };

    /// Rooms whose walls can be told from a picture, as the encoder with two towers learned them.
    pub const ROOMS: Self = Self {
        wide_rooms: 0.0,
        one_body: 0.7,
        two_bodies: 0.2,
        gravity: 0.2,
        shake: 0.0,
        rooms: Some(RoomMix::FULL),
    };
}

/// Everything a video is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// The walls.
    pub room: Room,
    /// Downward acceleration, units per second squared; 0 for a view from above.
    pub gravity: f64,
    /// Speed kept in a bounce, as a fraction.
    pub restitution: f64,
    /// Friction coefficient.
    pub friction: f64,
    /// Moving things; the first is the one that context and occlusion refer to.
    pub bodies: Vec<Body>,
    /// What they pass behind.
    pub occluders: Vec<Occluder>,
    /// Standard deviation of the camera's shake, pixels of a 224-pixel view.
    pub camera_shake_px: f64,
    /// How walls inside the view are marked, and the mix that says so.
    pub(super) marked: Option<(RoomMix, WallMarks)>,
    pub(super) background: Rgb,
    pub(super) outside: Rgb,
    pub(super) patches: Vec<Patch>,
}

impl Scene {
    /// Draws a scene from a stream.
    #[must_use]
    pub fn draw(rng: &mut Stream, mix: &Mix) -> Self {
        let room = match &mix.rooms {
            Some(rooms) => rooms.room(rng),
            None => Room::draw(rng, mix),
        };
        let background = draw_background(rng);
        let outside = contrasting(rng, background, 25);
        let gravity = if rng.chance(mix.gravity) {
            rng.uniform(1.5, 7.0)
        } else {
            0.0
        };
        let flat = gravity == 0.0;
        let (restitution, friction) = if flat {
            (1.0, 0.0)
        } else {
            (rng.uniform(0.5, 0.95), rng.uniform(0.1, 0.6))
        };
        let count = match rng.unit() {
            u if u < mix.one_body => 1,
            u if u < mix.one_body + mix.two_bodies => 2,
            _ => 3,
        };
        let mut bodies: Vec<Body> = Vec::new();
        // A body that finds no free place after some tries is left out.
        for _ in 0..count * 8 {
            if bodies.len() == count {
                break;
            }
            let body = draw_body(rng, &room, background, bodies.is_empty());
            let free = bodies.iter().all(|other| {
                let (dx, dy) = (other.start.0 - body.start.0, other.start.1 - body.start.1);
                (dx * dx + dy * dy).sqrt() > other.shape.reach() + body.shape.reach() + 0.05
            });
            if free {
                bodies.push(body);
            }
        }
        let marked = (mix.rooms).map(|rooms| (rooms, rooms.marks(rng, background)));
        let occluders = match &mix.rooms {
            Some(rooms) => rooms.occluders(rng, &room, background),
            None => draw_occluders(rng),
        };
        let camera_shake_px = if rng.chance(mix.shake) {
            rng.uniform(0.2, 1.2)
        } else {
            0.0
        };
        let patches = draw_patches(rng, background);
        Self {
            room,
            gravity,
            restitution,
            friction,
            bodies,
            occluders,
            camera_shake_px,
            marked,
            background,
            outside,
            patches,
        }
    }
}

impl Scene {
    /// The same room with `count` fast bodies and no gravity, in which motion soon is seen wherever it can be.
    #[must_use]
    pub fn crowded(&self, rng: &mut Stream, count: usize) -> Self {
        let mut scene = Self {
            gravity: 0.0,
            restitution: 1.0,
            friction: 0.0,
            bodies: Vec::new(),
            camera_shake_px: 0.0,
            ..self.clone()
        };
        for _ in 0..count {
            let mut body = draw_body(rng, &self.room, self.background, true);
            body.shape = BodyShape::Disc {
                radius: rng.uniform(0.08, 0.25),
            };
            scene.bodies.push(body);
        }
        scene
    }

    /// The same scene without its occluders.
    #[must_use]
    pub fn opened(&self) -> Self {
        Self {
            occluders: Vec::new(),
            ..self.clone()
        }
    }

    /// The same room, bodies and motion with everything else another: colours, background,
    /// occluders.
    #[must_use]
    pub fn restyled(&self, rng: &mut Stream) -> Self {
        let background = draw_background(rng);
        let outside = contrasting(rng, background, 25);
        let (marked, occluders) = match &self.marked {
            Some((rooms, _)) => (
                Some((*rooms, rooms.marks(rng, background))),
                rooms.occluders(rng, &self.room, background),
            ),
            None => (None, draw_occluders(rng)),
        };
        let mut scene = Self {
            background,
            outside,
            occluders,
            marked,
            patches: draw_patches(rng, background),
            ..self.clone()
        };
        for body in &mut scene.bodies {
            body.color = draw_body_color(rng, background);
            body.mark = body.mark.map(|_| contrasting(rng, body.color, 60));
        }
        scene
    }
}

fn draw_background(rng: &mut Stream) -> Rgb {
    if rng.chance(0.65) {
        near(rng, Rgb::grey(28), 28)
    } else {
        any_color(rng)
    }
}

fn draw_body_color(rng: &mut Stream, background: Rgb) -> Rgb {
    let bright = rng.chance(0.4) && luminance(background) < 120.0;
    if bright {
        near(rng, Rgb::grey(240), 20)
    } else {
        contrasting(rng, background, 70)
    }
}

fn draw_occluders(rng: &mut Stream) -> Vec<Occluder> {
    let count = match rng.unit() {
        u if u < 0.15 => 0,
        u if u < 0.7 => 1,
        _ => 2,
    };
    (0..count).map(|_| draw_occluder(rng)).collect()
}

pub(super) fn any_color(rng: &mut Stream) -> Rgb {
    Rgb(
        rng.below(256) as u8,
        rng.below(256) as u8,
        rng.below(256) as u8,
    )
}

fn near(rng: &mut Stream, color: Rgb, spread: i32) -> Rgb {
    let mut shift = |v: u8| {
        let by = rng.uniform(-f64::from(spread), f64::from(spread)) as i32;
        (i32::from(v) + by).clamp(0, 255) as u8
    };
    Rgb(shift(color.0), shift(color.1), shift(color.2))
}

fn luminance(c: Rgb) -> f64 {
    0.3 * f64::from(c.0) + 0.59 * f64::from(c.1) + 0.11 * f64::from(c.2)
}

/// A colour whose luminance differs from `from` by at least `least`.
pub(super) fn contrasting(rng: &mut Stream, from: Rgb, least: u8) -> Rgb {
    for _ in 0..32 {
        let color = any_color(rng);
        if (luminance(color) - luminance(from)).abs() >= f64::from(least) {
            return color;
        }
    }
    if luminance(from) < 128.0 {
        Rgb::grey(255)
    } else {
        Rgb::grey(0)
    }
}

fn draw_speed(rng: &mut Stream) -> f64 {
    loop {
        let speed = rng.uniform(0.8, MAX_SPEED);
        if TASK_SPEEDS
            .iter()
            .all(|s| (speed / s - 1.0).abs() > TASK_SPEED_MARGIN)
        {
            return speed;
        }
    }
}

fn draw_body(rng: &mut Stream, room: &Room, background: Rgb, first: bool) -> Body {
    let disc = first || rng.chance(0.6);
    // Small bodies are the common case: log-uniform from 1.6 to 13 pixels.
    let size = libm::exp(rng.uniform(libm::log(0.07), libm::log(if first { 0.45 } else { 0.6 })));
    let shape = if disc {
        BodyShape::Disc { radius: size }
    } else {
        BodyShape::Box {
            half_width: size,
            half_height: size * rng.uniform(0.5, 1.6),
        }
    };
    let reach = shape.reach() + 0.02;
    let within = |rng: &mut Stream, low: f64, high: f64| {
        let (low, high) = (low.max(0.0) + reach, high.min(VIEW_UNITS) - reach);
        rng.uniform(low.min(high), high)
    };
    let start = (within(rng, room.x0, room.x1), within(rng, room.y0, room.y1));
    let speed = draw_speed(rng);
    let heading = rng.uniform(0.0, std::f64::consts::TAU);
    let color = draw_body_color(rng, background);
    let mark = (size > 0.25 && rng.chance(0.5)).then(|| contrasting(rng, color, 60));
    Body {
        shape,
        color,
        mark,
        start,
        velocity: (speed * libm::cos(heading), speed * libm::sin(heading)),
        angle: rng.uniform(0.0, std::f64::consts::TAU),
        spin: if disc { 0.0 } else { rng.uniform(-3.0, 3.0) },
    }
}

pub(super) fn draw_occluder(rng: &mut Stream) -> Occluder {
    let color = any_color(rng);
    let span = |rng: &mut Stream, low: f64, high: f64| {
        let size = rng.uniform(low, high);
        let at = rng.uniform(0.0, VIEW_UNITS - size);
        (at, at + size)
    };
    let kind = rng.unit();
    let shape = if kind < 0.2 {
        // A band from top to bottom, never at the right edge.
        let (x0, x1) = span(rng, 1.0, 3.5);
        let x1 = x1.min(VIEW_UNITS - 0.6);
        OccluderShape::Rect(x0.min(x1 - 0.5), -1.0, x1, VIEW_UNITS + 1.0)
    } else if kind < 0.3 {
        // A band at the left edge.
        OccluderShape::Rect(-1.0, -1.0, rng.uniform(1.0, 4.0), VIEW_UNITS + 1.0)
    } else if kind < 0.45 {
        // A band from side to side.
        let (y0, y1) = span(rng, 1.0, 3.5);
        OccluderShape::Rect(-1.0, y0, VIEW_UNITS + 1.0, y1)
    } else if kind < 0.7 {
        let ((x0, x1), (y0, y1)) = (span(rng, 1.2, 4.5), span(rng, 1.2, 4.5));
        OccluderShape::Rect(x0, y0, x1, y1)
    } else if kind < 0.85 {
        OccluderShape::Disc(
            rng.uniform(1.0, 9.0),
            rng.uniform(1.0, 9.0),
            rng.uniform(0.8, 2.4),
        )
    } else {
        // A tilted bar, corners anticlockwise.
        let (cx, cy) = (rng.uniform(2.0, 8.0), rng.uniform(2.0, 8.0));
        let (half_long, half_short) = (rng.uniform(1.5, 5.0), rng.uniform(0.5, 1.5));
        let angle = rng.uniform(0.2, std::f64::consts::PI - 0.2);
        let (s, c) = (libm::sin(angle), libm::cos(angle));
        OccluderShape::Polygon(
            [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
                .iter()
                .map(|(u, v)| {
                    let (a, b) = (u * half_long, v * half_short);
                    (cx + a * c - b * s, cy + a * s + b * c)
                })
                .collect(),
        )
    };
    Occluder { shape, color }
}

fn draw_patches(rng: &mut Stream, background: Rgb) -> Vec<Patch> {
    let rect = |x0: f64, y0: f64, x1: f64, y1: f64| ((x0, y0), (x1, y1));
    let kind = rng.unit();
    if kind < 0.55 {
        return Vec::new();
    }
    let color = near(rng, background, 30);
    let period = rng.uniform(0.8, 3.0);
    let offset = rng.uniform(0.0, period);
    let lines = |low: f64| {
        (0..)
            .map(move |k| low + period * f64::from(k))
            .take_while(|v| *v < 11.0)
    };
    if kind < 0.7 {
        let upright = rng.chance(0.5);
        return lines(-1.0 - period + offset)
            .map(|at| Patch {
                corners: if upright {
                    rect(at, -1.0, at + 0.5 * period, 11.0)
                } else {
                    rect(-1.0, at, 11.0, at + 0.5 * period)
                },
                color,
            })
            .collect();
    }
    if kind < 0.82 {
        return lines(-1.0 - period + offset)
            .enumerate()
            .flat_map(|(row, y)| {
                lines(-1.0 - period)
                    .enumerate()
                    .filter(move |(col, _)| (row + col) % 2 == 0)
                    .map(move |(_, x)| Patch {
                        corners: rect(x, y, x + period, y + period),
                        color,
                    })
            })
            .collect();
    }
    (0..3 + rng.below(6))
        .map(|_| {
            let (x, y) = (rng.uniform(-1.0, 10.0), rng.uniform(-1.0, 10.0));
            let (w, h) = (rng.uniform(0.3, 3.0), rng.uniform(0.3, 3.0));
            Patch {
                corners: rect(x, y, x + w, y + h),
                color: near(rng, background, 45),
            }
        })
        .collect()
}
