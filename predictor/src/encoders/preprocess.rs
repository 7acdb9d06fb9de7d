use std::borrow::Cow;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{FRAME_SIZE, check_frames};
use crate::{Error, Result};

/// Bits after the point of a resampling weight.
const PRECISION: u32 = 22;

/// An 8-bit RGB picture, `[y, x, channel]`, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// A picture of `width` × `height` from its pixels, `[y, x, channel]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of bytes does not fit, or a side is 0.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self> {
        let bytes = width.checked_mul(height).and_then(|n| n.checked_mul(3));
        if width == 0 || height == 0 || bytes != Some(pixels.len()) {
            return Err(Error::Shape {
                what: "picture [y, x, channel]",
                expected: vec![height, width, 3],
                found: vec![pixels.len()],
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Width, pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height, pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels, `[y, x, channel]`.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Writes the picture as a PNG.
    ///
    /// # Errors
    /// [`Error::Game`] naming the file that cannot be written.
    pub fn write_png(&self, path: &std::path::Path) -> Result<()> {
        mental_pong_base::files::write_atomic(path, |out| {
            let mut encoder = png::Encoder::new(out, self.width as u32, self.height as u32);
            encoder.set_color(png::ColorType::Rgb);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.pixels)?;
            Ok(())
        })?;
        Ok(())
    }

    /// Resamples to `width` × `height`, bit for bit as `Image.resize` of Pillow before 13 on 8-bit
    /// RGB: columns first, then rows, each pass rounded to 8 bits, with weights of 22 binary places;
    /// the filter widens with the scale when the picture shrinks. A side that stays is not resampled.
    /// Since Pillow 13 some pictures, among them those twice as tall as wide, are resampled rows
    /// first, which moves single values by a level; published encoders ran on older versions.
    ///
    /// # Errors
    /// [`Error::Shape`] for a side of 0.
    pub fn resize(&self, width: usize, height: usize, filter: Filter) -> Result<Self> {
        if width == 0 || height == 0 {
            return Err(Error::Shape {
                what: "size to resize to [y, x]",
                expected: vec![1, 1],
                found: vec![height, width],
            });
        }
        let mut picture = self.clone();
        if width != self.width {
            picture = picture.resize_columns(width, filter);
        }
        if height != self.height {
            picture = picture.resize_rows(height, filter);
        }
        Ok(picture)
    }

    fn resize_columns(&self, width: usize, filter: Filter) -> Self {
        let taps = taps(self.width, width, filter);
        let mut pixels = vec![0_u8; width * self.height * 3];
        let rows = self.pixels.chunks_exact(self.width * 3);
        for (row, out) in rows.zip(pixels.chunks_exact_mut(width * 3)) {
            for (taps, out) in taps.iter().zip(out.chunks_exact_mut(3)) {
                let near = &row[taps.first * 3..][..taps.weights.len() * 3];
                for (c, out) in out.iter_mut().enumerate() {
                    let values = near[c..].iter().step_by(3);
                    *out = taps.apply(values);
                }
            }
        }
        Self {
            width,
            height: self.height,
            pixels,
        }
    }

    fn resize_rows(&self, height: usize, filter: Filter) -> Self {
        let stride = self.width * 3;
        let mut pixels = vec![0_u8; stride * height];
        let taps = taps(self.height, height, filter);
        for (taps, out) in taps.iter().zip(pixels.chunks_exact_mut(stride)) {
            let near = &self.pixels[taps.first * stride..][..taps.weights.len() * stride];
            for (x, out) in out.iter_mut().enumerate() {
                *out = taps.apply(near[x..].iter().step_by(stride));
            }
        }
        Self {
            width: self.width,
            height,
            pixels,
        }
    }

    /// Resamples so that the shorter side is `side`; the longer side is cut down to a whole number of
    /// pixels (`int(side · long / short)`, as torchvision's `Resize(int)`).
    ///
    /// # Errors
    /// [`Error::Shape`] for a side of 0.
    pub fn resize_shorter(&self, side: usize, filter: Filter) -> Result<Self> {
        let (w, h) = (self.width, self.height);
        let (width, height) = if w <= h {
            (side, side * h / w)
        } else {
            (side * w / h, side)
        };
        self.resize(width, height, filter)
    }

    /// Cuts a square of `side` from the middle. The offset is half of what is over, halves going to
    /// the even number (torchvision's `CenterCrop`, which uses Python's `round`).
    ///
    /// # Errors
    /// [`Error::Shape`] when the picture is smaller: nothing is padded.
    pub fn crop_centre(&self, side: usize) -> Result<Self> {
        if side > self.width || side > self.height || side == 0 {
            return Err(Error::Shape {
                what: "picture to crop [y, x]",
                expected: vec![side, side],
                found: vec![self.height, self.width],
            });
        }
        let (left, top) = (
            crop_offset(self.width, side),
            crop_offset(self.height, side),
        );
        let pixels = self
            .pixels
            .chunks_exact(self.width * 3)
            .skip(top)
            .take(side)
            .flat_map(|row| &row[left * 3..][..side * 3])
            .copied()
            .collect();
        Ok(Self {
            width: side,
            height: side,
            pixels,
        })
    }
}

/// First pixel of a centred crop of `side` out of `length`.
fn crop_offset(length: usize, side: usize) -> usize {
    let over = length - side;
    let half = over / 2;
    // Half a pixel goes to the even neighbour.
    half + usize::from(over % 2 == 1 && half % 2 == 1)
}

/// A resampling filter of Pillow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Triangle of half-width 1.
    Bilinear,
    /// Cubic convolution (Keys 1981) with a = −0.5, half-width 2.
    Bicubic,
}

