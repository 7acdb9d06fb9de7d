//! The game's own scene drawn into a picture in memory, without a window: for tests, and for stimulus
//! sets that bevy draws.

use std::sync::{Arc, Mutex, PoisonError};

use bevy::app::PluginsState;
use bevy::camera::RenderTarget;
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::render::render_resource::{TextureFormat, TextureUsages};
use bevy::render::renderer::RenderAdapterInfo;
use bevy::window::ExitCondition;
use bevy::winit::WinitPlugin;

use super::scene::{Field, PaddleSize, PlayCamera, SceneStyle, Showing, View};
use super::{MentalPongPlugin, PlaySettings};
use mental_pong_game::error::{Error, Result};
use mental_pong_game::frames::{FrameScene, ScreenStyle};
use mental_pong_game::stimuli::{Adapter, Painter};
use mental_pong_game::task::geometry::Geometry;
use mental_pong_game::task::paddle::{Direction, PaddleRule};
use mental_pong_game::task::trial::{Phase, Shown};

/// Updates after which a picture shows the scene that was set before the first of them: one to
/// draw it, the others for the way back from the GPU.
const UPDATES: usize = 4;
/// Updates in which the renderer has to be ready.
const MOST_UPDATES: usize = 600;

/// Draws scenes with bevy. Needs a GPU or a software driver such as lavapipe.
pub struct Offscreen {
    app: App,
    side: u32,
    picture: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Offscreen {
    /// A picture of `side` × `side` pixels that shows ±12° as the game does.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a side that no picture has, or where nothing is drawn.
    pub fn new(side: u32, settings: PlaySettings) -> Result<Self> {
        Self::open(side, View::square(side), settings)
    }

    /// Pictures of a style of the rasteriser: its size, colours, ball and paddle.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_style(style: &ScreenStyle) -> Result<Self> {
        let side = u32::try_from(style.size_px).unwrap_or(u32::MAX);
        let view = View {
            px_per_deg: style.px_per_deg(),
            logical_px_per_deg: style.px_per_deg(),
            ..View::square(side)
        };
        let mut offscreen = Self::open(side, view, PlaySettings::default())?;
        let world = offscreen.app.world_mut();
        let mut of_scene = world.resource_mut::<SceneStyle>();
        of_scene.ball_radius_deg = style.ball_radius_deg;
        let colors = &mut of_scene.colors;
        colors.background = style.background;
        colors.ball = style.ball;
        colors.occluder = style.occluder;
        colors.fixation = style.fixation.unwrap_or(colors.fixation);
        colors.frame = style.frame.as_ref().map_or(colors.frame, |f| f.color);
        if let Some(paddle) = &style.paddle {
            colors.paddle = paddle.color;
            colors.waiting_alpha = paddle.waiting_alpha as f32;
            world.resource_mut::<PaddleSize>().0 = PaddleRule {
                width_deg: paddle.width_deg,
                height_deg: paddle.height_deg,
                ..PaddleRule::default()
            };
        }
        Ok(offscreen)
    }

    fn open(side: u32, view: View, settings: PlaySettings) -> Result<Self> {
        if !(16..=8192).contains(&side) {
            return Err(Error::BadValue {
                field: "side",
                expected: "16 to 8192 pixels".into(),
                found: side.to_string(),
            });
        }
        let plugins = DefaultPlugins
            .set(LogPlugin {
                filter: "warn,wgpu=error,naga=error".into(),
                ..default()
            })
            .set(WindowPlugin {
                primary_window: None,
                exit_condition: ExitCondition::DontExit,
                ..default()
            })
            .disable::<WinitPlugin>();
        // Whoever asks for pictures listens to the terminal.
        #[cfg(any(unix, windows))]
        let plugins = plugins.disable::<bevy::app::TerminalCtrlCHandlerPlugin>();
        let mut app = App::new();
        app.add_plugins(plugins).add_plugins(MentalPongPlugin {
            settings,
            ..default()
        });
        while app.plugins_state() == PluginsState::Adding {
            bevy::tasks::tick_global_task_pools_on_main_thread();
        }
        app.finish();
        app.cleanup();
        app.insert_resource(view);
        // The camera is spawned by the first update.
        app.update();

        let mut target = Image::new_target_texture(side, side, TextureFormat::Rgba8UnormSrgb, None);
        target.texture_descriptor.usage |= TextureUsages::COPY_SRC;
        let world = app.world_mut();
        let handle = world.resource_mut::<Assets<Image>>().add(target);
        let mut cameras = world.query_filtered::<Entity, With<PlayCamera>>();
        let camera = cameras.iter(world).next();
        if let Some(camera) = camera {
            world
                .entity_mut(camera)
                .insert(RenderTarget::Image(handle.clone().into()));
        }
        let picture = Arc::new(Mutex::new(None));
        let taking = picture.clone();
        world
            .spawn(Readback::texture(handle))
            .observe(move |complete: On<ReadbackComplete>| {
                *taking.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(complete.data.clone());
            });
        let mut offscreen = Self { app, side, picture };
        // Until the pipelines are there, pictures are empty: a fixation point has to be seen.
        let probe = FrameScene {
            fixation: true,
            ..FrameScene::default()
        };
        for _ in 0..MOST_UPDATES / UPDATES {
            let rgb = offscreen.draw(&shown(&probe, false))?;
            let middle = ((side * side / 2 + side / 2) * 3) as usize;
            if rgb[middle] > 0 {
                return Ok(offscreen);
            }
        }
        Err(Error::BadValue {
            field: "renderer",
            expected: "a GPU or a software driver that draws".into(),
            found: "nothing but an empty picture".into(),
        })
    }

