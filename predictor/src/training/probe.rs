//! What a linear read-out finds in the latents of held-out playworld.

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::{Llt, Solve};
use faer::{Accum, Mat, Par, Side};
use mental_pong_base::{Monitor, Stream};
use serde::{Deserialize, Serialize};

use crate::encoders::{Encoder, FRAME_SIZE};
use crate::playworld::{BodyState, Layers, Mix, VIEW_UNITS, Video};
use crate::{Error, Result};

/// How well a linear map finds one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// What is looked for.
    pub target: String,
    /// Share of its variance that the map explains in held-out videos; of several columns their mean.
    pub r2: f64,
    /// Lower end of the 95 % interval over videos (bootstrap).
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// Root mean squared error, units of a tenth of the view, for what is a place; none for the rest.
    pub rmse: Option<f64>,
    /// Videos that the map was fitted on.
    pub train_videos: usize,
    /// Videos that the figures are from.
    pub test_videos: usize,
}

/// What an encoder's latents hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// One for each thing that is looked for.
    pub probes: Vec<Probe>,
    /// (Σλ)² / Σλ² of the latents' covariance over all frames: how many directions they use.
    pub participation_ratio: f64,
    /// Length of a latent vector.
    pub latents: usize,
}

impl ProbeReport {
    /// The probe of `target`.
    #[must_use]
    pub fn of(&self, target: &str) -> Option<&Probe> {
        self.probes.iter().find(|probe| probe.target == target)
    }
}

/// Frames of a video, the first of which has no frame before.
const FRAMES: usize = 24;
/// Frames from one that is looked at to the next.
const EVERY: usize = 3;
/// Frames between the two that velocity is read from.
const APART: usize = 5;
/// Resamples of the bootstrap.
const RESAMPLES: usize = 1000;
/// Side of the grid that covered area is counted on.
const GRID: usize = 40;

/// Rows of one target, by video.
#[derive(Default)]
struct Rows {
    x: Vec<Vec<f32>>,
    y: Vec<Vec<f64>>,
    video: Vec<usize>,
}

impl Rows {
    fn push(&mut self, video: usize, x: Vec<f32>, y: Vec<f64>) {
        self.video.push(video);
        self.x.push(x);
        self.y.push(y);
    }
}

/// Fits ridge maps (α = 1e-3 a row, latents standardised) on half of `videos` playworld videos of `mix` and `seed` and
/// scores them on the other half: place, velocity (of two frames 250 ms apart) and size of a single body that is in plain
/// sight; number of bodies; places of the four walls (the edge of the view where a wall is beyond it); share of the view
/// that occluders cover.
///
/// # Errors
/// When the encoder refuses frames; [`Error::Interrupted`].
pub fn probe(
    encoder: &dyn Encoder,
    mix: &Mix,
    seed: u64,
    videos: usize,
    monitor: &dyn Monitor,
) -> Result<ProbeReport> {
    let dim = encoder.latent_dim();
    let names = ["place", "velocity", "size", "bodies", "walls", "occluders"];
    let mut rows: Vec<Rows> = names.iter().map(|_| Rows::default()).collect();
    let mut all: Vec<Vec<f32>> = Vec::new();
    monitor.stage("encoding held-out playworld", videos as u64);
    for index in 0..videos {
        if monitor.stopped() {
            return Err(Error::Interrupted);
        }
        let video = Video::simulate(seed, "probe videos", index as u64, FRAMES, mix);
        let frames: Vec<Vec<u8>> = (video.render_each(0..FRAMES, FRAME_SIZE, Layers::Seen))
            .map(mental_pong_game::frames::Canvas::into_rgb)
            .collect();
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let latents = encoder.encode(&views)?;
        let row = |t: usize| latents[t * dim..(t + 1) * dim].to_vec();
        let single = video.scene.bodies.len() == 1;
        let room = &video.scene.room;
        let walls: Vec<f64> = [room.x0, room.x1, room.y0, room.y1]
            .map(|wall| wall.clamp(0.0, VIEW_UNITS))
            .into();
        let covered = covered(&video);
        for t in (4..FRAMES).step_by(EVERY) {
            all.push(row(t));
            rows[3].push(index, row(t), vec![in_sight(&video, t)]);
            rows[4].push(index, row(t), walls.clone());
            rows[5].push(index, row(t), vec![covered]);
            if !single || !plain(&video, t) {
                continue;
            }
            let BodyState { x, y, .. } = video.states[t][0];
            rows[0].push(index, row(t), vec![x, y]);
            let reach = video.scene.bodies[0].shape.reach();
            rows[2].push(index, row(t), vec![libm::log(reach)]);
            if t > APART && (t - APART..t).all(|t| plain(&video, t)) {
                let before = video.states[t - APART][0];
                let rate = 20.0 / APART as f64;
                let both = [row(t), row(t - APART)].concat();
                rows[1].push(
                    index,
                    both,
                    vec![(x - before.x) * rate, (y - before.y) * rate],
                );
            }
        }
        monitor.advance(1);
    }
    let probes = (names.iter().zip(&rows))
        .map(|(name, rows)| score(name, rows, videos, seed))
        .collect::<Result<_>>()?;
    Ok(ProbeReport {
        probes,
        participation_ratio: participation_ratio(&all),
        latents: dim,
    })
}

