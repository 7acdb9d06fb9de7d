use nalgebra::{DMatrix, DMatrixView, RowDVector};
use serde::{Deserialize, Serialize};

use crate::encoders::{Encoder, FRAME_SIZE};
use crate::playworld::{Layers, Mix, Video};
use crate::{Error, Result};

/// How well a linear map finds the first body of a held-out playworld video in the latents.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Share of variance of horizontal place that one frame's latents explain.
    pub r2_x: f64,
    /// The same for vertical place.
    pub r2_y: f64,
    /// Root mean squared error of place, units of a tenth of the view.
    pub rmse_place: f64,
    /// Share of variance of horizontal velocity that the latents of two frames 250 ms apart explain.
    pub r2_vx: f64,
    /// The same for vertical velocity.
    pub r2_vy: f64,
    /// Videos that the map was fitted on.
    pub train_videos: usize,
    /// Videos that the figures are from.
    pub test_videos: usize,
}

/// Frames between the two that velocity is read from.
const APART: usize = 5;

/// Fits ridge maps (α = 1e-3 per row) on playworld videos of `seed` in which one body moves and
/// is visible, and scores them on other such videos.
///
/// # Errors
/// When the encoder refuses frames.
pub fn probe(encoder: &dyn Encoder, seed: u64, videos: usize) -> Result<ProbeReport> {
    let dim = encoder.latent_dim();
    let (mut place, mut place_y) = (Vec::new(), Vec::new());
    let (mut motion, mut motion_y) = (Vec::new(), Vec::new());
    let mut counts = Vec::new();
    let (mut taken, mut index) = (0, 0);
    while taken < videos {
        let video = Video::simulate(seed, "probe videos", index, 24, &Mix::FULL);
        index += 1;
        if video.scene.bodies.len() != 1 {
            continue;
        }
        taken += 1;
        let radius = video.scene.bodies[0].shape.reach();
        let open: Vec<usize> = (4..24)
            .filter(|&t| {
                let s = video.states[t][0];
                let clear = |v: f64| (0.3..9.7).contains(&v);
                let covered = video
                    .scene
                    .occluders
                    .iter()
                    .any(|o| o.hides(s.x, s.y, -radius));
                clear(s.x) && clear(s.y) && !covered
            })
            .collect();
        let frames: Vec<Vec<u8>> = (0..24)
            .map(|t| video.render(t, FRAME_SIZE, Layers::Seen).into_rgb())
            .collect();
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let latents = encoder.encode(&views)?;
        let row = |t: usize| {
            latents[t * dim..(t + 1) * dim]
                .iter()
                .map(|v| f64::from(*v))
        };
        for (k, &t) in open.iter().enumerate() {
            let s = video.states[t][0];
            place.extend(row(t));
            place_y.extend([s.x, s.y]);
            if k >= APART && open[k - APART] + APART == t {
                let before = video.states[t - APART][0];
                let rate = 20.0 / APART as f64;
                motion.extend(row(t).chain(row(t - APART)));
                motion_y.extend([(s.x - before.x) * rate, (s.y - before.y) * rate]);
            }
        }
        counts.push((place_y.len() / 2, motion_y.len() / 2));
    }
    let train = videos / 2;
    let (cut_place, cut_motion) = counts[train - 1];
    let (r2_place, rmse) = ridge_score(&place, &place_y, dim, cut_place)?;
    let (r2_motion, _) = ridge_score(&motion, &motion_y, 2 * dim, cut_motion)?;
    Ok(ProbeReport {
        r2_x: r2_place[0],
        r2_y: r2_place[1],
        rmse_place: rmse,
        r2_vx: r2_motion[0],
        r2_vy: r2_motion[1],
        train_videos: train,
        test_videos: videos - train,
    })
}

/// R² of the two targets on the rows after `cut`, of a ridge map fitted on those before it, and the
/// root mean squared error over both.
fn ridge_score(x: &[f64], y: &[f64], dim: usize, cut: usize) -> Result<([f64; 2], f64)> {
    let rows = y.len() / 2;
    let x = DMatrix::from_row_slice(rows, dim, x);
    let y = DMatrix::from_row_slice(rows, 2, y);
    let (x1, y1) = (x.rows(0, cut), y.rows(0, cut));
    let (mx, my) = (x1.row_mean(), y1.row_mean());
    let centred = |m: DMatrixView<'_, f64>, mean: &RowDVector<f64>| {
        let mut m = m.into_owned();
        m.row_iter_mut().for_each(|mut row| row -= mean);
        m
    };
    let xc = centred(x1, &mx);
    let yc = centred(y1, &my);
    let gram = xc.tr_mul(&xc) + DMatrix::identity(dim, dim) * (1e-3 * cut as f64);
    let factor = gram.cholesky().ok_or(Error::Shape {
        what: "finite latents of the probe",
        expected: vec![cut, dim],
        found: vec![cut, dim],
    })?;
    let weights = factor.solve(&xc.tr_mul(&yc));
    let guess = centred(x.rows(cut, rows - cut), &mx) * weights;
    let truth = centred(y.rows(cut, rows - cut), &my);
    let error = &truth - guess;
    let r2 = |k: usize| {
        let mean = truth.column(k).mean();
        let total: f64 = truth.column(k).iter().map(|v| (v - mean).powi(2)).sum();
        1.0 - error.column(k).norm_squared() / total
    };
    let rmse = (error.norm_squared() / (2 * truth.nrows()) as f64).sqrt();
    Ok(([r2(0), r2(1)], rmse))
}
