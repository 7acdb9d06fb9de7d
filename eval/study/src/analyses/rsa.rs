//! Similarity of representational geometry with the recording.

use std::borrow::Cow;

use mental_pong_game::task::SetCondition;
use mental_pong_game::task::geometry::DESIGN_HZ;

use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{RowKind, Score, interval};
use crate::cells;
use crate::error::Result;
use crate::report::plot::{Dot, Mark, dots};
use crate::scene::{Row, Scene, Source, in_layout, units_of};
use mental_pong_eval::array::Array2;
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, Responses, TrialType};
use mental_pong_eval::rsa::{PartScore, Rsa as Distances, RsaScore, StepAxis, System, warp_time};

/// Is the geometry like that of DMFC?
pub(crate) struct Rsa;

/// Parts of the trial that are shown, in the words of the file and of the card; all stand in the table.
const SHOWN: [(&str, &str); 3] = [
    ("occ_end", "hidden"),
    ("start_occ", "visible"),
    ("start_end", "all"),
];

impl Analysis for Rsa {
    fn id(&self) -> &'static str {
        "rsa"
    }
    fn chapter(&self) -> &'static str {
        "concepts/rsa"
    }

    fn title(&self) -> &'static str {
        "Is the geometry like that of DMFC?"
    }

    fn question(&self) -> &'static str {
        "Are states that are far apart in DMFC far apart in the model?"
    }

    fn does_not_show(&self) -> &'static str {
        "Alike distances do not say that the same thing is computed: whatever follows the ball's place is alike to some degree, which the oracle's row shows. The ceiling is what the other half of the recorded neurons reaches through the same path."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Recording, Need::Halves]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let Some(recording) = scene.recording else {
            return Ok(());
        };
        if let Some(id) = scene.never_hidden() {
            out.skip(format!(
                "not applicable: the ball of condition {id} is never hidden"
            ));
            return Ok(());
        }
        let steps = Steps::of(scene)?;
        let (full, what) = scene.recorded(recording, Half::Full)?;
        let (first, _) = scene.recorded(recording, Half::Sh1)?;
        let (second, _) = scene.recorded(recording, Half::Sh2)?;
        let [full, first, second] = [full, first, second].map(|of| steps.on_axis(of));
        let (full, first, second) = (full?, first?, second?);
        let ball = steps.on_axis(scene.ball())?;
        let brain = System::with_halves(scene.brain, &full, &first, &second);
        let rsa = Distances::new(&steps.axis, &brain, Some(&ball))?;
        let compared: Vec<&Row> = scene
            .rows
            .iter()
            .filter(|s| s.kind != RowKind::Published)
            .collect();
        let mut states = Vec::new();
        for row in &compared {
            states.push(steps.of_row(scene, row)?);
        }
        let systems: Vec<System<'_>> = compared
            .iter()
            .zip(&states)
            .map(|(row, states)| System::noiseless(&row.name, states))
            .collect();
        let found = rsa.compare(&systems)?;
        let ceiling = other_half(scene, recording, &steps)?;
        tabulate(scene, &steps, &compared, &found, ceiling.as_ref(), out);
        pictures(&compared, &found, ceiling.as_ref(), out);
        if found
            .iter()
            .flat_map(|s| &s.parts)
            .any(|p| p.raw.r_xy_n_sb > 1.0)
        {
            out.warnings.push(
                "A value is above 1: the ceiling was estimated too low. Nothing is clipped.".into(),
            );
        }
        out.method.push(format!(
            "Euclidean distances between all pairs of states (condition, bin) of {what}; correlation of the distances. r_xy_n is the text's Eq. 4, r_xy_n_sb, with Spearman-Brown, is what the published code reports, and the headline here. Axis: {}. Partial: distances between ball positions are taken out of both; the table also has what the published code calls partial, which is another quantity (Rajalingham et al. 2025, Fig. 4). A partial correlation of which the ball leaves nothing is empty.",
            steps.name
        ));
        out.method.push(match &ceiling {
            Some(c) => format!(
                "Ceiling: {} of the recorded neurons in the model's place, against {} of the other {} through the same path; averaged over both directions.",
                c.source, c.target, c.units
            ),
            None => "No ceiling: the recording has too few units for two halves of its neurons.".into(),
        });
        Ok(())
    }
}

/// The steps that states are compared on.
struct Steps {
    axis: StepAxis,
    /// Whether bins are warped onto the steps of the design law.
    warped: bool,
    name: String,
}

