//! Preprocessing against torchvision on Pillow 13.0.0: every byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test helpers stop a test by panicking; largest errors are printed"
)]

mod common;

use common::{bytes, pixels, tensors};
use mental_pong_predictor::encoders::{Filter, Picture};

#[test]
fn every_pixel_equals_pillow_s() {
    let file = tensors("preprocess.safetensors");
    let size = |name: &str| -> [usize; 2] {
        let v: Vec<i64> = file[name].to_vec1().unwrap();
        [v[0] as usize, v[1] as usize]
    };
    let mut compared = 0;
    for k in 0..3 {
        let [width, height] = size(&format!("in{k}.size"));
        let picture = Picture::new(width, height, pixels(&file, &format!("in{k}"))).unwrap();
        for (name, filter) in [("bilinear", Filter::Bilinear), ("bicubic", Filter::Bicubic)] {
            let resized = picture.resize_shorter(256, filter).unwrap();
            // Stored as (rows, columns).
            assert_eq!(
                [resized.height(), resized.width()],
                size(&format!("resized{k}.size"))
            );
            let seen = resized.crop_centre(224).unwrap();
            let want = pixels(&file, &format!("out{k}.{name}"));
            // Some expected pictures keep every second or third row and column only.
            let side = ((want.len() / 3) as f64).sqrt() as usize;
            let every = match side {
                224 => 1,
                112 => 2,
                75 => 3,
                _ => panic!("{side}"),
            };
            let got: Vec<u8> = (0..224)
                .step_by(every)
                .flat_map(|y| (0..224).step_by(every).map(move |x| (y, x)))
                .flat_map(|(y, x)| seen.pixels()[(y * 224 + x) * 3..][..3].to_vec())
                .collect();
            let different = got.iter().zip(&want).filter(|(a, b)| a != b).count();
            println!(
                "picture {k} {name}: {different} of {} bytes differ",
                want.len()
            );
            assert_eq!(got.len(), want.len());
            assert_eq!(different, 0, "picture {k} {name}");
            compared += want.len();
        }
    }
    assert!(compared > 300_000);
}

// Random pictures of random sizes, `Image.resize` of Pillow 10.4.0 (columns always first); each named
// `<case>.<filter>.in` and `.out`, `[y, x, channel]`.
#[test]
fn random_sizes_equal_pillow_s() {
    let file = tensors("resize.safetensors");
    let mut cases = 0;
    for (name, before) in &file {
        let Some(case) = name.strip_suffix(".in") else {
            continue;
        };
        let filter = match case.ends_with("bicubic") {
            true => Filter::Bicubic,
            false => Filter::Bilinear,
        };
        let after = &file[&format!("{case}.out")];
        let (height, width, _) = before.dims3().unwrap();
        let picture = Picture::new(width, height, bytes(before)).unwrap();
        let (height, width, _) = after.dims3().unwrap();
        let got = picture.resize(width, height, filter).unwrap();
        assert_eq!(got.pixels(), bytes(after), "{case}");
        cases += 1;
    }
    assert_eq!(cases, file.len() / 2);
    assert!(cases >= 40);
}
