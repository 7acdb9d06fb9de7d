//! The frames against those of the authors' renderer, in every pixel.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests may panic as a test may"
)]

use std::path::PathBuf;

use mental_pong_game::frames::Preset;
use mental_pong_game::stimuli::{Movie, Occlusion, Setting};
use mental_pong_game::task::{Law, select};

fn frames_of(id: u32, occlusion: Occlusion) -> Vec<u8> {
    let setting = Setting {
        occlusion,
        ..Setting::new(Law::Design, Preset::Rnn100)
    };
    Movie::new(&select(&[id]).unwrap()[0], setting)
        .unwrap()
        .flatten()
        .collect()
}

#[test]
fn rnn100_equals_the_published_frames_in_every_pixel() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/frames_rnn100_6.npz");
    let mut archive = npyz::npz::NpzArchive::open(path).unwrap();
    let ids: Vec<u32> = archive.array_names().map(|n| n.parse().unwrap()).collect();
    assert_eq!(ids.len(), 6);
    for id in ids {
        let array = archive.by_name(&id.to_string()).unwrap().unwrap();
        let condition = select(&[id]).unwrap()[0];
        let n_frames = condition.t_end as usize + 1;
        assert_eq!(
            array.shape(),
            Preset::Rnn100
                .shape(n_frames)
                .iter()
                .map(|&n| n as u64)
                .collect::<Vec<_>>()
        );
        let expected: Vec<u8> = array.into_vec().unwrap();
        let found = frames_of(id, Occlusion::Occluded);
        let wrong = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!((found.len(), wrong), (expected.len(), 0), "{id}");
        assert_ne!(frames_of(id, Occlusion::Visible), expected);
    }
}
