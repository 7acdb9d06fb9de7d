//! Trials drawn at random from stated ranges.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::task::condition::Condition;
use crate::task::own::{Rule, Start, check};
use mental_pong_base::Stream;
use mental_pong_base::threads::map;

/// Draws after which a trial counts as impossible to find.
const MAX_TRIES: u32 = 100_000;

/// What to draw: each value uniform in its range, drawn again until the trial fits the rule.
///
/// Trial `i` has a random stream of its own, so that a longer draw begins with the shorter one. Its
/// id is `i`: not a row of the published table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// Number of trials.
    pub n: u32,
    /// Root seed.
    pub seed: u64,
    /// Start, degrees; both ends may be equal.
    pub x0_deg: (f64, f64),
    /// Start, degrees.
    pub y0_deg: (f64, f64),
    /// First heading, degrees of angle.
    pub heading_deg: (f64, f64),
    /// Speed, degrees per second.
    pub speed_deg_per_s: (f64, f64),
    /// Which trials are kept.
    pub rule: Rule,
}

impl Default for Draw {
    /// 100 trials from the ranges of the published generator's grid.
    fn default() -> Self {
        Self {
            n: 100,
            seed: 0,
            x0_deg: (-9.0, 0.8),
            y0_deg: (-9.0, 8.8),
            heading_deg: (-72.0, 72.0),
            speed_deg_per_s: (3.75, 15.0),
            rule: Rule::Published,
        }
    }
}

/// The trials of a draw; the same for any number of threads.
///
/// # Errors
/// [`Error::BadValue`] for a range that is none, or from which no trial fits the rule.
pub fn draw(draw: &Draw) -> Result<Vec<Condition>> {
    for (field, (low, high)) in [
        ("x0_deg", draw.x0_deg),
        ("y0_deg", draw.y0_deg),
        ("heading_deg", draw.heading_deg),
        ("speed_deg_per_s", draw.speed_deg_per_s),
    ] {
        if !(low.is_finite() && high.is_finite() && low <= high) {
            return Err(Error::BadValue {
                field,
                expected: "two finite numbers, the smaller one first".into(),
                found: format!("{low} to {high}"),
            });
        }
    }
    map(draw.n as usize, |i| one(draw, i as u32))
        .into_iter()
        .collect()
}

fn one(draw: &Draw, i: u32) -> Result<Condition> {
    let mut stream = Stream::new(draw.seed, "drawn trial", u64::from(i));
    let mut last = None;
    for _ in 0..MAX_TRIES {
        let mut uniform = |(low, high)| stream.uniform(low, high);
        let start = Start::from_deg(
            uniform(draw.x0_deg),
            uniform(draw.y0_deg),
            uniform(draw.heading_deg),
            uniform(draw.speed_deg_per_s),
        );
        match check(i, start, draw.rule) {
            Ok(condition) => return Ok(condition),
            Err(unfit) => last = Some(unfit),
        }
    }
    Err(Error::BadValue {
        field: "the ranges of the draw",
        expected: last.map_or_else(String::new, |unfit| unfit.expected),
        found: format!("no such trial in {MAX_TRIES} draws"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_trials_and_a_longer_draw_begins_with_the_shorter() {
        let some = Draw::default();
        let trials = draw(&some).unwrap();
        assert_eq!(trials.len(), 100);
        assert_eq!(draw(&some).unwrap(), trials);
        assert_eq!(draw(&Draw { n: 150, ..some }).unwrap()[..100], trials);
        assert_ne!(draw(&Draw { seed: 1, ..some }).unwrap(), trials);
        let one_thread = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(one_thread.install(|| draw(&some)).unwrap(), trials);
    }

    #[test]
    fn trials_lie_in_their_ranges_and_fit_the_rule() {
        let wanted = Draw {
            n: 400,
            seed: 3,
            x0_deg: (-7.0, -5.0),
            speed_deg_per_s: (7.5, 7.5),
            ..Draw::default()
        };
        let trials = draw(&wanted).unwrap();
        for trial in &trials {
            assert!((-7.0..=-5.0).contains(&trial.x0_deg()));
            assert!((trial.speed_deg_per_s() - 7.5).abs() < 1e-12);
            assert!((15..=45).contains(&trial.t_occ));
            assert!((15..=45).contains(&(trial.t_end - trial.t_occ)));
            assert!(trial.n_bounce <= 1);
        }
        // Uniform over the range as far as the rule lets it: the mean stands near the middle.
        let mean = trials.iter().map(Condition::x0_deg).sum::<f64>() / 400.0;
        assert!((mean + 6.0).abs() < 0.15, "{mean}");
    }

    #[test]
    fn ranges_that_hold_no_trial_are_refused() {
        let backwards = Draw {
            heading_deg: (120.0, 150.0),
            ..Draw::default()
        };
        let message = draw(&backwards).unwrap_err().to_string();
        assert!(message.contains("no such trial in 100000"), "{message}");
        let swapped = Draw {
            y0_deg: (3.0, -3.0),
            ..Draw::default()
        };
        assert!(
            draw(&swapped)
                .unwrap_err()
                .to_string()
                .contains("y0_deg is 3 to -3")
        );
    }
}