/// Whether the first body is in view, away from its edge, and nothing stands before it.
fn plain(video: &Video, t: usize) -> bool {
    let s = video.states[t][0];
    let reach = video.scene.bodies[0].shape.reach();
    let clear = |v: f64| (0.3..VIEW_UNITS - 0.3).contains(&v);
    let mut occluders = video.scene.occluders.iter();
    clear(s.x) && clear(s.y) && !occluders.any(|o| o.hides(s.x, s.y, -reach))
}

/// Bodies whose centre is in view and not behind an occluder.
fn in_sight(video: &Video, t: usize) -> f64 {
    let inside = |v: f64| (0.0..=VIEW_UNITS).contains(&v);
    let seen = |s: &&BodyState| {
        let mut occluders = video.scene.occluders.iter();
        inside(s.x) && inside(s.y) && !occluders.any(|o| o.hides(s.x, s.y, 0.0))
    };
    video.states[t].iter().filter(seen).count() as f64
}

/// Share of the view that occluders cover.
fn covered(video: &Video) -> f64 {
    let at = |k: usize| (k as f64 + 0.5) * VIEW_UNITS / GRID as f64;
    let cells = (0..GRID * GRID).filter(|cell| {
        let (x, y) = (at(cell % GRID), at(cell / GRID));
        video.scene.occluders.iter().any(|o| o.hides(x, y, 0.0))
    });
    cells.count() as f64 / (GRID * GRID) as f64
}

fn score(name: &str, rows: &Rows, videos: usize, seed: u64) -> Result<Probe> {
    let half = videos / 2;
    let cut = rows.video.partition_point(|video| *video < half);
    let columns = rows.y.first().map_or(0, Vec::len);
    if cut < 2 || cut + 2 > rows.y.len() {
        return Err(Error::Config {
            place: "probe".into(),
            field: "videos".into(),
            expected: format!("enough to find `{name}` in both halves"),
            found: videos.to_string(),
        });
    }
    let guess = ridge(&rows.x, &rows.y[..cut], cut)?;
    let truth = &rows.y[cut..];
    let mean: Vec<f64> = (0..columns)
        .map(|k| truth.iter().map(|y| y[k]).sum::<f64>() / truth.len() as f64)
        .collect();
    // [video][column], squared error and squared distance from the mean.
    let mut sums = vec![vec![(0.0, 0.0); columns]; videos - half];
    for (row, (y, video)) in truth.iter().zip(&rows.video[cut..]).enumerate() {
        for k in 0..columns {
            let sum = &mut sums[video - half][k];
            sum.0 += (y[k] - guess[(row, k)]).powi(2);
            sum.1 += (y[k] - mean[k]).powi(2);
        }
    }
    let r2 = |picked: &mut dyn Iterator<Item = usize>| {
        let mut total = vec![(0.0, 0.0); columns];
        for video in picked {
            for (total, sum) in total.iter_mut().zip(&sums[video]) {
                *total = (total.0 + sum.0, total.1 + sum.1);
            }
        }
        let each = total
            .iter()
            .map(|(error, all)| 1.0 - error / all.max(1e-12));
        each.sum::<f64>() / columns as f64
    };
    let n = sums.len();
    let (low, high) = interval(n, seed, "probe bootstrap", r2);
    let errors: f64 = sums.iter().flatten().map(|sum| sum.0).sum();
    Ok(Probe {
        target: name.into(),
        r2: r2(&mut (0..n)),
        low,
        high,
        rmse: matches!(name, "place" | "walls")
            .then(|| (errors / (truth.len() * columns) as f64).sqrt()),
        train_videos: half,
        test_videos: n,
    })
}

/// The 95 % interval of a statistic of `n` things by a bootstrap over them (percentiles).
pub(super) fn interval(
    n: usize,
    seed: u64,
    purpose: &str,
    statistic: impl Fn(&mut dyn Iterator<Item = usize>) -> f64,
) -> (f64, f64) {
    let mut rng = Stream::new(seed, purpose, 0);
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| statistic(&mut (0..n).map(|_| rng.below(n))))
        .collect();
    resampled.sort_by(f64::total_cmp);
    (
        resampled[RESAMPLES / 40],
        resampled[RESAMPLES - 1 - RESAMPLES / 40],
    )
}

