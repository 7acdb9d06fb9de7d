//! The recording by itself: how reliable it is, and in how many dimensions it lives.

use super::scene::Scene;
use super::scores::{Score, Section};
use super::{Out, digits};
use crate::card::RowKind;
use crate::error::Result;
use crate::report::plot::{Curve, Mark, curves, histogram};
use mental_pong_eval::dimensionality::{Spectrum, dimensionality};
use mental_pong_eval::predictivity::{Halves, IntervalOptions};
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, TrialType};
use mental_pong_eval::reliability::ceilings;

/// The r above which p < 0.01 at the published number of rows, 3502.
const PUBLISHED_THRESHOLD: f64 = 0.0434;
/// Components that are drawn.
const DRAWN_COMPONENTS: usize = 30;

/// Responses of a population with their halves in a mask, and the (condition, bin) of each row.
pub(super) fn halves(
    recording: &Recording,
    population: Population,
    mask: &str,
) -> Result<(Halves, Vec<(usize, usize)>)> {
    let trials = TrialType::Occ;
    let full = recording.responses(trials, population, Half::Full)?;
    let (first, second, ids) = recording.halves(trials, population)?;
    // A half may lack units: those are left out of the whole too.
    let full = match recording.unit_ids(trials, Half::Full) {
        Some(all) if population == Population::All && all != ids => {
            let places: Vec<usize> = ids
                .iter()
                .filter_map(|id| all.iter().position(|other| other == id))
                .collect();
            full.select(&places)?
        }
        _ => full,
    };
    Ok(Halves::from_responses(
        &full,
        &first,
        &second,
        recording.mask(trials, mask)?,
    )?)
}

/// Units that the maps and distances are about: the reliable ones where the file says which they are.
pub(super) fn units_of(recording: &Recording) -> Population {
    if recording.has(TrialType::Occ, Population::Reliable, Half::Full) {
        Population::Reliable
    } else {
        Population::All
    }
}

/// Split-half reliability of all units, ceilings of the reliable ones.
pub(super) fn reliability(scene: &Scene, recording: &Recording, out: &mut Out) -> Result<()> {
    let options = IntervalOptions {
        replicates: scene.config.resamples as u32,
        seed: scene.config.seed,
        ..IntervalOptions::default()
    };
    let (all, cells) = halves(recording, Population::All, "start_end_pad0")?;
    let conditions: Vec<usize> = cells.into_iter().map(|(c, _)| c).collect();
    let found = ceilings(&all, &conditions, &options)?;
    let reliable: Vec<usize> = (0..found.units.len())
        .filter(|&u| found.units[u].reliable)
        .collect();
    let interval = "95 % bootstrap over conditions and units";
    let count = |n: usize| format!("{n} units");
    let mut scores = vec![
        Score::new(
            scene.brain,
            RowKind::Published,
            "median split-half r, all units",
            "",
            found.median_r,
            count(found.units.len()),
        ),
        Score::new(
            scene.brain,
            RowKind::Published,
            "reliable units (p < 0.01, r > 0)",
            "units",
            found.n_reliable as f64,
            format!("of {}", found.units.len()),
        ),
    ];
    if !reliable.is_empty() {
        let kept = ceilings(&all.select_units(&reliable)?, &conditions, &options)?;
        let n = count(kept.units.len());
        let (low, high) = (kept.median_lower_interval, kept.median_upper_interval);
        scores.push(
            Score::new(
                scene.brain,
                RowKind::Published,
                "median lower ceiling, reliable units",
                "",
                kept.median_lower,
                n.clone(),
            )
            .between(low.low, low.high, interval),
        );
        scores.push(
            Score::new(
                scene.brain,
                RowKind::Published,
                "median upper ceiling, reliable units",
                "",
                kept.median_upper,
                n,
            )
            .between(high.low, high.high, interval),
        );
    }
    let rows: Vec<Vec<String>> = found
        .units
        .iter()
        .enumerate()
        .map(|(u, c)| {
            vec![
                u.to_string(),
                digits(c.r),
                digits(c.p),
                c.reliable.to_string(),
                digits(c.lower),
                digits(c.lower_interval.low),
                digits(c.lower_interval.high),
                digits(c.upper),
            ]
        })
        .collect();
    out.table(
        "reliability",
        &[
            "unit",
            "split_half_r",
            "p",
            "reliable",
            "ceiling_lower",
            "ceiling_lower_low",
            "ceiling_lower_high",
            "ceiling_upper",
        ],
        &rows,
    )?;
    let r: Vec<f64> = found.units.iter().map(|u| u.r).collect();
    out.figure(
        "reliability",
        "reliability",
        "Split-half reliability of units",
        "Pearson correlation of the two halves of a unit's trials over all bins of all conditions. Units right of the dashed line pass the published criterion at the published number of bins.",
        histogram(
            "Histogram of split-half reliability",
            "split-half r",
            &r,
            Some(&Mark {
                name: "published criterion".into(),
                value: PUBLISHED_THRESHOLD,
            }),
        ),
    );
    out.sections.push(Section {
        analysis: "reliability".into(),
        question: "How much of a unit's response would be there again on other trials? No model can explain more.".into(),
        method: format!(
            "Pearson r of the one stored pair of trial halves over {} bins of {} conditions; reliable: p < 0.01 and r > 0 (Rajalingham et al. 2025). Ceilings from r by Spearman-Brown: lower is the reliability of all trials, upper its square root, what a perfect model correlates with a noisy unit.",
            found.n_rows, found.n_conditions
        ),
        scores,
        warnings: vec!["Bins are not independent, so p is too small for what it says; it is the published criterion. One split of the trials is all there is.".into()],
    });
    Ok(())
}

