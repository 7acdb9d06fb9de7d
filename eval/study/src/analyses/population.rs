//! The recording by itself: how reliable it is, and in how many dimensions it lives.

use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{RowKind, Score, interval};
use crate::cells;
use crate::error::Result;
use crate::report::plot::{Curve, Mark, curves, histogram};
use crate::scene::{Scene, units_of};
use mental_pong_eval::dimensionality::{Spectrum, dimensionality};
use mental_pong_eval::predictivity::{Halves, IntervalOptions};
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, TrialType};
use mental_pong_eval::reliability::{Ceilings, ceilings};

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

/// How reliable are the recordings?
pub(crate) struct Reliability;

impl Analysis for Reliability {
    fn id(&self) -> &'static str {
        "reliability"
    }
    fn chapter(&self) -> &'static str {
        "concepts/predictivity"
    }

    fn title(&self) -> &'static str {
        "How reliable the recordings are"
    }

    fn question(&self) -> &'static str {
        "How much of a unit's response would be there again on other trials? No model can explain more."
    }

    fn does_not_show(&self) -> &'static str {
        "One split of the trials is all there is: what a unit repeats from half to half may be the task, the eyes or the hand as well as the ball."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Recording, Need::Halves]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let Some(recording) = scene.recording else {
            return Ok(());
        };
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
        let score = |metric: &str, value, n: usize| {
            Score::of(scene.brain, RowKind::Published, metric, value)
                .during("all")
                .conditions(found.n_conditions)
                .bins(found.n_rows)
                .noting(format!("{n} units"))
        };
        out.scores.push(score(
            "median_split_half_r",
            found.median_r,
            found.units.len(),
        ));
        out.scores.push(
            score("n_reliable", found.n_reliable as f64, found.units.len())
                .unit("units")
                .noting("p takes bins as independent, which they are not: too small, as published"),
        );
        if !reliable.is_empty() {
            let kept = ceilings(&all.select_units(&reliable)?, &conditions, &options)?;
            let n = kept.units.len();
            for (metric, value, i) in [
                (
                    "median_lower_ceiling",
                    kept.median_lower,
                    kept.median_lower_interval,
                ),
                (
                    "median_upper_ceiling",
                    kept.median_upper,
                    kept.median_upper_interval,
                ),
            ] {
                out.scores
                    .push(score(metric, value, n).between(i.low, i.high, interval::UNITS));
            }
        }
        out.tables.push(units_table(&found));
        let r: Vec<f64> = found.units.iter().map(|u| u.r).collect();
        out.figure(
            "reliability",
            "reliability",
            "Split-half reliability of units",
            "Pearson correlation of the two halves of a unit's trials over all bins of all conditions. Units right of the dashed line pass the published criterion at the published number of bins (r > 0.0434 at 3502 bins).",
            histogram(
                "Histogram of split-half reliability",
                "split-half correlation (Pearson r)",
                &r,
                Some(&Mark {
                    name: "published criterion".into(),
                    value: PUBLISHED_THRESHOLD,
                }),
            ),
        );
        out.method.push(format!(
            "Pearson r of the one stored pair of trial halves over {} bins of {} conditions; reliable: p < 0.01 and r > 0 (Rajalingham et al. 2025). Ceilings from r by Spearman-Brown: lower is the reliability of all trials, upper its square root, what a perfect model correlates with a noisy unit.",
            found.n_rows, found.n_conditions
        ));
        out.warnings.push("Bins are not independent, so p is too small for what it says; it is the published criterion.".into());
        Ok(())
    }
}

fn units_table(found: &Ceilings) -> Table {
    let mut table = Table::new(
        "reliability",
        &[
            "unit",
            "split_half_r",
            "p_bins_as_independent",
            "reliable",
            "ceiling_lower",
            "ceiling_lower_low",
            "ceiling_lower_high",
            "ceiling_upper",
        ],
    );
    for (u, c) in found.units.iter().enumerate() {
        table.push(cells![
            u,
            c.r,
            c.p,
            c.reliable,
            c.lower,
            c.lower_interval.low,
            c.lower_interval.high,
            c.upper,
        ]);
    }
    table
}

/// In how many dimensions do the responses live?
pub(crate) struct Dimensionality;

impl Analysis for Dimensionality {
    fn id(&self) -> &'static str {
        "dimensionality"
    }
    fn chapter(&self) -> &'static str {
        "concepts/decoding"
    }

    fn title(&self) -> &'static str {
        "How many dimensions they have"
    }

    fn question(&self) -> &'static str {
        "In how many dimensions do the responses live?"
    }

    fn does_not_show(&self) -> &'static str {
        "The number depends on trials, units and noise: it compares recordings only where these are alike."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Recording]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let Some(recording) = scene.recording else {
            return Ok(());
        };
        let population = units_of(recording);
        let responses = recording.responses(TrialType::Occ, population, Half::Full)?;
        let x = responses.rows(recording.mask(TrialType::Occ, "start_end_pad0")?)?;
        let found = dimensionality(&x, 1, scene.config.seed)?;
        let spectra: Vec<(&str, &Spectrum)> = std::iter::once((scene.brain, &found.data))
            .chain(found.shuffled.iter().map(|s| ("shuffled", s)))
            .collect();
        let mut table = Table::new("dimensionality", &["row", "component", "variance_ratio"]);
        for (name, spectrum) in &spectra {
            let kind = if *name == scene.brain {
                RowKind::Published
            } else {
                RowKind::Control
            };
            let score = |metric: &str, value| {
                Score::of(name, kind, metric, value)
                    .during("all")
                    .unit("dimensions")
                    .bins(spectrum.n_rows)
                    .noting(format!("{} units", spectrum.n_units))
            };
            out.scores
                .push(score("participation_ratio", spectrum.participation_ratio));
            for (metric, share) in [("components_50", 0.5), ("components_90", 0.9)] {
                if let Some(k) = spectrum.components_for(share) {
                    out.scores.push(score(metric, k as f64));
                }
            }
            for (k, v) in spectrum.variance_ratio.iter().enumerate() {
                table.push(cells![*name, k + 1, *v]);
            }
        }
        out.tables.push(table);
        let lines: Vec<Curve> = spectra
            .iter()
            .map(|(name, spectrum)| Curve {
                name: (*name).to_owned(),
                null: *name != scene.brain,
                points: spectrum
                    .variance_ratio
                    .iter()
                    .take(DRAWN_COMPONENTS)
                    .enumerate()
                    .map(|(k, &v)| ((k + 1) as f64, v, f64::NAN, f64::NAN))
                    .collect(),
            })
            .collect();
        let of = match population {
            Population::Reliable => "the reliable units",
            _ => "all units",
        };
        out.figure(
            "dimensionality",
            "dimensionality",
            "Variance of each principal component",
            format!("Share of the variance of the responses of {of} (colour), and of the same responses with all entries shuffled (grey)."),
            curves("Variance ratio of principal components", "component", "share of variance", &lines),
        );
        out.method.push(format!("Principal components of the bins of motion × {of}, not scaled; participation ratio (Σλ)² / Σλ²; null: all entries of the matrix shuffled (Rajalingham et al. 2025, Fig. 3B)."));
        Ok(())
    }
}
