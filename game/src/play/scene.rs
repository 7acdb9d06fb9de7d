//! The scene of a trial as bevy draws it: background, frame, fixation point, ball, occluder, paddle,
//! in the rasteriser's order. A degree is a world unit.

use bevy::camera::{CompositingSpace, OrthographicProjection, Projection, ScalingMode};
use bevy::prelude::*;
use bevy::window::PrimaryWindow;

use super::angle::{Fit, fit};
use super::palette::Colors;
use super::{PlaySession, PlaySettings, PlaySystems};
use crate::frames::{PaddleLook, Rgb};
use crate::task::geometry::{
    BALL_RADIUS_DISPLAY_DEG, FIELD_HALF_DEG, FIXATION_DIAMETER_DEG, INTERCEPT_X_DEG, OCCLUDER_X_DEG,
};
use crate::task::paddle::PaddleRule;
use crate::task::trial::{Phase, Shown};

/// Width of the line around the field, degrees: that of the preset `display`.
pub const FRAME_WIDTH_DEG: f64 = 0.1;
/// How long the occluder fades where flashes are reduced, milliseconds.
pub const FADE_MS: f64 = 250.0;
/// Side of the photodiode's square, degrees.
pub const PHOTODIODE_DEG: f64 = 1.5;

/// How the window shows the field now.
#[derive(Resource, Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Physical pixels of a degree.
    pub px_per_deg: f64,
    /// Logical pixels of a degree.
    pub logical_px_per_deg: f64,
    /// Whether that is a degree of visual angle.
    pub calibrated: bool,
    /// The window, physical pixels.
    pub size_px: (u32, u32),
}

impl View {
    /// A picture of `side` pixels that shows ±12°.
    #[must_use]
    pub fn square(side: u32) -> Self {
        let Fit {
            px_per_deg,
            calibrated,
        } = fit(None, (f64::from(side), f64::from(side)));
        Self {
            px_per_deg,
            logical_px_per_deg: px_per_deg,
            calibrated,
            size_px: (side, side),
        }
    }
}

/// What to show: nothing draws an empty screen.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq)]
pub struct Showing(pub Option<Shown>);

/// Height of a companion's paddle, degrees, shown as feedback beside the person's.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq)]
pub struct ShowingBeside(pub Option<f64>);

/// The camera of the game.
#[derive(Component, Clone, Copy, Debug)]
pub struct PlayCamera;

/// A piece of the scene.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Frame,
    Field,
    Fixation,
    Ball,
    Occluder,
    PaddleWaiting,
    Paddle,
    Ghost,
    Photodiode,
}

/// Whether the plugin spawns its camera.
#[derive(Resource)]
struct SpawnCamera(bool);

/// Where the trials' paddle has its size from.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub(super) struct PaddleSize(pub(super) PaddleRule);

/// When the occluder began to fade.
#[derive(Resource, Default)]
struct Fading(Option<f64>);

pub(super) fn build(app: &mut App, camera: bool) {
    app.init_resource::<Showing>()
        .init_resource::<ShowingBeside>()
        .init_resource::<Fading>()
        .init_resource::<PaddleSize>()
        .insert_resource(SpawnCamera(camera))
        .insert_resource(View::square(480))
        .add_systems(Startup, spawn)
        .add_systems(
            Update,
            (
                follow_window,
                take.run_if(resource_exists::<PlaySession>),
                draw,
            )
                .chain()
                .in_set(PlaySystems::Draw),
        );
}

/// A colour as bevy has it.
#[must_use]
pub fn color(rgb: Rgb) -> Color {
    Color::srgb_u8(rgb.0, rgb.1, rgb.2)
}

