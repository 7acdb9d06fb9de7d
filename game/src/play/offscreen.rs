//! The game's own scene drawn into a picture in memory, without a window: for tests, and to compare
//! bevy's drawing with the rasteriser's.

use std::sync::{Arc, Mutex, PoisonError};

use bevy::app::PluginsState;
use bevy::camera::RenderTarget;
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::render::render_resource::{TextureFormat, TextureUsages};
use bevy::window::ExitCondition;
use bevy::winit::WinitPlugin;

use super::scene::{PlayCamera, Showing, View};
use super::{MentalPongPlugin, PlaySettings};
use crate::error::{Error, Result};
use crate::frames::{FrameScene, Renderer, display};
use crate::monitor::Monitor;
use crate::task::condition::Condition;
use crate::task::law::{Law, trajectory};
use crate::task::paddle::Direction;
use crate::task::trial::{Phase, Shown};

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
    /// A picture of `side` × `side` pixels that shows ±12°.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a side that no picture has, or where nothing is drawn.
    pub fn new(side: u32, settings: PlaySettings) -> Result<Self> {
        if !(16..=8192).contains(&side) {
            return Err(Error::BadValue {
                field: "side",
                expected: "16 to 8192 pixels".into(),
                found: side.to_string(),
            });
        }
        let mut app = App::new();
        app.add_plugins(
            DefaultPlugins
                .set(LogPlugin {
                    filter: "warn,wgpu=error,naga=error".into(),
                    ..default()
                })
                .set(WindowPlugin {
                    primary_window: None,
                    exit_condition: ExitCondition::DontExit,
                    ..default()
                })
                .disable::<WinitPlugin>(),
        )
        .add_plugins(MentalPongPlugin {
            settings,
            ..default()
        });
        while app.plugins_state() == PluginsState::Adding {
            bevy::tasks::tick_global_task_pools_on_main_thread();
        }
        app.finish();
        app.cleanup();
        app.insert_resource(View::square(side));
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

/// How bevy's drawing of some trials differs from the rasteriser's.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Comparison {
    /// Frames that were drawn twice.
    pub n_frames: usize,
    /// Mean absolute difference of a channel over all frames, levels of 255.
    pub mean: f64,
    /// The largest mean of a frame, levels.
    pub worst_mean: f64,
    /// The largest difference of a channel, levels.
    pub max: u8,
    /// The largest share of a frame's pixels that differ by more than 2 levels.
    pub worst_share_above_2: f64,
}

/// Draws every frame of some trials with bevy and with the rasteriser, both as the preset `display`
/// at `side` pixels, and compares. `take` gets bevy's frames: condition, frame, `[y, x, channel]`.
///
/// # Errors
/// As [`Offscreen::new`]; what `take` says; [`Error::Interrupted`] when the monitor stops it.
pub fn compare(
    conditions: &[Condition],
    law: Law,
    occluder: Option<f64>,
    side: u32,
    monitor: &dyn Monitor,
    mut take: impl FnMut(&Condition, usize, &[u8]) -> Result<()>,
) -> Result<Comparison> {
    let mut offscreen = Offscreen::new(side, PlaySettings::default())?;
    let mut style = display::style();
    style.size_px = side as usize;
    let mut renderer = Renderer::with_style(style);
    let mut expected = Vec::new();
    let mut all = Comparison {
        n_frames: 0,
        mean: 0.0,
        worst_mean: 0.0,
        max: 0,
        worst_share_above_2: 0.0,
    };
    monitor.stage("bevy", conditions.len() as u64);
    for (n, condition) in conditions.iter().enumerate() {
        let path = trajectory(condition, law);
        for (frame, ball) in path
            .x_deg
            .iter()
            .copied()
            .zip(path.y_deg.iter().copied())
            .enumerate()
        {
            let scene = FrameScene {
                ball: Some(ball),
                occluder,
                ..FrameScene::default()
            };
            renderer.render_into(&scene, &mut expected);
            let drawn = offscreen.draw(&shown(&scene, true))?;
            let apart = difference(&drawn, &expected);
            all.n_frames += 1;
            all.mean += apart.mean;
            all.worst_mean = all.worst_mean.max(apart.mean);
            all.max = all.max.max(apart.max);
            all.worst_share_above_2 = all.worst_share_above_2.max(apart.share_above_2);
            take(condition, frame, &drawn)?;
        }
        monitor.advance(1);
        if monitor.stopped() && n + 1 < conditions.len() {
            return Err(Error::Interrupted {
                done: n as u64 + 1,
                total: conditions.len() as u64,
            });
        }
    }
    all.mean /= all.n_frames.max(1) as f64;
    Ok(all)
}

/// How two pictures differ.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Mean absolute difference of a channel, levels of 255.
    pub mean: f64,
    /// The largest difference of a channel, levels.
    pub max: u8,
    /// Share of pixels with a channel that differs by more than 2 levels.
    pub share_above_2: f64,
}

/// How two pictures of the same size differ.
#[must_use]
pub fn difference(a: &[u8], b: &[u8]) -> Difference {
    let n = a.len().min(b.len()).max(1);
    let apart = || a.iter().zip(b).map(|(x, y)| x.abs_diff(*y));
    let sum: u64 = apart().map(u64::from).sum();
    let pixels = a.chunks_exact(3).zip(b.chunks_exact(3));
    let above = pixels
        .filter(|(x, y)| x.iter().zip(*y).any(|(x, y)| x.abs_diff(*y) > 2))
        .count();
    Difference {
        mean: sum as f64 / n as f64,
        max: apart().max().unwrap_or(0),
        share_above_2: above as f64 / (n / 3).max(1) as f64,
    }
}
