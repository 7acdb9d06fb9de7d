//! Clips from every kind of source: order, pixels, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails is a test that fails"
)]
#![allow(
    clippy::print_stdout,
    reason = "the shared helpers print the largest error"
)]

mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use mental_pong_game::frames::Preset;
use mental_pong_game::stimuli::{Job, Setting, StimulusSet, write_set};
use mental_pong_game::task::{Law, primate79};
use mental_pong_predictor::encoders::Picture;
use mental_pong_predictor::playworld::Mix;
use mental_pong_predictor::training::clips::{
    Clips, PlayworldClips, Tools, decode_picture, ffmpeg_on_path, open,
};

/// The picture that the maker of `physion_layout.hdf5` drew as frame `t`: 20 x 14.
fn ramp(t: usize) -> Picture {
    let pixels = (0..14 * 20)
        .flat_map(|k| {
            let (y, x) = (k / 20, k % 20);
            [x * 12 + t * 5, y * 17 + 3 * t, (x + y + t) * 9].map(|v| (v % 256) as u8)
        })
        .collect();
    Picture::new(20, 14, pixels).unwrap()
}

fn largest(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

fn refused(root: &Path) -> String {
    open(root, &Tools::default()).err().unwrap().to_string()
}

#[test]
fn folders_of_frames_come_in_natural_order() {
    let folder = tempfile::tempdir().unwrap();
    for (clip, frames) in [("b10", 3), ("b9", 12)] {
        let dir = folder.path().join("set").join(clip);
        std::fs::create_dir_all(&dir).unwrap();
        for t in 0..frames {
            ramp(t)
                .write_png(&dir.join(format!("frame{t}.png")))
                .unwrap();
        }
    }
    std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let clips = open(folder.path(), &Tools::default()).unwrap();
    assert_eq!(
        (clips.len(), clips.id(0), clips.id(1)),
        (2, "set/b9".into(), "set/b10".into())
    );
    assert_eq!(
        (clips.n_frames(0).unwrap(), clips.n_frames(1).unwrap()),
        (12, 3)
    );
    assert_eq!(
        clips.frames(0, &[2, 10, 11]).unwrap(),
        [ramp(2), ramp(10), ramp(11)]
    );
    let message = clips.frames(1, &[3]).unwrap_err().to_string();
    assert!(
        message.contains("b10") && message.contains("0 to 2"),
        "{message}"
    );
    // Another size in the same clip, and a damaged file.
    let odd = folder.path().join("set/b10/frame1.png");
    Picture::new(4, 4, vec![0; 48])
        .unwrap()
        .write_png(&odd)
        .unwrap();
    let message = clips.frames(1, &[0, 1]).unwrap_err().to_string();
    assert!(
        message.contains("20 x 14") && message.contains("4 x 4"),
        "{message}"
    );
    let whole = std::fs::read(folder.path().join("set/b10/frame0.png")).unwrap();
    std::fs::write(&odd, &whole[..whole.len() / 2]).unwrap();
    let message = clips.frames(1, &[1]).unwrap_err().to_string();
    assert!(message.contains("frame1.png"), "{message}");
    // Whose clip is a picture in the root?
    ramp(0).write_png(&folder.path().join("stray.png")).unwrap();
    assert!(refused(folder.path()).contains("stray.png"));
}

#[test]
fn grey_deep_and_clear_pngs_are_rgb() {
    let encode = |color, depth, data: &[u8]| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(data)
            .unwrap();
        decode_picture("memory".as_ref(), &bytes)
            .unwrap()
            .pixels()
            .to_vec()
    };
    use png::{BitDepth, ColorType};
    assert_eq!(
        encode(ColorType::Grayscale, BitDepth::Eight, &[7, 9]),
        [7, 7, 7, 9, 9, 9]
    );
    assert_eq!(
        encode(
            ColorType::Rgba,
            BitDepth::Eight,
            &[1, 2, 3, 0, 4, 5, 6, 255]
        ),
        [1, 2, 3, 4, 5, 6]
    );
    assert_eq!(
        encode(ColorType::Grayscale, BitDepth::Sixteen, &[7, 200, 9, 1]),
        [7, 7, 7, 9, 9, 9]
    );
}

