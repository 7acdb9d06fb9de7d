//! A simulated video: the paths of its bodies and how a frame of it is drawn.

use mental_pong_game::frames::canvas::{Canvas, Rgb};
use rapier2d::prelude::{
    CoefficientCombineRule, ColliderBuilder, PhysicsWorld, RigidBodyBuilder, Vector,
};

use super::rooms::WallMarks;
use super::scene::{Body, BodyShape, Mix, OccluderShape, Room, Scene, VIEW_UNITS};
use mental_pong_base::Stream;

/// Physics steps for each frame; frames are 1/20 s apart, steps 1/120 s.
const STEPS_PER_FRAME: usize = 6;
const STEP_S: f32 = 1.0 / 120.0;

/// Position and angle of a body in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BodyState {
    /// Units from the view's left edge.
    pub x: f64,
    /// Units from the view's lower edge.
    pub y: f64,
    /// Sine and cosine of its angle.
    pub turn: (f64, f64),
}

/// Which side of the bodies the occluders are drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// Occluders hide bodies, as an observer sees it.
    Seen,
    /// The same picture with the bodies drawn over the occluders.
    Revealed,
}

/// A video of a scene, 20 frames a second.
#[derive(Clone, Debug)]
pub struct Video {
    /// What it shows.
    pub scene: Scene,
    /// `[frame][body]`.
    pub states: Vec<Vec<BodyState>>,
    /// Camera offset of each frame, pixels of a 224-pixel view.
    shake: Vec<(f64, f64)>,
}

impl Video {
    /// Simulates video `index` of the collection named by `seed` and `purpose`.
    #[must_use]
    pub fn simulate(seed: u64, purpose: &str, index: u64, n_frames: usize, mix: &Mix) -> Self {
        let mut rng = Stream::new(seed, purpose, index);
        let scene = Scene::draw(&mut rng, mix);
        Self::of(scene, n_frames, &mut rng)
    }

    /// Simulates a scene; `rng` shakes the camera.
    #[must_use]
    pub fn of(scene: Scene, n_frames: usize, rng: &mut Stream) -> Self {
        let states = simulate(&scene, n_frames);
        let mut at = (0.0, 0.0);
        let shake = (0..n_frames)
            .map(|_| {
                let sd = scene.camera_shake_px;
                at = (
                    0.8 * at.0 + sd * rng.normal(),
                    0.8 * at.1 + sd * rng.normal(),
                );
                at
            })
            .collect();
        Self {
            scene,
            states,
            shake,
        }
    }

    /// The same motion in another look; see [`Scene::restyled`].
    #[must_use]
    pub fn restyled(&self, rng: &mut Stream) -> Self {
        Self {
            scene: self.scene.restyled(rng),
            ..self.clone()
        }
    }

    /// The same motion in the colours, background and occluders of `look`.
    #[must_use]
    pub fn dressed_as(&self, look: &Scene) -> Self {
        Self {
            scene: Scene {
                bodies: self.scene.bodies.clone(),
                camera_shake_px: self.scene.camera_shake_px,
                ..look.clone()
            },
            ..self.clone()
        }
    }

    /// The same motion and look without occluders.
    #[must_use]
    pub fn opened(&self) -> Self {
        Self {
            scene: self.scene.opened(),
            ..self.clone()
        }
    }

    /// Whether the first body's centre is in view in frame `t`, but for occluders.
    #[must_use]
    pub fn in_view(&self, t: usize) -> bool {
        let inside = |v: f64| (0.0..=VIEW_UNITS).contains(&v);
        self.states[t]
            .first()
            .is_some_and(|s| inside(s.x) && inside(s.y))
    }

    /// How far the first body's centre is from the nearer side of the view in frame `t`, units;
    /// negative outside.
    #[must_use]
    pub fn side_gap(&self, t: usize) -> f64 {
        self.states[t]
            .first()
            .map_or(-1.0, |s| s.x.min(VIEW_UNITS - s.x))
    }

    /// First frame from `from` on in which the first body, in view but for its occluders, is fully
    /// hidden by one.
    #[must_use]
    pub fn hidden_from(&self, from: usize) -> Option<usize> {
        let reach = self.scene.bodies.first()?.shape.reach();
        (from..self.states.len()).find(|&t| {
            self.in_view(t)
                && self.states[t].first().is_some_and(|s| {
                    self.scene
                        .occluders
                        .iter()
                        .any(|o| o.hides(s.x, s.y, reach))
                })
        })
    }

