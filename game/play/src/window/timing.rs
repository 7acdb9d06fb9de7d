//! What a display does: the intervals at which frames are handed to it.

use std::sync::{Arc, Mutex, PoisonError};

use bevy::platform::time::Instant;
use bevy::prelude::*;
use bevy::render::renderer::RenderAdapterInfo;
use bevy::window::{Monitor, PrimaryMonitor};
use bevy::winit::{UpdateMode, WinitSettings};
use serde::{Deserialize, Serialize};

use super::app::{WindowSize, plugins};
use mental_pong_game::error::{Error, Result};

/// Frames before the measurement: the first ones load what the others use.
pub const WARM_UP: usize = 60;

/// The intervals of a display, as the program sees them. They say when frames were handed over, not
/// when light changed: that is what the photodiode square is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingReport {
    /// What drew the frames.
    pub renderer: String,
    /// The refresh rate that the system names, frames per second.
    pub named_hz: Option<f64>,
    /// From the call to the moment when the first frame had been handed over, milliseconds.
    pub first_frame_ms: f64,
    /// Intervals that were measured.
    pub n: usize,
    /// Their median, milliseconds.
    pub median_ms: f64,
    /// The rate of the median, frames per second.
    pub median_hz: f64,
    /// Their mean, milliseconds.
    pub mean_ms: f64,
    /// Their standard deviation, milliseconds.
    pub sd_ms: f64,
    /// The shortest, milliseconds.
    pub min_ms: f64,
    /// The 1st percentile, milliseconds.
    pub p01_ms: f64,
    /// The 99th percentile, milliseconds.
    pub p99_ms: f64,
    /// The longest, milliseconds.
    pub max_ms: f64,
    /// Intervals of more than 1.5 medians: a frame was late.
    pub n_late: usize,
}

/// What a report says beside the intervals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// What drew the frames.
    pub renderer: String,
    /// The refresh rate that the system names, frames per second.
    pub named_hz: Option<f64>,
    /// From the call to the first frame, milliseconds.
    pub first_frame_ms: f64,
}

impl TimingReport {
    /// The report of some intervals.
    ///
    /// # Errors
    /// [`Error::BadValue`] for fewer than two.
    pub fn of(intervals_ms: &[f64], about: About) -> Result<Self> {
        let n = intervals_ms.len();
        if n < 2 {
            return Err(Error::BadValue {
                field: "intervals",
                expected: "2 or more frames after the first ones".into(),
                found: n.to_string(),
            });
        }
        let mut sorted = intervals_ms.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((n - 1) as f64 * share).round() as usize];
        let mean = sorted.iter().sum::<f64>() / n as f64;
        let squares: f64 = sorted.iter().map(|v| (v - mean) * (v - mean)).sum();
        let median = at(0.5);
        Ok(Self {
            renderer: about.renderer,
            named_hz: about.named_hz,
            first_frame_ms: about.first_frame_ms,
            n,
            median_ms: median,
            median_hz: 1000.0 / median,
            mean_ms: mean,
            sd_ms: (squares / (n - 1) as f64).sqrt(),
            min_ms: at(0.0),
            p01_ms: at(0.01),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            n_late: sorted.iter().filter(|v| **v > 1.5 * median).count(),
        })
    }
}

#[derive(Resource)]
struct Measure {
    last: Option<f64>,
    seen: usize,
    wanted: usize,
    begun: Instant,
    out: Arc<Mutex<(Vec<f64>, About)>>,
}

#[derive(Component)]
struct Square;

/// Shows a square that is black and white in turn, frame by frame, for `frames` frames, and measures
/// their intervals.
///
/// # Errors
/// [`Error::BadValue`] when the window was closed before there was anything to measure.
pub fn timing_test(frames: usize, window: WindowSize) -> Result<TimingReport> {
    let begun = Instant::now();
    let out = Arc::new(Mutex::new((Vec::new(), About::default())));
    App::new()
        .add_plugins(plugins("Mental-Pong: timing test", window))
        .insert_resource(WinitSettings {
            focused_mode: UpdateMode::Continuous,
            unfocused_mode: UpdateMode::Continuous,
        })
        .insert_resource(ClearColor(Color::BLACK))
        .insert_resource(Measure {
            last: None,
            seen: 0,
            wanted: frames,
            begun,
            out: out.clone(),
        })
        .add_systems(Startup, |mut commands: Commands| {
            commands.spawn(Camera2d);
            commands.spawn((Square, Sprite::from_color(Color::WHITE, Vec2::splat(200.0))));
            commands.spawn((
                Text2d::new("Timing test: put the photodiode on the square."),
                TextFont::from_font_size(20.0),
                Transform::from_xyz(0.0, -160.0, 0.0),
            ));
        })
        .add_systems(Update, measure)
        .run();
    let (intervals, about) =
        std::mem::take(&mut *out.lock().unwrap_or_else(PoisonError::into_inner));
    TimingReport::of(&intervals, about)
}

fn measure(
    time: Res<Time<Real>>,
    mut measure: ResMut<Measure>,
    mut squares: Query<&mut Visibility, With<Square>>,
    monitors: Query<&Monitor, With<PrimaryMonitor>>,
    adapter: Option<Res<RenderAdapterInfo>>,
    mut exit: MessageWriter<AppExit>,
) {
    let now = time.elapsed_secs_f64() * 1000.0;
    measure.seen += 1;
    if measure.seen == 2 {
        let first_ms = measure.begun.elapsed().as_secs_f64() * 1000.0;
        let mut out = measure.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.1.first_frame_ms = first_ms;
    }
    for mut visibility in &mut squares {
        *visibility = if measure.seen.is_multiple_of(2) {
            Visibility::Inherited
        } else {
            Visibility::Hidden
        };
    }
    if let Some(last) = measure.last.replace(now)
        && measure.seen > WARM_UP
    {
        let mut out = measure.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.0.push(now - last);
        if let Some(adapter) = adapter {
            out.1.renderer = format!("{} ({:?})", adapter.name, adapter.backend);
        }
        out.1.named_hz = monitors
            .iter()
            .next()
            .and_then(|m| m.refresh_rate_millihertz)
            .map(|mhz| f64::from(mhz) / 1000.0);
        if out.0.len() >= measure.wanted {
            exit.write(AppExit::Success);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_the_intervals_were() {
        let mut intervals = vec![16.0; 98];
        intervals.extend([15.0, 33.0]);
        let report = TimingReport::of(&intervals, About::default()).unwrap();
        assert_eq!((report.n, report.n_late), (100, 1));
        assert_eq!(
            (report.median_ms, report.min_ms, report.max_ms),
            (16.0, 15.0, 33.0)
        );
        assert!((report.mean_ms - 16.16).abs() < 1e-12);
        // numpy.std(ddof=1) of the same.
        assert!(
            (report.sd_ms - 1.703_946_7).abs() < 1e-6,
            "{}",
            report.sd_ms
        );
        assert!(TimingReport::of(&[16.0], About::default()).is_err());
    }
}