impl Filter {
    fn half_width(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        }
    }
}

/// Input pixels of one output pixel, and their weights in units of 2⁻²².
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

impl Taps {
    fn apply<'a>(&self, values: impl Iterator<Item = &'a u8>) -> u8 {
        let half = 1_i64 << (PRECISION - 1);
        let sum = self
            .weights
            .iter()
            .zip(values)
            .fold(half, |sum, (w, v)| sum + i64::from(*w) * i64::from(*v));
        (sum >> PRECISION).clamp(0, 255) as u8
    }
}

fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let widened = scale.max(1.0);
    let support = filter.half_width() * widened;
    (0..to)
        .map(|at| {
            let centre = (at as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(from);
            let raw: Vec<f64> = (first..end)
                .map(|k| filter.weight((k as f64 - centre + 0.5) * (1.0 / widened)))
                .collect();
            let sum: f64 = raw.iter().sum();
            let norm = if sum == 0.0 { 1.0 } else { 1.0 / sum };
            let weights = raw
                .iter()
                .map(|w| {
                    let w = w * norm * f64::from(1_u32 << PRECISION);
                    (w + 0.5_f64.copysign(w)) as i32
                })
                .collect();
            Taps { first, weights }
        })
        .collect()
}

/// A frame that an encoder can take.
pub trait Frame: Copy + Sync {
    /// It as a picture.
    ///
    /// # Errors
    /// [`Error::Shape`] for pixels that are not those of [`FRAME_SIZE`] squared.
    fn picture(&self) -> Result<Cow<'_, Picture>>;
}

/// Pixels of [`FRAME_SIZE`] squared, `[y, x, channel]`.
impl Frame for &[u8] {
    fn picture(&self) -> Result<Cow<'_, Picture>> {
        check_frames(&[self])?;
        Ok(Cow::Owned(Picture::new(
            FRAME_SIZE,
            FRAME_SIZE,
            self.to_vec(),
        )?))
    }
}

/// A picture of any size.
impl Frame for &Picture {
    fn picture(&self) -> Result<Cow<'_, Picture>> {
        Ok(Cow::Borrowed(self))
    }
}

/// What an encoder does to a frame before its first layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Length the shorter side is resampled to, and with which filter; nothing is resampled if none.
    pub resize: Option<(usize, Filter)>,
    /// Side of the square cut from the middle.
    pub crop: usize,
    /// Mean of R, G, B that is taken away after the division by 255.
    pub mean: [f32; 3],
    /// Standard deviation of R, G, B that is divided by then.
    pub sd: [f32; 3],
}

impl Preprocess {
    const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    const IMAGENET_SD: [f32; 3] = [0.229, 0.224, 0.225];

    /// As published for VC-1, `DeiT`, DINO and `DINOv2`: shorter side 256 bicubic, crop 224, `ImageNet`
    /// mean and deviation.
    #[must_use]
    pub fn bicubic_256() -> Self {
        Self {
            resize: Some((256, Filter::Bicubic)),
            ..Self::whole_frame()
        }
    }

    /// As published for ResNet-50, VGG16, R3M and VIP: shorter side 256 bilinear, crop 224,
    /// `ImageNet` mean and deviation. (R3M and VIP take 0–255 and normalise inside; here it is done
    /// once, outside, with the same result.)
    #[must_use]
    pub fn bilinear_256() -> Self {
        Self {
            resize: Some((256, Filter::Bilinear)),
            ..Self::whole_frame()
        }
    }

