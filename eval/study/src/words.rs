//! Identifiers in words, with their units spelled: what a reader of the page sees.

use crate::card::Score;

/// A metric in words.
#[must_use]
pub fn metric(id: &str) -> &str {
    match id {
        "r" => "correlation with the truth (Pearson r)",
        "mae" => "mean |error|",
        "spearman" => "rank correlation with the truth",
        "spread_growth" => "spread of the decoded height, last over first",
        "simulation_index" => "simulation index (lower is better)",
        "skill" => "skill: 1 − error / error of the null",
        "innovation_r" => "innovation: r of (model − inertia) with (truth − inertia)",
        "mae_horizon" => "mean |error| over the horizon",
        "r_end_0ms" => "r of the end height, read at occlusion",
        "r_end_250ms" => "r of the end height, read 250 ms after occlusion",
        "r_end_500ms" => "r of the end height, read 500 ms after occlusion",
        "r_end_250ms_shuffled" => "the same with end heights of other conditions",
        "r_end_250ms_two_stage" => {
            "r of the end height from the decoded position alone, 250 ms after occlusion"
        }
        "r_xy_n_sb" => "similarity with DMFC (noise-corrected r)",
        "r_xy_n" => "similarity with DMFC (corrected without Spearman-Brown)",
        "partial_r_xy_n_sb" => {
            "similarity with DMFC beyond the ball's place (partial, noise-corrected r)"
        }
        "median_r_xy_n_sb" => "prediction of single units (noise-corrected r, median)",
        "median_r_xy" => "prediction of single units (r, not corrected, median)",
        "penalty_at_edge" => "share of units whose ridge penalty stands at an end of its grid",
        "mae_of_mean" => "|mean error| at the end",
        "mae_trialwise" => "trial-wise |error| at the end",
        "r_of_mean" => "correlation of the mean paddle with the end height",
        "consistency" => "consistency of errors (noise-corrected r)",
        "split_half_r" => "split-half r of error patterns",
        "consistency_between_subjects" => "consistency between subjects",
        "eye_to_ball_at_occlusion" => "distance of the eye from the ball at occlusion",
        "paddle_to_end_at_occlusion" => "distance of the paddle from the end at occlusion",
        "median_split_half_r" => "median split-half r of units",
        "n_reliable" => "reliable units (p < 0.01, r > 0)",
        "median_lower_ceiling" => "median lower ceiling of reliable units",
        "median_upper_ceiling" => "median upper ceiling of reliable units",
        "participation_ratio" => "participation ratio",
        "components_50" => "components for 50 % of the variance",
        "components_90" => "components for 90 % of the variance",
        "least_partial_r" => "lowest partial r given one other variable",
        "r_from_bounces" => "r, fitted on conditions with a bounce, tested on the others",
        "r_from_no_bounce" => "r, fitted on conditions without a bounce, tested on the others",
        "pvaf_full" => "share of held-out variance, full model",
        "pvaf_full_leaky" => {
            "share of variance, full model, single bins held out (leaky, as published)"
        }
        "pvaf_alone" => "share of held-out variance that goes with this alone",
        "pvaf_alone_leaky" => "the same, single bins held out (leaky, as published)",
        "accuracy" => "accuracy",
        "train_accuracy" => "training accuracy (no measure of the model)",
        "r_people" => "r with people",
        "mean_r_people" => "mean r with people over scenarios",
        "kappa" => "Cohen's κ with participants",
        "r_mean_prediction" => "r of the mean prediction",
        "mae_mean_prediction" => "mean |error| of the mean prediction",
        "difference_r" => "difference in r",
        "difference_mae" => "difference in mean |error|",
        "difference_r_xy_n_sb" => "difference in similarity or prediction (noise-corrected r)",
        "r2" => "R²",
        "partial_r2" => "partial R²",
        other => other,
    }
}

/// A kind of interval in words.
#[must_use]
pub fn interval(id: &str) -> &str {
    match id {
        "sd_over_splits" => "± SD over splits, which overlap: a spread, no standard error",
        "ci95_bca_conditions" => "95 % interval, bootstrap over conditions (BCa)",
        "ci95_bca_conditions_refitted" => {
            "95 % interval, bootstrap over conditions (BCa), widened for the noise of fitting the read-out again"
        }
        "ci95_conditions" => "95 % interval, bootstrap over conditions",
        "ci95_conditions_and_units" => "95 % interval, bootstrap over conditions and units",
        "ci95_jackknife_conditions" => "95 % interval, jackknife over conditions",
        "sem_over_conditions" => "± standard error over conditions",
        "percentiles_of_null" => "2.5th to 97.5th percentile of the shuffles",
        "ci95_clips" => "95 % interval, bootstrap over clips",
        "range95_participants" => "2.5th to 97.5th percentile over participants or pairs: a range",
        "ci95_rows" => "95 % interval, bootstrap over rows",
        other => other,
    }
}

/// A unit in words; empty for none.
#[must_use]
pub fn unit(id: &str) -> &str {
    match id {
        "1" | "" => "",
        "deg" => "degrees",
        "deg/bin" => "degrees per bin",
        "deg/ms" => "degrees per millisecond",
        other => other,
    }
}

/// A part of the trial in words; empty for none.
#[must_use]
pub fn epoch(id: &str) -> &str {
    match id {
        "all" => "whole trial",
        "visible" => "ball visible",
        "hidden" => "ball hidden",
        other => other,
    }
}

/// A score in words, without its row.
#[must_use]
pub fn number(s: &Score) -> String {
    let mut text = metric(&s.metric).to_owned();
    if !s.target.is_empty() {
        text.push_str(&format!(", {}", s.target));
    }
    if !s.against.is_empty() {
        text.push_str(&format!(", against {}", s.against));
    }
    if !s.epoch.is_empty() {
        text.push_str(&format!(", {}", epoch(&s.epoch)));
    }
    if !s.set.is_empty() {
        text.push_str(&format!(", on {}", s.set));
    }
    if !unit(&s.unit).is_empty() {
        text.push_str(&format!(" ({})", unit(&s.unit)));
    }
    text
}