    /// What it draws with.
    #[must_use]
    pub fn adapter(&self) -> Adapter {
        let info = self.app.world().get_resource::<RenderAdapterInfo>();
        info.map_or_else(
            || Adapter {
                name: "unknown".into(),
                backend: "unknown".into(),
                driver: "unknown".into(),
            },
            |info| Adapter {
                name: info.name.clone(),
                backend: format!("{:?}", info.backend),
                driver: format!("{} {}", info.driver, info.driver_info)
                    .trim()
                    .to_owned(),
            },
        )
    }

    /// Draws one scene: `[y, x, channel]`, u8.
    ///
    /// # Errors
    /// [`Error::BadValue`] when the renderer gives nothing back.
    pub fn draw(&mut self, shown: &Shown) -> Result<Vec<u8>> {
        self.app.world_mut().resource_mut::<Showing>().0 = Some(*shown);
        for n in 0..MOST_UPDATES {
            // Everything before the last update may still show the scene before.
            if n <= UPDATES {
                *self.picture.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            self.app.update();
            if n < UPDATES {
                continue;
            }
            let picture = self
                .picture
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(rgba) = picture {
                // Rows may be padded at their end.
                let side = self.side as usize;
                let rows = rgba.chunks_exact(rgba.len() / side);
                let pixels = rows.flat_map(|row| row.chunks_exact(4).take(side));
                return Ok(pixels.flat_map(|px| [px[0], px[1], px[2]]).collect());
            }
        }
        Err(Error::BadValue {
            field: "renderer",
            expected: "a picture".into(),
            found: format!("nothing in {MOST_UPDATES} updates"),
        })
    }
}

/// A scene of the rasteriser as the game shows it; `field` draws the line around the field.
#[must_use]
pub fn shown(scene: &FrameScene, field: bool) -> Shown {
    Shown {
        at_ms: 0.0,
        phase: Phase::Visible,
        field,
        scene: *scene,
        ball_deg: scene.ball,
        paddle_y_deg: scene.paddle.map_or(0.0, |(y, _)| y),
        paddle_moved: false,
        direction: Direction::Neutral,
        fixating: false,
    }
}

/// The game's scene as the painter of a stimulus set.
pub struct ScenePainter {
    style: ScreenStyle,
    offscreen: Offscreen,
}

impl ScenePainter {
    /// A painter of pictures of a style. Starts the renderer.
    ///
    /// # Errors
    /// As [`Offscreen::new`].
    pub fn new(style: ScreenStyle) -> Result<Self> {
        Ok(Self {
            offscreen: Offscreen::with_style(&style)?,
            style,
        })
    }
}

impl Painter for ScenePainter {
    fn adapter(&self) -> Adapter {
        self.offscreen.adapter()
    }

    fn set_geometry(&mut self, geometry: &Geometry) {
        let world = self.offscreen.app.world_mut();
        world
            .resource_mut::<Field>()
            .set_if_neq(Field(geometry.clone()));
    }

    fn paint(&mut self, scene: &FrameScene) -> Result<Vec<u8>> {
        // What the style does not have is not there.
        let scene = FrameScene {
            paddle: scene.paddle.filter(|_| self.style.paddle.is_some()),
            fixation: scene.fixation && self.style.fixation.is_some(),
            ..*scene
        };
        self.offscreen
            .draw(&shown(&scene, self.style.frame.is_some()))
    }
}