#[test]
fn a_huge_picture_is_refused_by_its_header() {
    let mut bytes = Vec::new();
    png::Encoder::new(&mut bytes, 30_000, 30_000)
        .write_header()
        .unwrap();
    let message = decode_picture("big.png".as_ref(), &bytes)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("big.png") && message.contains("30000 x 30000"),
        "{message}"
    );
    let message = decode_picture("a.png".as_ref(), b"GIF89a")
        .unwrap_err()
        .to_string();
    assert!(message.contains("PNG or JPEG"), "{message}");
}

// h5py 3.16 and Pillow 13; see the data's README.
#[test]
fn physions_layout_is_read() {
    let clips = open(&common::data("clips"), &Tools::default());
    // The folder also holds pictures: two kinds.
    assert!(
        clips
            .err()
            .unwrap()
            .to_string()
            .contains("1 HDF5 files, 3 pictures")
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Roll/Roll/pilot.hdf5");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::copy(common::data("clips/physion_layout.hdf5"), &file).unwrap();
    let clips = open(folder.path(), &Tools::default()).unwrap();
    assert_eq!(clips.len(), 1);
    assert_eq!(clips.id(0), "Roll/Roll/pilot.hdf5 (synthetic_ramp_0001)");
    assert_eq!(clips.n_frames(0).unwrap(), 12);
    let all: Vec<usize> = (0..12).collect();
    let frames = clips.frames(0, &all).unwrap();
    for (t, frame) in frames.iter().enumerate().take(11) {
        assert_eq!(*frame, ramp(t), "{t}");
    }
    let pillow = std::fs::read(common::data("clips/frame_11.rgb")).unwrap();
    // Colours that jump from pixel to pixel, stored at half the resolution.
    let off = largest(frames[11].pixels(), &pillow);
    assert!(off <= 10, "{off}");
    assert!(clips.frames(0, &[12]).is_err());
    // A file cut short, and one of another layout.
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 3]).unwrap();
    let result = clips.n_frames(0).and_then(|_| clips.frames(0, &all));
    let message = result.unwrap_err().to_string();
    assert!(message.contains("pilot.hdf5"), "{message}");
}