/// Ridge map of the first `cut` rows; its guesses of the rest, `[row, column]`. In the smaller of the two spaces.
fn ridge(x: &[Vec<f32>], y: &[Vec<f64>], cut: usize) -> Result<Mat<f64>> {
    let (dim, columns) = (x[0].len(), y[0].len());
    let n = cut as f64;
    let mean: Vec<f64> = (0..dim)
        .map(|k| x[..cut].iter().map(|row| f64::from(row[k])).sum::<f64>() / n)
        .collect();
    let sd: Vec<f64> = (0..dim)
        .map(|k| {
            let square = x[..cut]
                .iter()
                .map(|row| (f64::from(row[k]) - mean[k]).powi(2));
            (square.sum::<f64>() / n).sqrt().max(1e-9)
        })
        .collect();
    let mean_y: Vec<f64> = (0..columns)
        .map(|k| y.iter().map(|row| row[k]).sum::<f64>() / n)
        .collect();
    let standard = |rows: &[Vec<f32>]| {
        Mat::from_fn(rows.len(), dim, |i, k| {
            (f64::from(rows[i][k]) - mean[k]) / sd[k]
        })
    };
    let (a, b) = (standard(&x[..cut]), standard(&x[cut..]));
    let yc = Mat::from_fn(cut, columns, |i, k| y[i][k] - mean_y[k]);
    let times = |a: faer::MatRef<'_, f64>, b: faer::MatRef<'_, f64>| {
        let mut out = Mat::zeros(a.nrows(), b.ncols());
        matmul(&mut out, Accum::Replace, a, b, 1.0, Par::Seq);
        out
    };
    let failed = || Error::Shape {
        what: "finite latents of the probe",
        expected: vec![cut, dim],
        found: vec![cut, dim],
    };
    let solve = |mut gram: Mat<f64>, right: &Mat<f64>| -> Result<Mat<f64>> {
        for k in 0..gram.nrows() {
            gram[(k, k)] += 1e-3 * n;
        }
        let factor = Llt::new(gram.as_ref(), Side::Lower).map_err(|_| failed())?;
        Ok(factor.solve(right))
    };
    let mut guess = if dim <= cut {
        let weights = solve(
            times(a.transpose(), a.as_ref()),
            &times(a.transpose(), yc.as_ref()),
        )?;
        times(b.as_ref(), weights.as_ref())
    } else {
        let weights = solve(times(a.as_ref(), a.transpose()), &yc)?;
        times(times(b.as_ref(), a.transpose()).as_ref(), weights.as_ref())
    };
    for i in 0..guess.nrows() {
        for k in 0..columns {
            guess[(i, k)] += mean_y[k];
        }
    }
    Ok(guess)
}

/// (Σλ)² / Σλ² of the covariance of rows: its trace squared over the sum of its squared entries.
fn participation_ratio(rows: &[Vec<f32>]) -> f64 {
    let (n, dim) = (rows.len(), rows.first().map_or(0, Vec::len));
    let mean: Vec<f64> = (0..dim)
        .map(|k| rows.iter().map(|row| f64::from(row[k])).sum::<f64>() / n as f64)
        .collect();
    let centred = Mat::from_fn(n, dim, |i, k| f64::from(rows[i][k]) - mean[k]);
    // The Gram matrix of the smaller side has the same eigenvalues, zeros apart.
    let gram = if dim <= n {
        let mut out = Mat::<f64>::zeros(dim, dim);
        matmul(
            &mut out,
            Accum::Replace,
            centred.transpose(),
            centred.as_ref(),
            1.0,
            Par::Seq,
        );
        out
    } else {
        let mut out = Mat::<f64>::zeros(n, n);
        matmul(
            &mut out,
            Accum::Replace,
            centred.as_ref(),
            centred.transpose(),
            1.0,
            Par::Seq,
        );
        out
    };
    let size = gram.nrows();
    let trace: f64 = (0..size).map(|k| gram[(k, k)]).sum();
    let square: f64 = (0..size)
        .flat_map(|i| (0..size).map(move |k| (i, k)))
        .map(|at| gram[at] * gram[at])
        .sum();
    trace * trace / square.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two independent columns of equal variance, one copied: eigenvalues 2, 1, 0 give 9 / 5.
    #[test]
    fn the_participation_ratio_counts_directions() {
        let mut rng = Stream::new(1, "test", 0);
        let rows: Vec<Vec<f32>> = (0..4000)
            .map(|_| {
                let (a, b) = (rng.normal() as f32, rng.normal() as f32);
                vec![a, a, b]
            })
            .collect();
        assert!((participation_ratio(&rows) - 1.8).abs() < 0.02);
        assert!((participation_ratio(&rows[..2]) - 1.0).abs() < 1e-9);
    }

    /// The two spaces of the ridge map are one map.
    #[test]
    fn few_rows_and_many_columns_are_fitted_by_the_same_rule() {
        let mut rng = Stream::new(2, "test", 0);
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
        let x: Vec<Vec<f32>> = (0..44).map(|_| draw(5)).collect();
        let y: Vec<Vec<f64>> = (0..40)
            .map(|k| vec![f64::from(x[k][0] - x[k][3])])
            .collect();
        let tall = ridge(&x, &y, 40).unwrap();
        // Each column ten times over: the same map, but for a penalty a tenth as large.
        let wide: Vec<Vec<f32>> = x.iter().map(|row| row.repeat(10)).collect();
        let wide = ridge(&wide, &y, 40).unwrap();
        for k in 0..4 {
            let truth = f64::from(x[40 + k][0] - x[40 + k][3]);
            assert!((tall[(k, 0)] - truth).abs() < 0.05 * truth.abs().max(1.0));
            assert!((wide[(k, 0)] - tall[(k, 0)]).abs() < 0.02);
        }
    }
}
