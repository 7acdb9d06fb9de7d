//! Maps from features to units compared on responses whose ceiling is known.
#![allow(clippy::print_stdout, reason = "an example says what it found")]
//!
//! `cargo run --release -p mental-pong-eval --example own_map`

use mental_pong_base::{Quiet, Stream};
use mental_pong_eval::array::Array2;
use mental_pong_eval::error::Result;
use mental_pong_eval::linear::Map;
use mental_pong_eval::predictivity::{Halves, Options, RowSplit, Source, predictivity};

fn main() -> Result<()> {
    // 40 conditions of 20 bins, 12 features, 30 units: linear in the features, with noise of each half of the trials.
    let (conditions, bins, features, units) = (40, 20, 12, 30);
    let rows = conditions * bins;
    let mut random = Stream::new(1, "own_map", 0);
    let x = Array2::from_fn(rows, features, |_, _| random.normal());
    let weights = Array2::from_fn(features, units, |_, _| random.normal());
    let mean = Array2::from_fn(rows, units, |row, unit| {
        (0..features)
            .map(|f| x.get(row, f) * weights.get(f, unit))
            .sum()
    });
    let mut half = || {
        Array2::from_fn(rows, units, |row, unit| {
            mean.get(row, unit) + 3.0 * random.normal()
        })
    };
    let (first, second) = (half(), half());
    let full = Array2::from_fn(rows, units, |row, unit| {
        (first.get(row, unit) + second.get(row, unit)) / 2.0
    });
    let target = Halves::new(full, first, second)?;

    // Whole conditions are held out.
    let of_row: Vec<usize> = (0..rows).map(|row| row / bins).collect();
    let split = RowSplit {
        train: (0..rows)
            .filter(|row| of_row[*row].is_multiple_of(2))
            .collect(),
        test: (0..rows)
            .filter(|row| !of_row[*row].is_multiple_of(2))
            .collect(),
    };
    for map in [
        Map::published(),
        Map::LeastSquares,
        Map::Pls {
            components: 5,
            scale: false,
        },
        Map::BestFeature,
    ] {
        let options = Options {
            map,
            ..Options::default()
        };
        let found = predictivity(
            Source::Features(&x),
            &target,
            &of_row,
            std::slice::from_ref(&split),
            &options,
            &Quiet,
        )?;
        println!(
            "{:15} noise-corrected r {:.3}",
            found.map, found.population.median
        );
    }
    Ok(())
}