    /// As published for CLIP: shorter side 224 bicubic, crop 224, CLIP's own mean and deviation.
    #[must_use]
    pub fn clip() -> Self {
        Self {
            resize: Some((224, Filter::Bicubic)),
            crop: 224,
            mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            sd: [0.268_629_54, 0.261_302_6, 0.275_777_1],
        }
    }

    /// As published for V-JEPA 2: shorter side 292 (256 · 256 / 224) bilinear, crop 256, `ImageNet` mean
    /// and deviation; 438 and 384 for the network of 384 pixels. (Its authors resample as torchvision
    /// does on tensors; here as Pillow: single values can differ by a level.)
    #[must_use]
    pub fn vjepa2(side: usize) -> Self {
        Self {
            resize: Some((side * 256 / 224, Filter::Bilinear)),
            crop: side,
            ..Self::whole_frame()
        }
    }

    /// The whole frame of 224 × 224 as it is, with `ImageNet` mean and deviation. Not published: the
    /// crop out of 256 loses an eighth of the picture, and the ball can be in it.
    #[must_use]
    pub fn whole_frame() -> Self {
        Self {
            resize: None,
            crop: FRAME_SIZE,
            mean: Self::IMAGENET_MEAN,
            sd: Self::IMAGENET_SD,
        }
    }

    /// One line that says all of it; part of an encoder's identity.
    #[must_use]
    pub fn describe(&self) -> String {
        let resize = match self.resize {
            Some((side, filter)) => {
                format!("shorter side {side} {} (Pillow, 8 bit); ", filter.name())
            }
            None => String::new(),
        };
        format!(
            "{resize}centre crop {}; divided by 255; minus {:?}, divided by {:?}",
            self.crop, self.mean, self.sd
        )
    }

    /// What the encoder really sees of a picture: resampled and cut, still 8 bits.
    ///
    /// # Errors
    /// [`Error::Shape`] when the crop is larger than the picture.
    pub fn picture(&self, picture: &Picture) -> Result<Picture> {
        match self.resize {
            Some((side, filter)) => picture.resize_shorter(side, filter)?.crop_centre(self.crop),
            None => picture.crop_centre(self.crop),
        }
    }

    /// The first layer's input for a picture: `[channel, y, x]`, normalised.
    ///
    /// # Errors
    /// As [`Preprocess::picture`].
    pub fn input(&self, picture: &Picture) -> Result<Vec<f32>> {
        let seen = self.picture(picture)?;
        let mut input = Vec::with_capacity(seen.pixels.len());
        for (c, (mean, sd)) in self.mean.iter().zip(&self.sd).enumerate() {
            let channel = seen.pixels[c..].iter().step_by(3);
            input.extend(channel.map(|&v| (f32::from(v) / 255.0 - mean) / sd));
        }
        Ok(input)
    }

    /// The first layer's input for frames of [`FRAME_SIZE`] squared or pictures of any size:
    /// `[frame, channel, y, x]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a frame of another size or a crop that is larger than a frame.
    pub fn tensor<F: Frame>(&self, frames: &[F]) -> Result<Tensor> {
        let inputs: Vec<Vec<f32>> = frames
            .par_iter()
            .map(|frame| self.input(&*frame.picture()?))
            .collect::<Result<_>>()?;
        let shape = (frames.len(), 3, self.crop, self.crop);
        Ok(Tensor::from_vec(inputs.concat(), shape, &Device::Cpu)?)
    }