#[test]
fn a_jpeg_is_within_a_few_levels_of_libjpeg() {
    let path = common::data("clips/noise.jpg");
    let picture = decode_picture(&path, &std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((picture.width(), picture.height()), (80, 64));
    let pillow = std::fs::read(common::data("clips/noise.rgb")).unwrap();
    let off = largest(picture.pixels(), &pillow);
    let mean: f64 = picture
        .pixels()
        .iter()
        .zip(&pillow)
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum::<f64>()
        / pillow.len() as f64;
    assert!(off <= 4 && mean < 0.5, "{off} {mean}");
    let whole = std::fs::read(&path).unwrap();
    assert!(decode_picture(&path, &whole[..whole.len() / 2]).is_err());
}

#[test]
fn grey_and_progressive_jpegs_are_rgb() {
    let pillow = std::fs::read(common::data("clips/grey_progressive.rgb")).unwrap();
    let size = 21 * 19 * 3;
    for (k, name) in ["grey", "progressive"].iter().enumerate() {
        let path = common::data(&format!("clips/{name}.jpg"));
        let picture = decode_picture(&path, &std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((picture.width(), picture.height()), (19, 21));
        let off = largest(picture.pixels(), &pillow[k * size..(k + 1) * size]);
        assert!(off <= 3, "{name} {off}");
    }
}

#[test]
fn a_stimulus_set_gives_the_frames_of_its_files() {
    for preset in [Preset::Rnn100, Preset::Model224] {
        let folder = tempfile::tempdir().unwrap();
        let conditions = primate79()[..2].to_vec();
        let set = StimulusSet::of_trials(&conditions, Setting::new(Law::Design, preset)).unwrap();
        let job = Job {
            command: "test",
            shard: None,
            ffmpeg: None,
            free_bytes: None,
        };
        write_set(folder.path(), &set, &job, &mental_pong_base::Quiet).unwrap();
        let clips = open(folder.path(), &Tools::default()).unwrap();
        assert_eq!(clips.len(), 2);
        let id = clips.id(1);
        let file = std::fs::read(folder.path().join(format!("{id}.npy"))).unwrap();
        let npy = npyz::NpyFile::new(&file[..]).unwrap();
        let (n, side) = (npy.shape()[0] as usize, npy.shape()[1] as usize);
        assert_eq!(clips.n_frames(1).unwrap(), n);
        let stored: Vec<u8> = npy.into_vec().unwrap();
        let at = [0, 5, n - 1];
        for (frame, t) in clips.frames(1, &at).unwrap().iter().zip(at) {
            let own = stored.len() / n;
            let stored = &stored[t * own..(t + 1) * own];
            let rgb: Vec<u8> = match preset {
                Preset::Rnn100 => stored.iter().flat_map(|&v| [v; 3]).collect(),
                _ => stored.to_vec(),
            };
            assert_eq!((frame.width(), frame.pixels()), (side, &rgb[..]));
        }
        assert!(clips.frames(0, &[4000]).is_err());
    }
}

#[test]
fn playworld_videos_are_clips() {
    let clips = |purpose| PlayworldClips {
        seed: 2,
        purpose,
        videos: 2,
        n_frames: 20,
        mix: Mix::FULL,
    };
    let one = clips("a").frames(1, &[0, 19]).unwrap();
    assert_eq!(one, clips("a").frames(1, &[0, 19]).unwrap());
    assert_ne!(one, clips("b").frames(1, &[0, 19]).unwrap());
    assert!(clips("a").frames(1, &[20]).is_err());
}

#[test]
fn videos_need_an_ffmpeg_and_are_read_to_the_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.mkv");
    std::fs::write(&file, "x").unwrap();
    assert!(refused(folder.path()).contains("ffmpeg"));
    let Some(ffmpeg) = ffmpeg_on_path() else {
        return;
    };
    // FFV1 in RGB keeps every value.
    let mut child = Command::new(&ffmpeg)
        .args([
            "-loglevel",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pixel_format",
            "rgb24",
        ])
        .args(["-video_size", "20x14", "-framerate", "30", "-i", "pipe:0"])
        .args(["-c:v", "ffv1", "-pix_fmt", "bgr0"])
        .arg(&file)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for t in 0..30 {
        pipe.write_all(ramp(t).pixels()).unwrap();
    }
    drop(pipe);
    assert!(child.wait().unwrap().success());
    let tools = Tools {
        ffmpeg: Some(ffmpeg),
    };
    let clips = open(folder.path(), &tools).unwrap();
    assert_eq!((clips.len(), clips.n_frames(0).unwrap()), (1, 30));
    assert_eq!(
        clips.frames(0, &[0, 6, 29]).unwrap(),
        [ramp(0), ramp(6), ramp(29)]
    );
    assert!(
        clips
            .frames(0, &[30])
            .unwrap_err()
            .to_string()
            .contains("clip.mkv")
    );
    std::fs::write(&file, "not a video").unwrap();
    assert!(
        clips
            .n_frames(0)
            .unwrap_err()
            .to_string()
            .contains("clip.mkv")
    );
}

#[test]
fn a_folder_without_clips_says_what_would_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let message = refused(folder.path());
    assert!(
        message.contains("stimulus set") && message.contains(".hdf5"),
        "{message}"
    );
    assert!(refused(&folder.path().join("nowhere")).contains("nowhere"));
}