fn spawn(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<ColorMaterial>>,
    settings: Res<PlaySettings>,
    camera: Res<SpawnCamera>,
) {
    let colors: Colors = settings.palette.colors();
    if camera.0 {
        commands.spawn((
            Camera2d,
            PlayCamera,
            // As the rasteriser blends: in the bytes of the colours.
            CompositingSpace::Srgb,
            Msaa::Sample4,
            Camera {
                clear_color: ClearColorConfig::Custom(color(colors.background)),
                ..default()
            },
            Projection::Orthographic(OrthographicProjection {
                scaling_mode: ScalingMode::WindowSize,
                ..OrthographicProjection::default_2d()
            }),
        ));
    }
    let unit = meshes.add(Rectangle::new(1.0, 1.0));
    let disc = meshes.add(Circle::new(0.5).mesh().resolution(96));
    let outer = 2.0 * (FIELD_HALF_DEG + FRAME_WIDTH_DEG);
    let inner = 2.0 * FIELD_HALF_DEG;
    let width = FIELD_HALF_DEG - OCCLUDER_X_DEG;
    let middle = 0.5 * (FIELD_HALF_DEG + OCCLUDER_X_DEG);
    let ball = 2.0 * BALL_RADIUS_DISPLAY_DEG;
    let point = FIXATION_DIAMETER_DEG;
    let mut piece =
        |piece: Piece, round: bool, rgb: Rgb, z: f32, at: (f64, f64), size: (f64, f64)| {
            let material = ColorMaterial {
                color: color(rgb),
                ..default()
            };
            commands.spawn((
                piece,
                Mesh2d(if round { disc.clone() } else { unit.clone() }),
                MeshMaterial2d(materials.add(material)),
                Transform::from_xyz(at.0 as f32, at.1 as f32, z).with_scale(Vec3::new(
                    size.0 as f32,
                    size.1 as f32,
                    1.0,
                )),
                Visibility::Hidden,
            ));
        };
    let origin = (0.0, 0.0);
    piece(
        Piece::Frame,
        false,
        colors.frame,
        0.0,
        origin,
        (outer, outer),
    );
    piece(
        Piece::Field,
        false,
        colors.background,
        1.0,
        origin,
        (inner, inner),
    );
    piece(
        Piece::Fixation,
        true,
        colors.fixation,
        2.0,
        origin,
        (point, point),
    );
    piece(Piece::Ball, true, colors.ball, 3.0, origin, (ball, ball));
    piece(
        Piece::Occluder,
        false,
        colors.occluder,
        4.0,
        (middle, 0.0),
        (width, inner),
    );
    piece(
        Piece::PaddleWaiting,
        false,
        colors.paddle,
        5.0,
        origin,
        (1.0, 1.0),
    );
    piece(Piece::Paddle, false, colors.paddle, 5.0, origin, (1.0, 1.0));
    piece(Piece::Ghost, false, colors.accent, 5.0, origin, (1.0, 1.0));
    let side = PHOTODIODE_DEG;
    piece(
        Piece::Photodiode,
        false,
        Rgb::grey(255),
        20.0,
        origin,
        (side, side),
    );
}

/// Keeps the scale as the window and the screen say.
fn follow_window(
    windows: Query<&Window, With<PrimaryWindow>>,
    monitors: Query<&bevy::window::Monitor, With<bevy::window::PrimaryMonitor>>,
    settings: Res<PlaySettings>,
    mut view: ResMut<View>,
    mut cameras: Query<&mut Projection, With<PlayCamera>>,
) {
    if let Some(window) = windows.iter().next() {
        let size_px = (window.physical_width(), window.physical_height());
        let screen_px = monitors.iter().next().map(|m| m.physical_width);
        let calibrated = settings.screen.px_per_deg(screen_px);
        let fit = fit(calibrated, (f64::from(size_px.0), f64::from(size_px.1)));
        let new = View {
            px_per_deg: fit.px_per_deg,
            logical_px_per_deg: fit.px_per_deg / f64::from(window.scale_factor()),
            calibrated: fit.calibrated,
            size_px,
        };
        view.set_if_neq(new);
    }
    if view.is_changed() {
        for mut projection in &mut cameras {
            if let Projection::Orthographic(projection) = &mut *projection {
                projection.scale = (1.0 / view.logical_px_per_deg) as f32;
            }
        }
    }
}

