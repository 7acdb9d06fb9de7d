use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

/// The 3 × 3 surroundings of every cell of a grid, zeros beyond its border: `[frame × cell, channel]` to
/// `[frame × cell, 9 × channel]`, a matrix product away from a convolution. Exact gradient; the library's own
/// convolutions have no fast way back on the processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfold {
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Unfold {
    /// Calls `at(cell, neighbour's place among nine, neighbour's cell)` for all that lie on the grid.
    fn each(self, mut at: impl FnMut(usize, usize, usize)) {
        let (h, w) = (self.height as isize, self.width as isize);
        for y in 0..h {
            for x in 0..w {
                for k in 0..9 {
                    let (ny, nx) = (y + k / 3 - 1, x + k % 3 - 1);
                    if (0..h).contains(&ny) && (0..w).contains(&nx) {
                        at((y * w + x) as usize, k as usize, (ny * w + nx) as usize);
                    }
                }
            }
        }
    }
}

impl CustomOp1 for Unfold {
    fn name(&self) -> &'static str {
        "unfold 3 x 3"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (rows, c) = layout.shape().dims2()?;
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("unfold needs contiguous input");
        };
        let input = &storage.as_slice::<f32>()?[start..end];
        let cells = self.height * self.width;
        let mut out = vec![0.0_f32; rows * 9 * c];
        for (out, input) in out
            .chunks_exact_mut(cells * 9 * c)
            .zip(input.chunks_exact(cells * c))
        {
            self.each(|cell, k, from| {
                out[(cell * 9 + k) * c..][..c].copy_from_slice(&input[from * c..][..c]);
            });
        }
        Ok((CpuStorage::F32(out), Shape::from((rows, 9 * c))))
    }

    fn bwd(
        &self,
        input: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let (rows, c) = input.dims2()?;
        let cells = self.height * self.width;
        let grad = grad.flatten_all()?.to_vec1::<f32>()?;
        let mut out = vec![0.0_f32; rows * c];
        for (out, grad) in out
            .chunks_exact_mut(cells * c)
            .zip(grad.chunks_exact(cells * 9 * c))
        {
            self.each(|cell, k, from| {
                let to = &mut out[from * c..][..c];
                for (to, g) in to.iter_mut().zip(&grad[(cell * 9 + k) * c..][..c]) {
                    *to += g;
                }
            });
        }
        Tensor::from_vec(out, (rows, c), input.device()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};
    use mental_pong_base::Stream;

    use super::*;

    /// The library's `conv2d` (forward only) and finite differences are the references.
    #[test]
    fn a_product_with_unfolded_cells_is_a_convolution_with_the_right_gradient() {
        let (h, w, c, k) = (4, 5, 3, 2);
        let mut rng = Stream::new(3, "test", 0);
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
        let input = Var::from_vec(draw(2 * h * w * c), (2 * h * w, c), &Device::Cpu).unwrap();
        let weight = Tensor::from_vec(draw(9 * c * k), (9 * c, k), &Device::Cpu).unwrap();
        let own = |input: &Tensor| {
            let cells = input
                .apply_op1(Unfold {
                    height: h,
                    width: w,
                })
                .unwrap();
            cells.matmul(&weight).unwrap()
        };
        let picture = input
            .reshape((2, h, w, c))
            .unwrap()
            .permute((0, 3, 1, 2))
            .unwrap();
        let kernel = weight
            .reshape((3, 3, c, k))
            .unwrap()
            .permute((3, 2, 0, 1))
            .unwrap();
        let library = picture
            .contiguous()
            .unwrap()
            .conv2d(&kernel.contiguous().unwrap(), 1, 1, 1, 1)
            .unwrap();
        let library = library.permute((0, 2, 3, 1)).unwrap();
        let flat = |t: &Tensor| -> Vec<f32> { t.flatten_all().unwrap().to_vec1().unwrap() };
        for (a, b) in flat(&own(&input)).iter().zip(flat(&library)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        let loss = |t: &Tensor| own(t).sqr().unwrap().sum_all().unwrap();
        let grads = loss(&input).backward().unwrap();
        let grad = flat(grads.get(&input).unwrap());
        let values = flat(&input);
        for at in [0, 7, 31, 59, 118] {
            let shifted = |by: f32| {
                let mut v = values.clone();
                v[at] += by;
                let t = Tensor::from_vec(v, (2 * h * w, c), &Device::Cpu).unwrap();
                f64::from(loss(&t).to_scalar::<f32>().unwrap())
            };
            let difference = (shifted(0.02) - shifted(-0.02)) / 0.04;
            assert!((difference - f64::from(grad[at])).abs() < 2e-2 * difference.abs().max(1.0));
        }
    }
}
