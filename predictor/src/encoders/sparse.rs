//! Convolutions of pictures that are zero almost everywhere. Layers without biases turn zeros into zeros, so only the
//! cells around what is not zero are worked on; the convolutions are those of the whole grid.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

/// No cell.
const NONE: u32 = u32::MAX;

/// The active cells of some frames.
#[derive(Clone, Debug)]
pub(super) struct Active {
    /// Cells a side.
    pub(super) side: usize,
    /// `[row of the second layer × 9]`, the first layer's row of each neighbour.
    neighbours: Arc<[u32]>,
    /// `[row of the second layer]`, its cell.
    cells: Arc<[u32]>,
    /// `[frame]`, one past its last row of the second layer.
    ends: Arc<[u32]>,
    /// Rows of the first layer.
    rows: usize,
}

impl Active {
    /// The cells of frames' grids that are not zero, `[frame][cell]`, and those around them.
    pub(super) fn new(side: usize, frames: &[Vec<bool>]) -> Self {
        let (mut neighbours, mut cells, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut rows = 0_u32;
        for frame in frames {
            let row_of: Vec<u32> = (frame.iter())
                .map(|active| {
                    rows += u32::from(*active);
                    if *active { rows - 1 } else { NONE }
                })
                .collect();
            for cell in 0..side * side {
                let around = nine(side, cell).map(|at| at.map_or(NONE, |at| row_of[at]));
                if around.iter().any(|row| *row != NONE) {
                    neighbours.extend(around);
                    cells.push(cell as u32);
                }
            }
            ends.push(cells.len() as u32);
        }
        Self {
            side,
            neighbours: neighbours.into(),
            cells: cells.into(),
            ends: ends.into(),
            rows: rows as usize,
        }
    }

    /// The first layer's rows around each of the second's: `[row, channel]` to `[row, 9 × channel]`.
    pub(super) fn unfold(&self, h: &Tensor) -> candle_core::Result<Tensor> {
        h.apply_op1(Unfold(self.clone()))
    }

    /// Rows of `maps` logits and further amounts to one row a frame: the mean place `(x, y)` of each map's softmax over
    /// the active cells, y up (0 where there are none), and the sum of each amount's positive part. Over the whole grid the
    /// many idle cells would draw every place to the middle, the more the fainter the motion.
    pub(super) fn pool(&self, rows: &Tensor, maps: usize) -> candle_core::Result<Tensor> {
        rows.apply_op1(Pool(self.clone(), maps))
    }

    fn place(&self, cell: u32) -> (f32, f32) {
        let at = |index: usize| (2.0 * (index as f32 + 0.5) / self.side as f32) - 1.0;
        (
            at(cell as usize % self.side),
            -at(cell as usize / self.side),
        )
    }

    /// Rows of frame `k`.
    fn frame(&self, k: usize) -> std::ops::Range<usize> {
        let from = if k == 0 { 0 } else { self.ends[k - 1] as usize };
        from..self.ends[k] as usize
    }
}

/// The cells around a cell, row by row.
fn nine(side: usize, cell: usize) -> [Option<usize>; 9] {
    let (y, x) = ((cell / side) as isize, (cell % side) as isize);
    std::array::from_fn(|k| {
        let (ny, nx) = (y + k as isize / 3 - 1, x + k as isize % 3 - 1);
        let on = |v: isize| (0..side as isize).contains(&v);
        (on(ny) && on(nx)).then(|| ny as usize * side + nx as usize)
    })
}

fn plain<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("contiguous input is needed"),
    }
}

struct Unfold(Active);

impl CustomOp1 for Unfold {
    fn name(&self) -> &'static str {
        "unfold active cells"
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (_, c) = l.shape().dims2()?;
        let input = plain(s, l)?;
        let mut out = vec![0.0_f32; self.0.neighbours.len() * c];
        for (to, from) in out.chunks_exact_mut(c).zip(self.0.neighbours.iter()) {
            if *from != NONE {
                to.copy_from_slice(&input[*from as usize * c..][..c]);
            }
        }
        let shape = Shape::from((self.0.cells.len(), 9 * c));
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let (_, c) = x.dims2()?;
        let grad = grad.flatten_all()?.to_vec1::<f32>()?;
        let mut out = vec![0.0_f32; self.0.rows * c];
        for (from, to) in grad.chunks_exact(c).zip(self.0.neighbours.iter()) {
            if *to != NONE {
                let to = &mut out[*to as usize * c..][..c];
                to.iter_mut().zip(from).for_each(|(to, g)| *to += g);
            }
        }
        Tensor::from_vec(out, (self.0.rows, c), x.device()).map(Some)
    }
}

struct Pool(Active, usize);