/// Principal components of the reliable units, and of shuffled responses.
pub(super) fn dimensions(scene: &Scene, recording: &Recording, out: &mut Out) -> Result<()> {
    let population = units_of(recording);
    let responses = recording.responses(TrialType::Occ, population, Half::Full)?;
    let x = responses.rows(recording.mask(TrialType::Occ, "start_end_pad0")?)?;
    let found = dimensionality(&x, 1, scene.config.seed)?;
    let spectra: Vec<(&str, &Spectrum)> = std::iter::once((scene.brain, &found.data))
        .chain(found.shuffled.iter().map(|s| ("shuffled", s)))
        .collect();
    let mut scores = Vec::new();
    let mut rows = Vec::new();
    for (name, spectrum) in &spectra {
        let kind = if *name == scene.brain {
            RowKind::Published
        } else {
            RowKind::Control
        };
        let n = format!("{} units, {} bins", spectrum.n_units, spectrum.n_rows);
        scores.push(Score::new(
            name,
            kind,
            "participation ratio",
            "dimensions",
            spectrum.participation_ratio,
            n.clone(),
        ));
        for share in [0.5, 0.9] {
            if let Some(k) = spectrum.components_for(share) {
                scores.push(Score::new(
                    name,
                    kind,
                    &format!("components for {:.0} % of the variance", 100.0 * share),
                    "dimensions",
                    k as f64,
                    n.clone(),
                ));
            }
        }
        for (k, v) in spectrum.variance_ratio.iter().enumerate() {
            rows.push(vec![(*name).to_owned(), (k + 1).to_string(), digits(*v)]);
        }
    }
    out.table(
        "dimensionality",
        &["row", "component", "variance_ratio"],
        &rows,
    )?;
    let lines: Vec<Curve> = spectra
        .iter()
        .map(|(name, spectrum)| Curve {
            name: (*name).to_owned(),
            points: spectrum
                .variance_ratio
                .iter()
                .take(DRAWN_COMPONENTS)
                .enumerate()
                .map(|(k, &v)| ((k + 1) as f64, v, f64::NAN, f64::NAN))
                .collect(),
        })
        .collect();
    out.figure(
        "dimensionality",
        "dimensionality",
        "Variance of each principal component",
        "Share of the variance of the reliable units' responses, and of the same responses with all entries shuffled.",
        curves("Variance ratio of principal components", "component", "share of variance", &lines),
    );
    out.sections.push(Section {
        analysis: "dimensionality".into(),
        question: "In how many dimensions do the responses live?".into(),
        method: "Principal components of the bins of start_end × units, not scaled; participation ratio (Σλ)² / Σλ²; null: all entries of the matrix shuffled (Rajalingham et al. 2025, Fig. 3B).".into(),
        scores,
        warnings: Vec::new(),
    });
    Ok(())
}