    /// Whether a point of a `width` × `height` picture, pixels from its left top corner, is still
    /// in the part that is kept.
    #[must_use]
    pub fn keeps(&self, width: usize, height: usize, x_px: f64, y_px: f64) -> bool {
        let (w, h, scale_x, scale_y) = match self.resize {
            Some((side, _)) => {
                let short = width.min(height).max(1);
                let (w, h) = (side * width / short, side * height / short);
                (w, h, w as f64 / width as f64, h as f64 / height as f64)
            }
            None => (width, height, 1.0, 1.0),
        };
        let inside = |at: f64, length: usize| {
            let first = crop_offset(length.max(self.crop), self.crop) as f64;
            at >= first && at < first + self.crop as f64
        };
        inside(x_px * scale_x, w) && inside(y_px * scale_y, h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mental_pong_base::Stream;

    fn noise(width: usize, height: usize, seed: u64) -> Picture {
        let mut rng = Stream::new(seed, "picture", 0);
        let pixels = (0..width * height * 3)
            .map(|_| rng.below(256) as u8)
            .collect();
        Picture::new(width, height, pixels).unwrap()
    }

    // torchvision: int(round((H - 224) / 2)) in Python for H = 341, 257, 255, 256.
    #[test]
    fn a_crop_rounds_its_halves_to_even() {
        assert_eq!(crop_offset(341, 224), 58);
        assert_eq!(crop_offset(257, 224), 16);
        assert_eq!(crop_offset(255, 224), 16);
        assert_eq!(crop_offset(256, 224), 16);
        assert_eq!(crop_offset(224, 224), 0);
    }

    #[test]
    fn the_longer_side_is_truncated() {
        let picture = noise(400, 300, 1);
        let small = picture.resize_shorter(256, Filter::Bilinear).unwrap();
        assert_eq!((small.width(), small.height()), (341, 256));
        let picture = noise(48, 64, 1);
        let large = picture.resize_shorter(256, Filter::Bicubic).unwrap();
        assert_eq!((large.width(), large.height()), (256, 341));
    }

    #[test]
    fn one_colour_stays_that_colour_at_any_size() {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            for value in [0, 1, 127, 254, 255] {
                let flat = Picture::new(37, 53, vec![value; 37 * 53 * 3]).unwrap();
                for (w, h) in [(1, 1), (5, 200), (224, 9), (37, 54)] {
                    let other = flat.resize(w, h, filter).unwrap();
                    assert!(other.pixels().iter().all(|v| *v == value));
                }
            }
        }
    }

    #[test]
    fn a_mirrored_picture_gives_the_mirrored_result() {
        let mirror = |p: &Picture| {
            let rows = p.pixels.chunks_exact(p.width * 3);
            let pixels = rows
                .flat_map(|row| {
                    row.chunks_exact(3)
                        .rev()
                        .flatten()
                        .copied()
                        .collect::<Vec<u8>>()
                })
                .collect();
            Picture::new(p.width, p.height, pixels).unwrap()
        };
        for (seed, (w, h)) in [(64, 40), (31, 30), (17, 90)].into_iter().enumerate() {
            let picture = noise(w, h, seed as u64);
            // Powers of two keep the taps symmetric to the last bit.
            let one = mirror(&picture.resize(2 * w, h / 2, Filter::Bicubic).unwrap());
            let other = mirror(&picture)
                .resize(2 * w, h / 2, Filter::Bicubic)
                .unwrap();
            assert_eq!(one, other);
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let picture = noise(20, 30, 3);
        assert_eq!(picture.resize(20, 30, Filter::Bicubic).unwrap(), picture);
        assert_ne!(picture.resize(21, 30, Filter::Bicubic).unwrap(), picture);
    }

    #[test]
    fn the_input_is_normalised_once_and_channels_come_first() {
        let mut pixels = vec![0_u8; 224 * 224 * 3];
        pixels[3 * 225 + 2] = 255;
        let picture = Picture::new(224, 224, pixels).unwrap();
        let input = Preprocess::whole_frame().input(&picture).unwrap();
        assert_eq!(input.len(), 3 * 224 * 224);
        assert!((input[0] - (0.0 - 0.485) / 0.229).abs() < 1e-6);
        assert!((input[2 * 224 * 224 + 225] - (1.0 - 0.406) / 0.225).abs() < 1e-6);
        assert!((input[2 * 224 * 224] - (0.0 - 0.406) / 0.225).abs() < 1e-6);
    }

    #[test]
    fn the_published_crop_loses_the_border_and_says_so() {
        let published = Preprocess::bicubic_256();
        assert!(published.keeps(256, 256, 16.0, 128.0));
        assert!(!published.keeps(256, 256, 15.0, 128.0));
        assert!(!published.keeps(224, 224, 112.0, 215.0));
        assert!(Preprocess::whole_frame().keeps(224, 224, 0.0, 223.0));
        assert!(!Preprocess::bilinear_256().keeps(400, 300, 60.0, 150.0));
    }

    #[test]
    fn sizes_that_cannot_be_are_errors() {
        assert!(Picture::new(2, 2, vec![0; 11]).is_err());
        assert!(Picture::new(usize::MAX, 2, vec![0; 12]).is_err());
        let picture = noise(10, 10, 1);
        assert!(picture.crop_centre(11).is_err());
        assert!(picture.resize(0, 3, Filter::Bilinear).is_err());
        assert!(
            Preprocess::whole_frame()
                .tensor(&[[0_u8; 12].as_slice()])
                .is_err()
        );
    }
}
