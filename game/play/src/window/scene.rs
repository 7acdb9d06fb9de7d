//! The scene of a trial as bevy draws it: background, frame, fixation point, ball, occluder, paddle,
//! in the rasteriser's order. A degree is a world unit.

use bevy::camera::{CompositingSpace, OrthographicProjection, Projection, ScalingMode};
use bevy::prelude::*;
use bevy::window::PrimaryWindow;

use super::angle::{Fit, fit};
use super::palette::Colors;
use super::{PlaySession, PlaySettings, PlaySystems};
use mental_pong_game::frames::{PaddleLook, Rgb};
use mental_pong_game::task::geometry::{
    BALL_RADIUS_DISPLAY_DEG, FIELD_HALF_DEG, FIXATION_DIAMETER_DEG, Geometry, WALL_WIDTH_DEG,
};
use mental_pong_game::task::paddle::PaddleRule;
use mental_pong_game::task::trial::{Phase, Shown};

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

/// Colours and the ball's size: those of the palette and the display, or of a stimulus set.
#[derive(Resource, Clone, Copy, Debug, PartialEq)]
pub(super) struct SceneStyle {
    pub(super) colors: Colors,
    pub(super) ball_radius_deg: f64,
}

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
    Wall,
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

/// What stands in the field of the trial that is shown: occluders, walls, the plane of the paddle.
#[derive(Resource, Clone, Debug, Default, PartialEq)]
pub(super) struct Field(pub(super) Geometry);

/// Whether a piece is made anew for each geometry.
#[derive(Component)]
struct Furniture;

/// The occluder's opacity while it stood, and when it began to fade.
#[derive(Resource, Default)]
struct Fading {
    stood: Option<f64>,
    since_ms: Option<f64>,
}

