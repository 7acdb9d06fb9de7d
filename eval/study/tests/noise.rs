//! Forecasts from noisy percepts: spread grows behind the occluder, and errors stand beside published ones.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use mental_pong_base::Quiet;
use mental_pong_predictor::latents::Cache;
use mental_pong_study::{Asked, Inputs, Request, Study, StudyConfig, evaluate};

fn study(noise: f64, seed: u64) -> Study {
    let inputs = Inputs::open(&Request {
        asked: Asked {
            models: vec!["room-gru".into()],
            ..Asked::default()
        },
        ..Request::default()
    })
    .unwrap();
    let config = StudyConfig {
        analyses: vec!["noise".into()],
        noise,
        noise_trials: 6,
        seed,
        ..StudyConfig::default()
    };
    evaluate(&inputs, &config, &Cache::none(), &Quiet).unwrap()
}

#[test]
fn spread_grows_behind_the_occluder_and_with_the_noise_and_follows_the_seed() {
    let (little, much) = (study(0.05, 1), study(0.3, 1));
    let of = |study: &Study, metric: &str| {
        let score = study
            .card
            .score("noise", "room-gru, noisy", metric, "", "end");
        score.unwrap().value
    };
    let growth = |study: &Study| {
        let score = study
            .card
            .score("noise", "room-gru, noisy", "spread_growth", "hidden", "y");
        score.unwrap().value
    };
    assert!(growth(&much) > 1.2, "{}", growth(&much));
    assert!(of(&much, "mae_trialwise") > of(&little, "mae_trialwise"));
    // The mean over trials errs less than a trial.
    assert!(of(&much, "mae_of_mean") < of(&much, "mae_trialwise"));
    let table = |study: &Study| study.file("tables/noise.csv").unwrap().to_owned();
    assert_eq!(table(&much), table(&study(0.3, 1)));
    assert_ne!(table(&much), table(&study(0.3, 2)));
    let both = ["humans", "monkey Perle", "noisy-simulation"];
    assert!(both.iter().all(|who| table(&much).contains(who)));
}

#[test]
fn without_noise_every_trial_is_the_same() {
    let quiet = study(0.0, 1);
    let growth = quiet.file("tables/noise_growth.csv").unwrap();
    assert!(growth.lines().count() > 10);
    for line in growth.lines().skip(1) {
        let spread: f64 = line.rsplit(',').nth(1).unwrap().parse().unwrap();
        assert!(spread < 1e-6, "{line}");
    }
}