impl Steps {
    /// The published axis for conditions of a published set, else the bins of the study.
    fn of(scene: &Scene) -> Result<Self> {
        let starts = scene.set.conditions().iter().map(SetCondition::start);
        let starts: Option<Vec<_>> = starts.map(Option::<&_>::copied).collect();
        let published = scene.set.is_published() && scene.other_task.is_none();
        if let Some(starts) = starts.filter(|_| published) {
            return Ok(Self {
                axis: StepAxis::design(&starts)?,
                warped: true,
                name: "steps of 41 ms of the design law, onto which every system's bins are warped, as published; latents at these steps are taken as they are".into(),
            });
        }
        Ok(Self {
            axis: scene.steps()?,
            warped: false,
            name: format!(
                "bins of {} ms (the published comparison has steps of 41 ms)",
                scene.layout.bin_ms()
            ),
        })
    }

    /// `[condition][step, unit]` of a row: its own steps where they are those of the axis, else its bins.
    fn of_row<'a>(&self, scene: &'a Scene, row: &'a Row) -> Result<Cow<'a, [Array2]>> {
        if let (true, Source::Given(layer)) = (self.warped, &row.source)
            && let Some(own) = layer.at_steps(self.axis.steps(), 1000.0 / DESIGN_HZ)
        {
            return Ok(Cow::Owned(own));
        }
        self.on_axis(scene.features(row)?)
    }

    /// `[condition][step, unit]` of states `[condition][bin, unit]`.
    fn on_axis<'a>(&self, states: impl Into<Cow<'a, [Array2]>>) -> Result<Cow<'a, [Array2]>> {
        let states = states.into();
        if !self.warped {
            return Ok(states);
        }
        let warped = states.iter().zip(self.axis.steps());
        let warped = warped.map(|(of, &steps)| Ok(warp_time(of, steps)?));
        Ok(Cow::Owned(warped.collect::<Result<_>>()?))
    }
}

/// What the other half of the neurons reaches.
struct Ceiling {
    /// Part and value.
    parts: Vec<(String, f64)>,
    units: usize,
    source: String,
    target: String,
}

impl Ceiling {
    fn of(&self, part: &str) -> f64 {
        let found = self.parts.iter().find(|(name, _)| name == part);
        found.map_or(f64::NAN, |(_, value)| *value)
    }
}

/// Every other neuron against the rest, through the path that models take: one side through the recording's own reduction,
/// the other as features.
fn other_half(scene: &Scene, recording: &Recording, steps: &Steps) -> Result<Option<Ceiling>> {
    let units = units_of(recording);
    let halves = [Half::Full, Half::Sh1, Half::Sh2];
    if halves
        .iter()
        .any(|&half| !recording.has(TrialType::Occ, units, half))
    {
        return Ok(None);
    }
    let mut responses = Vec::new();
    for half in halves {
        // The halves may lack units: without the same ones there are no two sides.
        let found = recording.responses(TrialType::Occ, units, half)?;
        responses.push(found);
    }
    let n = responses[0].units();
    if n < 4 || responses.iter().any(|r| r.units() != n) {
        return Ok(None);
    }
    let reduced = matches!(
        scene.population_of(recording, Half::Full),
        Population::Factors(_)
    );
    let side = |odd: usize| -> Vec<usize> { (0..n).filter(|u| u % 2 == odd).collect() };
    let mut sums: Vec<(String, f64, usize)> = Vec::new();
    let mut factors = 0;
    for odd in [0, 1] {
        scene.stop_if_asked()?;
        let mut target = Vec::new();
        for r in &responses {
            let mine = r.select(&side(odd))?;
            let (kept, k) = through(scene, recording, mine, reduced)?;
            factors = k;
            target.push(steps.on_axis(in_layout(&scene.layout, &kept))?);
        }
        let theirs = responses[0].select(&side(1 - odd))?;
        let theirs = steps.on_axis(in_layout(&scene.layout, &theirs))?;
        let brain = System::with_halves("half of the neurons", &target[0], &target[1], &target[2]);
        let found = Distances::new(&steps.axis, &brain, None)?
            .compare(&[System::noiseless("other half", &theirs)])?;
        for part in found.iter().flat_map(|s| &s.parts) {
            let value = part.raw.r_xy_n_sb;
            match sums.iter_mut().find(|(name, ..)| *name == part.part) {
                Some(sum) => (sum.1, sum.2) = (sum.1 + value, sum.2 + 1),
                None => sums.push((part.part.clone(), value, 1)),
            }
        }
    }
    Ok(Some(Ceiling {
        parts: sums
            .into_iter()
            .map(|(name, sum, n)| (name, sum / n as f64))
            .collect(),
        units: n / 2,
        source: format!("{} units", n - n / 2),
        target: if factors > 0 {
            format!("{factors} factors (fitted here)")
        } else {
            "the units".into()
        },
    }))
}

