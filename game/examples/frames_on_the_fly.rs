//! Frames for a training loop, drawn when they are asked for.

use mental_pong_game::frames::Preset;
use mental_pong_game::stimuli::{Setting, StimulusSet};
use mental_pong_game::task::{Draw, Law, draw};

fn main() -> mental_pong_game::Result<()> {
    let conditions = draw(&Draw {
        n: 64,
        seed: 1,
        ..Draw::default()
    })?;
    let set = StimulusSet::of_trials(&conditions, Setting::new(Law::Design, Preset::Rnn100))?;

    // Lent: the pixels are good until the next call, and nothing is copied.
    let mut frames = set.frames();
    let mut n = 0;
    while let Some((truth, pixels)) = frames.draw_next() {
        assert_eq!(pixels.len(), 100 * 100);
        assert!(truth.x_deg < 12.0);
        n += 1;
    }

    // Owned: an ordinary iterator.
    assert_eq!(set.frames().count(), n);
    Ok(())
}