impl Pool {
    /// Weights of a map's softmax over the active cells, and its mean place.
    fn softmax(&self, k: usize, logit: impl Fn(usize) -> f32, share: &mut Vec<f32>) -> (f32, f32) {
        let range = self.0.frame(k);
        let most = range.clone().map(&logit).fold(f32::NEG_INFINITY, f32::max);
        share.clear();
        share.extend(range.clone().map(|row| libm::expf(logit(row) - most)));
        let total = share.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let (mut x, mut y) = (0.0, 0.0);
        for (w, row) in share.iter_mut().zip(range) {
            *w /= total;
            let at = self.0.place(self.0.cells[row]);
            x += *w * at.0;
            y += *w * at.1;
        }
        (x, y)
    }
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "pool active cells"
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (_, c) = l.shape().dims2()?;
        let input = plain(s, l)?;
        let frames = self.0.ends.len();
        let width = c + self.1;
        let mut out = Vec::with_capacity(frames * width);
        let mut share = Vec::new();
        for k in 0..frames {
            for map in 0..self.1 {
                let (x, y) = self.softmax(k, |row| input[row * c + map], &mut share);
                out.extend([x, y]);
            }
            for amount in self.1..c {
                out.push(
                    self.0
                        .frame(k)
                        .map(|row| input[row * c + amount].max(0.0))
                        .sum(),
                );
            }
        }
        Ok((CpuStorage::F32(out), Shape::from((frames, width))))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let (_, c) = x.dims2()?;
        let flat = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
        let (input, pooled, grad) = (flat(x)?, flat(y)?, flat(grad)?);
        let width = c + self.1;
        let mut out = vec![0.0_f32; input.len()];
        let mut share = Vec::new();
        for k in 0..self.0.ends.len() {
            let (mean, g) = (&pooled[k * width..][..width], &grad[k * width..][..width]);
            for map in 0..self.1 {
                self.softmax(k, |row| input[row * c + map], &mut share);
                for (w, row) in share.iter().zip(self.0.frame(k)) {
                    let at = self.0.place(self.0.cells[row]);
                    let (dx, dy) = (at.0 - mean[2 * map], at.1 - mean[2 * map + 1]);
                    out[row * c + map] = w * (g[2 * map] * dx + g[2 * map + 1] * dy);
                }
            }
            for row in self.0.frame(k) {
                for amount in self.1..c {
                    if input[row * c + amount] > 0.0 {
                        out[row * c + amount] = g[amount + self.1];
                    }
                }
            }
        }
        Tensor::from_vec(out, x.shape(), x.device()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};
    use mental_pong_base::Stream;

    use super::super::soft_argmax::SoftArgmax;
    use super::super::unfold;
    use super::*;

    /// The whole grid, worked on densely, is the reference of value and gradient.
    #[test]
    fn active_cells_give_what_the_whole_grid_gives_with_the_others_shut_out() {
        let (side, c, maps, amounts) = (6, 3, 2, 2);
        let cells = side * side;
        let mut rng = Stream::new(5, "test", 0);
        let frames: Vec<Vec<bool>> = [vec![0, 1, 8], vec![21, 35], vec![14]]
            .iter()
            .map(|on| (0..cells).map(|k| on.contains(&k)).collect())
            .collect();
        let active = Active::new(side, &frames);
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
        let values = draw(6 * c);
        let weight = Tensor::from_vec(draw(9 * c * 4), (9 * c, 4), &Device::Cpu).unwrap();
        let mix = Tensor::from_vec(draw(18), (3, 6), &Device::Cpu).unwrap();
        let sparse = Var::from_vec(values.clone(), (6, c), &Device::Cpu).unwrap();
        let mut whole = vec![0.0; 3 * cells * c];
        let at: Vec<usize> = (frames.concat().iter().enumerate())
            .filter(|(_, on)| **on)
            .map(|(k, _)| k)
            .collect();
        for (row, k) in at.iter().enumerate() {
            whole[k * c..][..c].copy_from_slice(&values[row * c..][..c]);
        }
        let dense = Var::from_vec(whole, (3 * cells, c), &Device::Cpu).unwrap();
        let own = active
            .pool(
                &active.unfold(&sparse).unwrap().matmul(&weight).unwrap(),
                maps,
            )
            .unwrap();
        let op = unfold::Unfold {
            height: side,
            width: side,
        };
        let rows = dense.apply_op1(op).unwrap().matmul(&weight).unwrap();
        let mut shut = vec![-1e9_f32; 3 * cells];
        for k in 0..3 {
            for row in active.frame(k) {
                shut[k * cells + active.cells[row] as usize] = 0.0;
            }
        }
        let shut = Tensor::from_vec(shut, (3 * cells, 1), &Device::Cpu).unwrap();
        let logits = rows.narrow(1, 0, maps).unwrap();
        let logits = logits.broadcast_add(&shut).unwrap();
        let logits = logits
            .reshape((3, cells, maps))
            .unwrap()
            .transpose(1, 2)
            .unwrap()
            .contiguous()
            .unwrap()
            .reshape((3 * maps, cells))
            .unwrap();
        let places = logits.apply_op1(SoftArgmax { side }).unwrap();
        let places = places.reshape((3, 2 * maps)).unwrap();
        let amount = rows.narrow(1, maps, amounts).unwrap().relu().unwrap();
        let amount = amount.reshape((3, cells, amounts)).unwrap().sum(1).unwrap();
        let other = Tensor::cat(&[&places, &amount], 1).unwrap();
        let flat = |t: &Tensor| -> Vec<f32> { t.flatten_all().unwrap().to_vec1().unwrap() };
        for (a, b) in flat(&own).iter().zip(flat(&other)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        let gradient = |t: &Tensor, var: &Var| {
            let loss = (t * &mix).unwrap().sum_all().unwrap();
            flat(loss.backward().unwrap().get(var).unwrap())
        };
        let (own, other) = (gradient(&own, &sparse), gradient(&other, &dense));
        for (row, k) in at.iter().enumerate() {
            for ch in 0..c {
                let (a, b) = (own[row * c + ch], other[k * c + ch]);
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
        }
    }
}