/// Responses through the reduction that the recording goes through, and how many factors that were; 0 for none.
fn through(
    scene: &Scene,
    recording: &Recording,
    responses: Responses,
    reduced: bool,
) -> Result<(Responses, usize)> {
    if !reduced {
        return Ok((responses, 0));
    }
    let k = scene
        .config
        .factors
        .min(responses.units().saturating_sub(1));
    match recording.factors_of(TrialType::Occ, &responses, k)? {
        Some(factors) => Ok((factors, k)),
        None => Ok((responses, 0)),
    }
}

fn tabulate(
    scene: &Scene,
    steps: &Steps,
    compared: &[&Row],
    found: &[RsaScore],
    ceiling: Option<&Ceiling>,
    out: &mut Out,
) {
    let mut table = Table::new(
        "rsa",
        &[
            "row",
            "part",
            "r_xy",
            "r_xx",
            "r_xy_n",
            "r_xy_n_sb",
            "r_xy_n_sb_se",
            "partial_r_xy_n_sb",
            "partial_as_published_r_xy_n_sb",
            "ceiling_r_xy_n_sb",
            "n_states",
            "n_pairs",
            "n_pairs_missing",
            "axis",
        ],
    );
    for (row, score) in compared.iter().zip(found) {
        for part in &score.parts {
            let most = ceiling.map_or(f64::NAN, |c| c.of(&part.part));
            let empty = f64::NAN;
            table.push(cells![
                &row.name,
                &part.part,
                part.raw.r_xy,
                part.raw.r_xx,
                part.raw.r_xy_n,
                part.raw.r_xy_n_sb,
                part.raw_se.r_xy_n_sb,
                part.partial.map_or(empty, |p| p.r_xy_n_sb),
                part.partial_as_published.map_or(empty, |p| p.r_xy_n_sb),
                most,
                part.n_states,
                part.n_pairs as usize,
                part.n_pairs_missing as usize,
                &steps.name,
            ]);
            if let Some((_, epoch)) = SHOWN.iter().find(|(name, _)| *name == part.part) {
                scores(scene, steps, row, part, (epoch, most), out);
            }
        }
    }
    out.tables.push(table);
}

fn scores(
    scene: &Scene,
    steps: &Steps,
    row: &Row,
    part: &PartScore,
    (epoch, ceiling): (&str, f64),
    out: &mut Out,
) {
    let score = |metric: &str, value| {
        Score::of(&row.name, row.kind, metric, value)
            .during(epoch)
            .target(scene.brain)
            .conditions(scene.n_conditions())
            .bins(part.n_states)
            .noting(steps.name.clone())
    };
    let spread = |v: f64, se: f64| (v - 1.96 * se, v + 1.96 * se);
    let (low, high) = spread(part.raw.r_xy_n_sb, part.raw_se.r_xy_n_sb);
    out.scores.push(
        score("r_xy_n_sb", part.raw.r_xy_n_sb)
            .between(low, high, interval::JACKKNIFE)
            .below(ceiling),
    );
    out.scores.push(score("r_xy_n", part.raw.r_xy_n));
    if let (Some(partial), Some(se)) = (part.partial, part.partial_se) {
        let (low, high) = spread(partial.r_xy_n_sb, se.r_xy_n_sb);
        let score = score("partial_r_xy_n_sb", partial.r_xy_n_sb);
        out.scores.push(if partial.r_xy_n_sb.is_finite() {
            score.between(low, high, interval::JACKKNIFE)
        } else {
            score.noting("undefined: the ball's place leaves nothing of the row's distances")
        });
    }
}

fn pictures(compared: &[&Row], found: &[RsaScore], ceiling: Option<&Ceiling>, out: &mut Out) {
    for (part, words) in [("occ_end", "ball hidden"), ("start_end", "whole trial")] {
        let rows: Vec<Dot> = compared
            .iter()
            .zip(found)
            .filter_map(|(row, score)| {
                let p = score.part(part)?;
                let spread = 1.96 * p.raw_se.r_xy_n_sb;
                Some(Dot {
                    group: row.kind.heading().into(),
                    name: row.name.clone(),
                    value: p.raw.r_xy_n_sb,
                    interval: Some((p.raw.r_xy_n_sb - spread, p.raw.r_xy_n_sb + spread)),
                    filled: row.kind == RowKind::Model,
                })
            })
            .collect();
        let mark = ceiling.map(|c| Mark {
            name: "ceiling: the other half of the neurons".into(),
            value: c.of(part),
        });
        out.figure(
            &format!("rsa_{part}"),
            "rsa",
            &format!("Geometry alike, {words}"),
            "Correlation of distances between states with those of DMFC, corrected for the noise of the recording (r_xy_n_sb); bars: 95 % jackknife over conditions. Dashed: what the other half of the recorded neurons reaches through the same path.",
            dots(
                &format!("Noise-corrected similarity of geometry with DMFC, {words}"),
                "similarity with DMFC (noise-corrected r)",
                &rows,
                mark.as_slice(),
            ),
        );
    }
}