pub(super) fn build(app: &mut App, camera: bool, settings: &PlaySettings) {
    app.insert_resource(SceneStyle {
        colors: settings.palette.colors(),
        ball_radius_deg: BALL_RADIUS_DISPLAY_DEG,
    })
    .init_resource::<Showing>()
    .init_resource::<ShowingBeside>()
    .init_resource::<Fading>()
    .init_resource::<PaddleSize>()
    .init_resource::<Field>()
    .insert_resource(SpawnCamera(camera))
    .insert_resource(View::square(480))
    .add_systems(Startup, spawn)
    .add_systems(
        Update,
        (
            follow_window,
            recolor.run_if(resource_changed::<SceneStyle>),
            take.run_if(resource_exists::<PlaySession>),
            furnish.run_if(resource_changed::<Field>),
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
    style: Res<SceneStyle>,
    camera: Res<SpawnCamera>,
) {
    let colors = &style.colors;
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
    let (point, side) = (FIXATION_DIAMETER_DEG, PHOTODIODE_DEG);
    let mut piece = |piece: Piece, z: f32, x: f64, size: (f64, f64)| {
        let round = matches!(piece, Piece::Fixation | Piece::Ball);
        let material = ColorMaterial {
            color: color(piece.color(colors)),
            ..default()
        };
        commands.spawn((
            piece,
            Mesh2d(if round { disc.clone() } else { unit.clone() }),
            MeshMaterial2d(materials.add(material)),
            Transform::from_xyz(x as f32, 0.0, z).with_scale(Vec3::new(
                size.0 as f32,
                size.1 as f32,
                1.0,
            )),
            Visibility::Hidden,
        ));
    };
    piece(Piece::Frame, 0.0, 0.0, (outer, outer));
    piece(Piece::Field, 1.0, 0.0, (inner, inner));
    piece(Piece::Fixation, 2.0, 0.0, (point, point));
    piece(Piece::Ball, 3.0, 0.0, (1.0, 1.0));
    piece(Piece::PaddleWaiting, 5.0, 0.0, (1.0, 1.0));
    piece(Piece::Paddle, 5.0, 0.0, (1.0, 1.0));
    piece(Piece::Ghost, 5.0, 0.0, (1.0, 1.0));
    piece(Piece::Photodiode, 20.0, 0.0, (side, side));
}

impl Piece {
    const fn color(self, colors: &Colors) -> Rgb {
        match self {
            Self::Frame | Self::Wall => colors.frame,
            Self::Field => colors.background,
            Self::Fixation => colors.fixation,
            Self::Ball => colors.ball,
            Self::Occluder => colors.occluder,
            Self::PaddleWaiting | Self::Paddle => colors.paddle,
            Self::Ghost => colors.accent,
            Self::Photodiode => Rgb::grey(255),
        }
    }
}

/// Puts occluders and walls where the trial has them, in place of those of the trial before.
fn furnish(
    mut commands: Commands,
    field: Res<Field>,
    style: Res<SceneStyle>,
    before: Query<Entity, With<Furniture>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<ColorMaterial>>,
) {
    for entity in &before {
        commands.entity(entity).despawn();
    }
    let geometry = &field.0;
    let half = FIELD_HALF_DEG;
    let occluders = (geometry.occluders.iter()).map(|r| {
        (
            Piece::Occluder,
            4.0,
            [r.x0_deg, r.x1_deg, r.y0_deg, r.y1_deg],
        )
    });
    let (low, high) = (geometry.wall_low_deg, geometry.wall_high_deg);
    let walls = [(low - WALL_WIDTH_DEG, low), (high, high + WALL_WIDTH_DEG)];
    let walls = (walls.into_iter().filter(|_| geometry.draw_walls))
        .map(|(from, to)| (Piece::Wall, 1.5, [-half, half, from, to]));
    let unit = meshes.add(Rectangle::new(1.0, 1.0));
    for (piece, z, [left, right, lower, upper]) in occluders.chain(walls) {
        let at = Vec3::new(
            (0.5 * (left + right)) as f32,
            (0.5 * (lower + upper)) as f32,
            z,
        );
        let size = Vec3::new((right - left) as f32, (upper - lower) as f32, 1.0);
        commands.spawn((
            piece,
            Furniture,
            Mesh2d(unit.clone()),
            MeshMaterial2d(materials.add(color(piece.color(&style.colors)))),
            Transform::from_translation(at).with_scale(size),
            Visibility::Hidden,
        ));
    }
}

/// Gives the pieces other colours.
fn recolor(
    style: Res<SceneStyle>,
    pieces: Query<(&Piece, &MeshMaterial2d<ColorMaterial>)>,
    mut materials: ResMut<Assets<ColorMaterial>>,
    mut cameras: Query<&mut Camera, With<PlayCamera>>,
) {
    for (piece, material) in &pieces {
        if let Some(mut material) = materials.get_mut(&material.0) {
            material.color = color(piece.color(&style.colors)).with_alpha(material.color.alpha());
        }
    }
    for mut camera in &mut cameras {
        camera.clear_color = ClearColorConfig::Custom(color(style.colors.background));
    }
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
    mut field: ResMut<Field>,
) {
    let ghost = play
        .beside_shown
        .filter(|shown| shown.phase == Phase::Feedback)
        .map(|shown| shown.paddle_y_deg);
    beside.set_if_neq(ShowingBeside(ghost));
    paddle.0 = play.session.plan().rules.paddle;
    if let Some(trial) = play.session.trial()
        && field.0 != *trial.geometry()
    {
        field.0 = trial.geometry().clone();
    }
    let shown = play.output.as_ref().and_then(|output| output.shown);
    showing.set_if_neq(Showing(shown));
}

/// Puts the pieces where they belong.
fn draw(
    showing: Res<Showing>,
    beside: Res<ShowingBeside>,
    settings: Res<PlaySettings>,
    style: Res<SceneStyle>,
    (paddle, field_of): (Res<PaddleSize>, Res<Field>),
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
    let shown = showing.0;
    let ball = 2.0 * field_of.0.ball_radius_deg.unwrap_or(style.ball_radius_deg);
    let plane = field_of.0.intercept_x_deg;
    let scene = shown.map(|s| s.scene).unwrap_or_default();
    let field = shown.is_some_and(|s| s.field);
    let (phase, at_ms) = shown.map_or((Phase::Done, 0.0), |s| (s.phase, s.at_ms));
    let mut occluder = scene.occluder;
    if phase == Phase::Feedback && settings.reduced_flash {
        let since = *fading.since_ms.get_or_insert(at_ms);
        let left = 1.0 - (at_ms - since) / FADE_MS;
        // Where none stood, none fades.
        occluder = fading.stood.filter(|_| left > 0.0).map(|of| left * of);
    } else {
        *fading = Fading {
            stood: occluder,
            since_ms: None,
        };
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
            Piece::Frame | Piece::Field | Piece::Wall => field,
            Piece::Fixation => scene.fixation,
            Piece::Ball => scene.ball.is_some_and(|at| {
                place(at, Some((ball, ball)));
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
                place((plane, y), Some((rule.width_deg, height)));
                if *piece == Piece::PaddleWaiting {
                    alpha = Some(f64::from(style.colors.waiting_alpha));
                }
                of == *piece
            }),
            // Narrower and to the right: it does not hide the person's own.
            Piece::Ghost => beside.0.is_some_and(|y| {
                let (w, h) = (paddle.0.width_deg, paddle.0.height_deg);
                place((plane + 0.75 * w, y), Some((0.3 * w, h)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::offscreen::shown;
    use mental_pong_game::frames::FrameScene;

    /// The scene's systems without a renderer.
    fn scene(settings: PlaySettings) -> App {
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, AssetPlugin::default()))
            .init_asset::<Mesh>()
            .init_asset::<ColorMaterial>()
            .insert_resource(settings.clone());
        build(&mut app, false, &settings);
        app.update();
        app
    }

    /// Shows a phase at a time and gives what is seen of a piece: its opacity.
    fn seen(
        app: &mut App,
        piece: Piece,
        phase: Phase,
        at_ms: f64,
        occluder: Option<f64>,
    ) -> Option<f32> {
        let scene = FrameScene {
            ball: Some((1.0, 2.0)),
            occluder,
            ..FrameScene::default()
        };
        app.world_mut().resource_mut::<Showing>().0 = Some(Shown {
            at_ms,
            phase,
            ..shown(&scene, true)
        });
        app.update();
        let world = app.world_mut();
        let mut pieces = world.query::<(&Piece, &Visibility, &MeshMaterial2d<ColorMaterial>)>();
        let found = pieces.iter(world).find(|(of, ..)| **of == piece).unwrap();
        let id = found.2.id();
        (*found.1 != Visibility::Hidden).then(|| {
            let materials = world.resource::<Assets<ColorMaterial>>();
            materials.get(id).unwrap().color.alpha()
        })
    }

    #[test]
    fn the_occluder_goes_at_once_or_fades_where_flashes_are_reduced() {
        for reduced_flash in [false, true] {
            let mut app = scene(PlaySettings {
                reduced_flash,
                ..PlaySettings::default()
            });
            let mut at = |phase, ms, alpha| seen(&mut app, Piece::Occluder, phase, ms, alpha);
            for stood in [1.0_f32, 0.95] {
                let alpha = Some(f64::from(stood));
                let before = at(Phase::Occluded, 1000.0, alpha);
                assert!((before.unwrap() - stood).abs() < 1e-6);
                let fades: Vec<Option<f32>> = [1016.0, 1141.0, 1266.0, 1300.0]
                    .map(|ms| at(Phase::Feedback, ms, None))
                    .into();
                if reduced_flash {
                    assert!((fades[0].unwrap() - stood).abs() < 1e-6);
                    assert!((fades[1].unwrap() - 0.5 * stood).abs() < 1e-6);
                    assert_eq!(fades[2..], [None, None]);
                } else {
                    assert_eq!(fades, [None; 4]);
                }
                assert_eq!(at(Phase::Pause, 1500.0, None), None);
            }
            // In practice nothing was hidden, so nothing fades.
            assert_eq!(at(Phase::Occluded, 2000.0, None), None);
            assert_eq!(at(Phase::Feedback, 2016.0, None), None);
        }
    }

    /// `(middle, size)` in degrees of each piece of a kind that is seen.
    fn places(app: &mut App, piece: Piece) -> Vec<([f32; 2], [f32; 2])> {
        let world = app.world_mut();
        let mut pieces = world.query::<(&Piece, &Transform, &Visibility)>();
        let mut found: Vec<_> = pieces
            .iter(world)
            .filter(|(of, _, seen)| **of == piece && **seen != Visibility::Hidden)
            .map(|(_, at, _)| {
                let (t, s) = (at.translation, at.scale);
                ([t.x, t.y], [s.x, s.y])
            })
            .collect();
        found.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]));
        found
    }

    #[test]
    fn a_geometry_of_ones_own_stands_where_it_says() {
        use mental_pong_game::task::geometry::Rect;
        let mut app = scene(PlaySettings::default());
        let mut see = |app: &mut App| seen(app, Piece::Occluder, Phase::Visible, 0.0, Some(1.0));
        assert_eq!(see(&mut app), Some(1.0));
        assert_eq!(
            places(&mut app, Piece::Occluder),
            [([7.5, 0.0], [5.0, 20.0])]
        );
        assert!(places(&mut app, Piece::Wall).is_empty());
        let rect = |x0_deg, x1_deg| Rect {
            x0_deg,
            x1_deg,
            y0_deg: -4.0,
            y1_deg: 6.0,
        };
        app.world_mut().resource_mut::<Field>().0 = Geometry {
            wall_low_deg: -6.0,
            wall_high_deg: 7.0,
            ball_radius_deg: Some(0.5),
            occluders: vec![rect(-2.0, 0.0), rect(3.0, 8.0)],
            intercept_x_deg: 8.5,
            draw_walls: true,
        };
        assert_eq!(see(&mut app), Some(1.0));
        let two = [([-1.0, 1.0], [2.0, 10.0]), ([5.5, 1.0], [5.0, 10.0])];
        assert_eq!(places(&mut app, Piece::Occluder), two);
        assert_eq!(places(&mut app, Piece::Ball), [([1.0, 2.0], [1.0, 1.0])]);
        assert_eq!(places(&mut app, Piece::Wall).len(), 2);
        // The published field again.
        app.world_mut().resource_mut::<Field>().0 = Geometry::default();
        assert_eq!(see(&mut app), Some(1.0));
        assert_eq!(
            places(&mut app, Piece::Occluder),
            [([7.5, 0.0], [5.0, 20.0])]
        );
        assert_eq!(places(&mut app, Piece::Ball), [([1.0, 2.0], [0.4, 0.4])]);
    }

    #[test]
    fn the_photodiode_is_white_while_the_ball_moves_where_it_is_asked_for() {
        for (photodiode, reduced_flash) in [(true, false), (false, false), (true, true)] {
            let mut app = scene(PlaySettings {
                photodiode,
                reduced_flash,
                ..PlaySettings::default()
            });
            for phase in [
                Phase::Fixation,
                Phase::Still,
                Phase::Visible,
                Phase::Occluded,
                Phase::Feedback,
                Phase::Pause,
            ] {
                let lit = seen(&mut app, Piece::Photodiode, phase, 0.0, None).is_some();
                let moves = matches!(phase, Phase::Visible | Phase::Occluded);
                assert_eq!(lit, photodiode && !reduced_flash && moves, "{phase:?}");
            }
        }
    }

    #[test]
    fn the_pieces_have_the_colours_of_the_palette() {
        let mut app = scene(PlaySettings {
            palette: crate::window::Palette::HighContrast,
            ..PlaySettings::default()
        });
        let world = app.world_mut();
        let mut pieces = world.query::<(&Piece, &MeshMaterial2d<ColorMaterial>)>();
        let occluder = pieces.iter(world).find(|(of, _)| **of == Piece::Occluder);
        let id = occluder.unwrap().1.id();
        let materials = world.resource::<Assets<ColorMaterial>>();
        assert_eq!(
            materials.get(id).unwrap().color.to_srgba().to_u8_array()[..3],
            [0, 90, 181]
        );
    }
}