    /// Draws frame `t` at `size` × `size` pixels.
    #[must_use]
    pub fn render(&self, t: usize, size: usize, layers: Layers) -> Canvas {
        let mut canvas = self.backdrop(t, size, layers);
        self.draw_moving(&mut canvas, t, size, layers);
        canvas
    }

    /// Draws frames in order; what does not move is drawn once.
    pub fn render_each(
        &self,
        frames: impl IntoIterator<Item = usize>,
        size: usize,
        layers: Layers,
    ) -> impl Iterator<Item = Canvas> {
        let still = (self.scene.camera_shake_px == 0.0).then(|| self.backdrop(0, size, layers));
        frames.into_iter().map(move |t| match &still {
            None => self.render(t, size, layers),
            Some(backdrop) => {
                let mut canvas = backdrop.clone();
                self.draw_moving(&mut canvas, t, size, layers);
                canvas
            }
        })
    }

    /// From units to pixels in frame `t`.
    fn px_from_units(&self, t: usize, size: usize) -> impl Fn(f64, f64) -> (f64, f64) {
        let scale = size as f64 / VIEW_UNITS;
        let shake_scale = size as f64 / 224.0;
        let (sx, sy) = self.shake[t];
        move |x: f64, y: f64| {
            (
                x * scale + sx * shake_scale,
                (VIEW_UNITS - y) * scale + sy * shake_scale,
            )
        }
    }

    /// What lies behind the bodies.
    fn backdrop(&self, t: usize, size: usize, layers: Layers) -> Canvas {
        let px = self.px_from_units(t, size);
        let mut canvas = Canvas::new(size, size, self.scene.background);
        for patch in &self.scene.patches {
            let ((x0, y0), (x1, y1)) = patch.corners;
            let ((a, b), (c, d)) = (px(x0, y1), px(x1, y0));
            canvas.rect(a, b, c, d, patch.color, 1.0);
        }
        self.draw_walls(&mut canvas, &px);
        if layers == Layers::Revealed {
            self.draw_occluders(&mut canvas, size as f64 / VIEW_UNITS, &px);
        }
        canvas
    }

    /// The bodies and what stands before them.
    fn draw_moving(&self, canvas: &mut Canvas, t: usize, size: usize, layers: Layers) {
        let px = self.px_from_units(t, size);
        let scale = size as f64 / VIEW_UNITS;
        for (body, state) in self.scene.bodies.iter().zip(&self.states[t]) {
            draw_body(canvas, body, state, scale, &px);
        }
        if layers == Layers::Seen {
            self.draw_occluders(canvas, scale, &px);
        }
    }

    fn draw_walls(&self, canvas: &mut Canvas, px: &impl Fn(f64, f64) -> (f64, f64)) {
        let room = &self.scene.room;
        let far = 2.0 * VIEW_UNITS;
        if let Some((_, marks)) = &self.scene.marked {
            draw_marks(canvas, room, marks, px);
            return;
        }
        for (x0, y0, x1, y1) in [
            (-far, -far, room.x0, far),
            (room.x1, -far, far, far),
            (-far, -far, far, room.y0),
            (-far, room.y1, far, far),
        ] {
            let ((a, b), (c, d)) = (px(x0, y1), px(x1, y0));
            canvas.rect(a, b, c, d, self.scene.outside, 1.0);
        }
    }

    fn draw_occluders(
        &self,
        canvas: &mut Canvas,
        scale: f64,
        px: &impl Fn(f64, f64) -> (f64, f64),
    ) {
        for occluder in &self.scene.occluders {
            match &occluder.shape {
                OccluderShape::Rect(x0, y0, x1, y1) => {
                    let ((a, b), (c, d)) = (px(*x0, *y1), px(*x1, *y0));
                    canvas.rect(a, b, c, d, occluder.color, 1.0);
                }
                OccluderShape::Disc(x, y, r) => {
                    let (cx, cy) = px(*x, *y);
                    canvas.disc(cx, cy, r * scale, occluder.color, 1.0);
                }
                OccluderShape::Polygon(corners) => {
                    let corners: Vec<_> = corners.iter().map(|&(x, y)| px(x, y)).collect();
                    canvas.polygon(&corners, occluder.color, 1.0);
                }
            }
        }
    }
}