/// Shows what the session gives.
fn take(
    play: Res<PlaySession>,
    mut showing: ResMut<Showing>,
    mut beside: ResMut<ShowingBeside>,
    mut paddle: ResMut<PaddleSize>,
) {
    let ghost = play
        .beside_shown
        .filter(|shown| shown.phase == Phase::Feedback)
        .map(|shown| shown.paddle_y_deg);
    beside.set_if_neq(ShowingBeside(ghost));
    paddle.0 = play.session.plan().rules.paddle;
    let shown = play.output.as_ref().and_then(|output| output.shown);
    showing.set_if_neq(Showing(shown));
}

/// Puts the pieces where they belong.
fn draw(
    showing: Res<Showing>,
    beside: Res<ShowingBeside>,
    settings: Res<PlaySettings>,
    paddle: Res<PaddleSize>,
    view: Res<View>,
    mut fading: ResMut<Fading>,
    mut pieces: Query<(
        &Piece,
        &mut Transform,
        &mut Visibility,
        &MeshMaterial2d<ColorMaterial>,
    )>,
    mut materials: ResMut<Assets<ColorMaterial>>,
) {
    let colors = settings.palette.colors();
    let shown = showing.0;
    let scene = shown.map(|s| s.scene).unwrap_or_default();
    let field = shown.is_some_and(|s| s.field);
    let (phase, at_ms) = shown.map_or((Phase::Done, 0.0), |s| (s.phase, s.at_ms));
    let mut occluder = scene.occluder;
    if phase == Phase::Feedback && settings.reduced_flash {
        let since = *fading.0.get_or_insert(at_ms);
        let left = 1.0 - (at_ms - since) / FADE_MS;
        occluder = (left > 0.0).then_some(left);
    } else {
        fading.0 = None;
    }
    for (piece, mut transform, mut visibility, material) in &mut pieces {
        let mut place = |(x, y): (f64, f64), size: Option<(f64, f64)>| {
            let mut new = *transform;
            new.translation.x = x as f32;
            new.translation.y = y as f32;
            if let Some((w, h)) = size {
                new.scale = Vec3::new(w as f32, h as f32, 1.0);
            }
            transform.set_if_neq(new);
        };
        let mut alpha = None;
        let visible = match piece {
            Piece::Frame | Piece::Field => field,
            Piece::Fixation => scene.fixation,
            Piece::Ball => scene.ball.is_some_and(|ball| {
                place(ball, None);
                true
            }),
            Piece::Occluder => {
                alpha = occluder;
                occluder.is_some()
            }
            Piece::PaddleWaiting | Piece::Paddle => scene.paddle.is_some_and(|(y, look)| {
                let rule = &paddle.0;
                let (of, height) = match look {
                    PaddleLook::Waiting => (Piece::PaddleWaiting, rule.width_deg),
                    PaddleLook::Full => (Piece::Paddle, rule.height_deg),
                };
                place((INTERCEPT_X_DEG, y), Some((rule.width_deg, height)));
                if *piece == Piece::PaddleWaiting {
                    alpha = Some(f64::from(colors.waiting_alpha));
                }
                of == *piece
            }),
            // Narrower and to the right: it does not hide the person's own.
            Piece::Ghost => beside.0.is_some_and(|y| {
                let (w, h) = (paddle.0.width_deg, paddle.0.height_deg);
                place((INTERCEPT_X_DEG + 0.75 * w, y), Some((0.3 * w, h)));
                true
            }),
            Piece::Photodiode => {
                let half = |px: u32| 0.5 * f64::from(px) / view.px_per_deg;
                let (w, h) = (half(view.size_px.0), half(view.size_px.1));
                place((0.5 * PHOTODIODE_DEG - w, 0.5 * PHOTODIODE_DEG - h), None);
                let moves = matches!(phase, Phase::Visible | Phase::Occluded);
                settings.photodiode && !settings.reduced_flash && moves
            }
        };
        visibility.set_if_neq(if visible {
            Visibility::Inherited
        } else {
            Visibility::Hidden
        });
        // A material that is touched is sent to the GPU again.
        if let Some(alpha) = alpha.map(|a| a as f32)
            && materials
                .get(&material.0)
                .is_some_and(|m| m.color.alpha() != alpha)
            && let Some(mut material) = materials.get_mut(&material.0)
        {
            material.color.set_alpha(alpha);
        }
    }
}