/// Walls inside the view: what lies beyond them, then a line along each.
fn draw_marks(
    canvas: &mut Canvas,
    room: &Room,
    marks: &WallMarks,
    px: &impl Fn(f64, f64) -> (f64, f64),
) {
    let far = 2.0 * VIEW_UNITS;
    let w = marks.width;
    let sides = [
        (
            room.x0 > 0.0,
            (-far, -far, room.x0, far),
            (room.x0 - w, -far, room.x0, far),
        ),
        (
            room.x1 < VIEW_UNITS,
            (room.x1, -far, far, far),
            (room.x1, -far, room.x1 + w, far),
        ),
        (
            room.y0 > 0.0,
            (-far, -far, far, room.y0),
            (-far, room.y0 - w, far, room.y0),
        ),
        (
            room.y1 < VIEW_UNITS,
            (-far, room.y1, far, far),
            (-far, room.y1, far, room.y1 + w),
        ),
    ];
    let mut fill = |(x0, y0, x1, y1): (f64, f64, f64, f64), color: Rgb| {
        let ((a, b), (c, d)) = (px(x0, y1), px(x1, y0));
        canvas.rect(a, b, c, d, color, 1.0);
    };
    if let Some(color) = marks.area {
        for (_, area, _) in sides.iter().filter(|side| side.0) {
            fill(*area, color);
        }
    }
    for (_, _, line) in sides.iter().filter(|side| side.0) {
        fill(*line, marks.line);
    }
}

fn draw_body(
    canvas: &mut Canvas,
    body: &Body,
    state: &BodyState,
    scale: f64,
    px: &impl Fn(f64, f64) -> (f64, f64),
) {
    let (sin, cos) = state.turn;
    let turned = |u: f64, v: f64| px(state.x + u * cos - v * sin, state.y + u * sin + v * cos);
    let quad = |half_u: f64, half_v: f64| {
        [
            turned(-half_u, -half_v),
            turned(half_u, -half_v),
            turned(half_u, half_v),
            turned(-half_u, half_v),
        ]
    };
    match body.shape {
        BodyShape::Disc { radius } => {
            let (cx, cy) = px(state.x, state.y);
            canvas.disc(cx, cy, radius * scale, body.color, 1.0);
            if let Some(mark) = body.mark {
                let (mx, my) = turned(0.5 * radius, 0.0);
                canvas.disc(mx, my, 0.35 * radius * scale, mark, 1.0);
            }
        }
        BodyShape::Box {
            half_width,
            half_height,
        } => {
            canvas.polygon(&quad(half_width, half_height), body.color, 1.0);
            if let Some(mark) = body.mark {
                let half: Rgb = mark;
                canvas.polygon(&quad(0.5 * half_width, 0.5 * half_height), half, 1.0);
            }
        }
    }
}

/// The bodies' states, `[frame][body]`, frame 0 being the start.
fn simulate(scene: &Scene, n_frames: usize) -> Vec<Vec<BodyState>> {
    let mut world = PhysicsWorld {
        gravity: Vector::new(0.0, -scene.gravity as f32),
        ..PhysicsWorld::default()
    };
    world.integration_parameters.dt = STEP_S;
    let collider = |builder: ColliderBuilder| {
        builder
            .restitution(scene.restitution as f32)
            .restitution_combine_rule(CoefficientCombineRule::Max)
            .friction(scene.friction as f32)
    };
    let room = &scene.room;
    let (mx, my) = (0.5 * (room.x0 + room.x1), 0.5 * (room.y0 + room.y1));
    let thick = 2.0;
    let (w, h) = (room.x1 - room.x0, room.y1 - room.y0);
    for (x, y, half_w, half_h) in [
        (room.x0 - thick, my, thick, h),
        (room.x1 + thick, my, thick, h),
        (mx, room.y0 - thick, w, thick),
        (mx, room.y1 + thick, w, thick),
    ] {
        world.insert(
            RigidBodyBuilder::fixed().translation(Vector::new(x as f32, y as f32)),
            collider(ColliderBuilder::cuboid(half_w as f32, half_h as f32)),
        );
    }
    let handles: Vec<_> = scene
        .bodies
        .iter()
        .map(|body| {
            let mut rigid = RigidBodyBuilder::dynamic()
                .translation(Vector::new(body.start.0 as f32, body.start.1 as f32))
                .linvel(Vector::new(body.velocity.0 as f32, body.velocity.1 as f32))
                .rotation(body.angle as f32)
                .angvel(body.spin as f32)
                .can_sleep(false)
                .ccd_enabled(true);
            if scene.friction == 0.0 && matches!(body.shape, BodyShape::Disc { .. }) {
                rigid = rigid.lock_rotations();
            }
            let shape = match body.shape {
                BodyShape::Disc { radius } => ColliderBuilder::ball(radius as f32),
                BodyShape::Box {
                    half_width,
                    half_height,
                } => ColliderBuilder::cuboid(half_width as f32, half_height as f32),
            };
            world.insert(rigid, collider(shape)).0
        })
        .collect();
    (0..n_frames)
        .map(|frame| {
            if frame > 0 {
                for _ in 0..STEPS_PER_FRAME {
                    world.step();
                }
            }
            handles
                .iter()
                .map(|&handle| {
                    let body = &world.bodies[handle];
                    let at = body.translation();
                    let turn = body.rotation();
                    BodyState {
                        x: f64::from(at.x),
                        y: f64::from(at.y),
                        turn: (f64::from(turn.im), f64::from(turn.re)),
                    }
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::scene::{MIN_ASPECT_DISTANCE, TASK_SPEED_MARGIN, TASK_SPEEDS};
    use super::*;

    #[test]
    fn same_index_same_bytes_and_another_index_others() {
        let bytes = |index| {
            let video = Video::simulate(5, "test", index, 12, &Mix::FULL);
            (0..12)
                .flat_map(|t| video.render(t, 56, Layers::Seen).into_rgb())
                .collect::<Vec<u8>>()
        };
        assert_eq!(bytes(3), bytes(3));
        assert_ne!(bytes(3), bytes(4));
    }

    #[test]
    fn no_video_is_a_mental_pong_trial() {
        for index in 0..2000 {
            let scene = Scene::draw(&mut Stream::new(9, "test", index), &Mix::FULL);
            assert!(
                scene.room.aspect() >= MIN_ASPECT_DISTANCE,
                "{:?}",
                scene.room
            );
            assert!(!scene.bodies.is_empty());
            for body in &scene.bodies {
                let speed = (body.velocity.0.powi(2) + body.velocity.1.powi(2)).sqrt();
                for task in TASK_SPEEDS {
                    assert!((speed / task - 1.0).abs() > 0.99 * TASK_SPEED_MARGIN);
                }
            }
            assert!(scene.occluders.iter().all(|o| !o.is_task_like()));
        }
    }

    #[test]
    fn the_task_occluder_would_be_refused() {
        use crate::playworld::{Occluder, OccluderShape};
        let task = Occluder {
            shape: OccluderShape::Rect(7.5, 0.0, 10.0, 10.0),
            color: Rgb(200, 0, 0),
        };
        assert!(task.is_task_like());
    }

    #[test]
    fn bodies_stay_in_the_room_and_keep_their_speed_without_gravity() {
        let mut seen = 0;
        for index in 0..60 {
            let video = Video::simulate(11, "test", index, 60, &Mix::FULL);
            let room = video.scene.room;
            for states in &video.states {
                for s in states {
                    assert!(s.x > room.x0 - 0.1 && s.x < room.x1 + 0.1);
                    assert!(s.y > room.y0 - 0.1 && s.y < room.y1 + 0.1);
                }
            }
            if video.scene.gravity == 0.0 && video.scene.bodies.len() == 1 {
                seen += 1;
                let speed = |t: usize| {
                    let (a, b) = (video.states[t][0], video.states[t + 1][0]);
                    ((b.x - a.x).powi(2) + (b.y - a.y).powi(2)).sqrt() * 20.0
                };
                let v = video.scene.bodies[0].velocity;
                let first = (v.0 * v.0 + v.1 * v.1).sqrt();
                let median = {
                    let mut all: Vec<f64> = (0..59).map(speed).collect();
                    all.sort_by(f64::total_cmp);
                    all[30]
                };
                assert!((median / first - 1.0).abs() < 0.03, "{median} {first}");
            }
        }
        assert!(seen > 10);
    }

    #[test]
    fn revealed_differs_from_seen_only_where_a_body_is_hidden() {
        let (mut hidden, mut open) = (0, 0);
        for index in 0..80 {
            let video = Video::simulate(13, "test", index, 40, &Mix::FULL);
            let same =
                |t| video.render(t, 112, Layers::Seen) == video.render(t, 112, Layers::Revealed);
            match video.hidden_from(0) {
                Some(t) => {
                    hidden += 1;
                    assert!(!same(t));
                }
                None if video.scene.occluders.is_empty() => {
                    open += 1;
                    assert!(same(20));
                }
                None => {}
            }
        }
        assert!(hidden > 5 && open > 3);
    }
}
