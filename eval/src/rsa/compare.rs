//! The comparison: one pass over all pairs of states.

use mental_pong_base::simd::dispatch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::consistency::{Consistency, partial, partial_as_published};
use super::distances::{Metric, Panel, Prepared};
use super::{StepAxis, warp_time};
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::dense::{dot, sum};
use crate::stats;

/// States of the columns of one panel; the work of a panel stays in a core's cache.
const PANEL_STATES: usize = 256;

/// Systems that share one pass over the reference's distances.
const SYSTEMS_PER_PASS: usize = 16;

/// Distances of a sub-block are kept in rows of this many, so that sums run in lanes.
const LANES: usize = 8;

/// The states of one system, `[condition][step, unit]`.
#[derive(Debug, Clone, Copy)]
pub struct System<'a> {
    /// Name, for results and errors.
    pub name: &'a str,
    /// All trials.
    pub full: &'a [Array2],
    /// Two halves of the trials. `None` for a system without noise, which is its own half. A half may have other units than
    /// the whole (factors of each half are fitted by themselves): only distances are compared.
    pub halves: Option<(&'a [Array2], &'a [Array2])>,
}

impl<'a> System<'a> {
    /// A system that always answers the same, such as a network.
    #[must_use]
    pub fn noiseless(name: &'a str, states: &'a [Array2]) -> Self {
        Self {
            name,
            full: states,
            halves: None,
        }
    }

    /// A system whose trials were split in two halves.
    #[must_use]
    pub fn with_halves(
        name: &'a str,
        full: &'a [Array2],
        half1: &'a [Array2],
        half2: &'a [Array2],
    ) -> Self {
        Self {
            name,
            full,
            halves: Some((half1, half2)),
        }
    }
}

/// How a system compares with the reference over one part of the trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartScore {
    /// Name of the part.
    pub part: String,
    /// States pooled over conditions and steps.
    pub n_states: usize,
    /// Pairs of states, each once, without a state and itself.
    pub n_pairs: u64,
    /// Pairs of these that were left out because a distance is not defined: two states without a common unit.
    pub n_pairs_missing: u64,
    /// Correlation of distances.
    pub raw: Consistency,
    /// The textbook partial correlation: distances between ball positions are taken out of both systems' distances. `None`
    /// without ball positions.
    pub partial: Option<Consistency>,
    /// What the published code calls partial: it correlates what is left of the *ball's* distances when X, and when Y, is
    /// regressed out of them. Kept for comparison with published numbers; it does not measure what it says.
    pub partial_as_published: Option<Consistency>,
    /// Standard error of each number of `raw` over conditions: jackknife, leaving out all pairs with one condition.
    pub raw_se: Consistency,
    /// Standard error of each number of `partial`.
    pub partial_se: Option<Consistency>,
    /// `[condition]`, `r_xy_n_sb` of `raw` without that condition. Two systems can be compared condition by condition.
    #[serde(with = "crate::behavior::nan_list")]
    pub leave_one_out: Vec<f64>,
}

/// How one system compares with the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RsaScore {
    /// Name of the system.
    pub system: String,
    /// One score for each part of the axis, in its order.
    pub parts: Vec<PartScore>,
}

impl RsaScore {
    /// The score of one part by name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&PartScore> {
        self.parts.iter().find(|p| p.part == name)
    }
}

/// A run of steps of one condition that belong to the same parts.
#[derive(Debug, Clone, Copy)]
struct Segment {
    start: usize,
    end: usize,
    signature: u32,
}

/// The reference system (neurons), ready to be compared with many others.
#[derive(Debug, Clone)]
pub struct Rsa<'a> {
    axis: &'a StepAxis,
    metric: Metric,
    /// Full, half 1, half 2 (equal to full where the reference has no halves), then the ball.
    fixed: Vec<Set>,
    has_halves: bool,
    has_ball: bool,
    /// `[condition]`.
    segments: Vec<Vec<Segment>>,
    /// `[state]`, (condition, step) of the states in use.
    cells: Vec<(usize, usize)>,
}

#[derive(Debug, Clone)]
struct Set {
    states: Prepared,
    pivot: f64,
}

/// One system's sets: the whole, or the whole and its halves.
#[derive(Debug)]
struct Group<'a> {
    system: &'a System<'a>,
    sets: Vec<Set>,
    may_miss: bool,
}

/// Where sub-block sums stand: `[n, missing, fixed sums, fixed products, then for each group: sums, products, cross products]`.
struct Layout {
    fixed: usize,
    groups: Vec<usize>,
}

impl Layout {
    fn triangle(n: usize) -> usize {
        n * (n + 1) / 2
    }

    fn group_start(&self, group: usize) -> usize {
        let before: usize = self.groups[..group]
            .iter()
            .map(|&g| self.group_len(g))
            .sum();
        2 + self.fixed + Self::triangle(self.fixed) + before
    }

    fn group_len(&self, sets: usize) -> usize {
        sets + Self::triangle(sets) + sets * self.fixed
    }

    fn len(&self) -> usize {
        self.group_start(self.groups.len())
    }
}

/// Sums of one pass: `[part][sum]` in all, and `[part][condition][sum]` of the pairs with that condition.
struct Sums {
    total: Vec<Vec<f64>>,
    by_condition: Vec<Vec<Vec<f64>>>,
}

impl Sums {
    fn new(parts: usize, conditions: usize, len: usize) -> Self {
        Self {
            total: vec![vec![0.0; len]; parts],
            by_condition: vec![vec![vec![0.0; len]; conditions]; parts],
        }
    }

    fn add(&mut self, other: &Self) {
        for (a, b) in self.total.iter_mut().zip(&other.total) {
            add(a, b);
        }
        for (a, b) in self
            .by_condition
            .iter_mut()
            .flatten()
            .zip(other.by_condition.iter().flatten())
        {
            add(a, b);
        }
    }
}

fn add(into: &mut [f64], values: &[f64]) {
    for (a, b) in into.iter_mut().zip(values) {
        *a += b;
    }
}

/// A rectangle of pairs, its distances contiguous and padded with zeros to whole lanes.
#[derive(Debug, Clone)]
struct Block {
    other: usize,
    rows: Segment,
    cols: Segment,
    /// The two segments are one: pairs above the diagonal only.
    triangle: bool,
    offset: usize,
    len: usize,
}

impl<'a> Rsa<'a> {
    /// A reference on the steps of `axis`, with Euclidean distances. States with another number of rows than the axis has
    /// steps are warped in time ([`warp_time`]). `ball` is `[condition][bin or step, (x, y)]`, the displayed ball as
    /// published (`ball_pos_x_TRUE`, `ball_pos_y_TRUE`), for the partial correlations.
    ///
    /// Missing units (NaN) are left out of a distance, see [`Metric::Euclidean`]; a pair whose distance is not defined in one
    /// set is left out of all and counted.
    ///
    /// [`Error::Shape`] if conditions or units do not agree, [`Error::NotFinite`] for infinity.
    pub fn new(
        axis: &'a StepAxis,
        reference: &System<'_>,
        ball: Option<&[Array2]>,
    ) -> Result<Self> {
        Self::with_metric(axis, reference, ball, Metric::Euclidean)
    }

    /// [`Rsa::new`] with another distance between states; the ball's are always Euclidean.
    pub fn with_metric(
        axis: &'a StepAxis,
        reference: &System<'_>,
        ball: Option<&[Array2]>,
        metric: Metric,
    ) -> Result<Self> {
        let (segments, cells) = segments(axis);
        let mut rsa = Self {
            axis,
            metric,
            fixed: Vec::new(),
            has_halves: reference.halves.is_some(),
            has_ball: ball.is_some(),
            segments,
            cells,
        };
        let name = reference.name;
        rsa.fixed.push(rsa.set(name, reference.full, metric, true)?);
        if let Some((half1, half2)) = reference.halves {
            rsa.fixed
                .push(rsa.set(&format!("{name}, half 1"), half1, metric, true)?);
            rsa.fixed
                .push(rsa.set(&format!("{name}, half 2"), half2, metric, true)?);
        }
        if let Some(ball) = ball {
            rsa.fixed
                .push(rsa.set("ball positions", ball, Metric::Euclidean, true)?);
        }
        Ok(rsa)
    }

    /// Scores of each system, in order. Systems have to be on the steps of the axis already.
    ///
    /// All systems share the reference's distances. The result does not depend on the number of threads, nor on which other
    /// systems are there.
    ///
    /// [`Error::Shape`] and [`Error::NotFinite`] as [`Rsa::new`].
    pub fn compare(&self, systems: &[System<'_>]) -> Result<Vec<RsaScore>> {
        crate::linear::use_one_thread_per_factorisation();
        let mut scores = Vec::with_capacity(systems.len());
        let mut at = 0;
        while at < systems.len() {
            let mut groups: Vec<Group<'_>> = Vec::new();
            while at < systems.len() && groups.len() < SYSTEMS_PER_PASS {
                let group = self.group(&systems[at])?;
                // Missing pairs of one system must not be missing in another: it goes alone.
                if group.may_miss && !groups.is_empty() {
                    break;
                }
                let alone = group.may_miss;
                groups.push(group);
                at += 1;
                if alone {
                    break;
                }
            }
            scores.extend(self.pass(&groups));
        }
        Ok(scores)
    }

    fn group<'s>(&self, system: &'s System<'s>) -> Result<Group<'s>> {
        let name = system.name;
        let mut sets = vec![self.set(name, system.full, self.metric, false)?];
        if let Some((half1, half2)) = system.halves {
            sets.push(self.set(&format!("{name}, half 1"), half1, self.metric, false)?);
            sets.push(self.set(&format!("{name}, half 2"), half2, self.metric, false)?);
        }
        Ok(Group {
            system,
            may_miss: sets.iter().any(|s| s.states.may_miss()),
            sets,
        })
    }

    fn set(&self, what: &str, conditions: &[Array2], metric: Metric, warp: bool) -> Result<Set> {
        let steps = self.axis.steps();
        if conditions.len() != steps.len() {
            return Err(Error::shape(
                what,
                format!("{} conditions", steps.len()),
                format!("{} conditions", conditions.len()),
            ));
        }
        let units = conditions.first().map_or(0, Array2::cols);
        let mut warped = Vec::new();
        for (c, (states, &n)) in conditions.iter().zip(steps).enumerate() {
            if states.cols() != units || (!warp && states.rows() != n) {
                return Err(Error::shape(
                    format!("{what}, condition {c}"),
                    format!("{n} steps, {units} units"),
                    format!("{} steps, {} units", states.rows(), states.cols()),
                ));
            }
            // Interpolation would turn infinity into a missing value.
            if let Some(index) = states.as_slice().iter().position(|v| v.is_infinite()) {
                return Err(Error::NotFinite {
                    what: format!("{what}, condition {c}"),
                    index,
                    value: states.as_slice()[index],
                });
            }
            if warp {
                warped.push(warp_time(states, n)?);
            }
        }
        let source = if warp { &warped } else { conditions };
        let rows: Vec<&[f64]> = self.cells.iter().map(|&(c, s)| source[c].row(s)).collect();
        let states = Prepared::new(what, &rows, metric)?;
        Ok(Set {
            pivot: states.typical(),
            states,
        })
    }

    fn pass(&self, groups: &[Group<'_>]) -> Vec<RsaScore> {
        let layout = Layout {
            fixed: self.fixed.len(),
            groups: groups.iter().map(|g| g.sets.len()).collect(),
        };
        let (parts, conditions) = (self.axis.parts().len(), self.segments.len());
        // Each first condition gives its own sums; they are added in order, whatever the threads did.
        let by_first: Vec<Sums> = (0..conditions)
            .into_par_iter()
            .map(|c| self.pairs_from(c, groups, &layout))
            .collect();
        let mut sums = Sums::new(parts, conditions, layout.len());
        for each in &by_first {
            sums.add(each);
        }
        groups
            .iter()
            .enumerate()
            .map(|(g, group)| self.score(g, group, &layout, &sums))
            .collect()
    }

    /// Sums over pairs of states of condition `first` with those of it and of the conditions after it.
    fn pairs_from(&self, first: usize, groups: &[Group<'_>], layout: &Layout) -> Sums {
        let mut sums = Sums::new(self.axis.parts().len(), self.segments.len(), layout.len());
        let Some(rows) = extent(&self.segments[first]) else {
            return sums;
        };
        let mut work = Work::default();
        let mut next = first;
        while next < self.segments.len() {
            let begin = next;
            let mut cols = 0..0;
            while next < self.segments.len() && (next == begin || cols.len() < PANEL_STATES) {
                if let Some(extent) = extent(&self.segments[next]) {
                    cols = if cols.is_empty() {
                        extent
                    } else {
                        cols.start..extent.end
                    };
                }
                next += 1;
            }
            if cols.is_empty() {
                continue;
            }
            work.lay_out(&self.segments, first, begin..next);
            self.panel(&rows, &cols, groups, layout, &mut work);
            for (block, values) in work.blocks.iter().zip(work.sums.chunks_exact(layout.len())) {
                let both = block.rows.signature & block.cols.signature;
                for part in (0..self.axis.parts().len()).filter(|p| both & (1 << p) != 0) {
                    add(&mut sums.total[part], values);
                    add(&mut sums.by_condition[part][first], values);
                    if block.other != first {
                        add(&mut sums.by_condition[part][block.other], values);
                    }
                }
            }
        }
        sums
    }

    fn panel(
        &self,
        rows: &std::ops::Range<usize>,
        cols: &std::ops::Range<usize>,
        groups: &[Group<'_>],
        layout: &Layout,
        work: &mut Work,
    ) {
        let size = work.size;
        let len = layout.len();
        work.sums.clear();
        work.sums.resize(work.blocks.len() * len, 0.0);
        work.fixed.resize_with(self.fixed.len(), Vec::new);
        let origin = (rows.start, cols.start);
        for (set, buffer) in self.fixed.iter().zip(&mut work.fixed) {
            let panel = set.states.panel(rows.clone(), cols.clone());
            fill(set, &panel, origin, &work.blocks, size, buffer);
        }
        let alone = groups.len() == 1 && groups[0].may_miss;
        if alone {
            fill_group(&groups[0], rows, cols, &work.blocks, size, &mut work.own);
        }
        let mut missing: Vec<usize> = Vec::new();
        if alone || self.fixed.iter().any(|s| s.states.may_miss()) {
            let mut all: Vec<&mut Vec<f64>> = work.fixed.iter_mut().collect();
            if alone {
                all.extend(work.own.iter_mut());
            }
            missing = (0..size)
                .filter(|&at| all.iter().any(|b| b[at].is_nan()))
                .collect();
            for buffer in all {
                clear(buffer, &missing);
            }
        }
        for (block, out) in work.blocks.iter().zip(work.sums.chunks_exact_mut(len)) {
            let range = block.offset..block.offset + block.len.next_multiple_of(LANES);
            let gone = missing.partition_point(|&at| at < range.end)
                - missing.partition_point(|&at| at < range.start);
            out[0] = (block.len - gone) as f64;
            out[1] = gone as f64;
            let sets: Vec<&[f64]> = work.fixed.iter().map(|b| &b[range.clone()]).collect();
            dispatch(
                #[inline(always)]
                || sums_and_products(&sets, &mut out[2..]),
            );
        }
        for (g, group) in groups.iter().enumerate() {
            if !alone {
                fill_group(group, rows, cols, &work.blocks, size, &mut work.own);
                for buffer in &mut work.own {
                    clear(buffer, &missing);
                }
            }
            let start = layout.group_start(g);
            for (block, out) in work.blocks.iter().zip(work.sums.chunks_exact_mut(len)) {
                let range = block.offset..block.offset + block.len.next_multiple_of(LANES);
                let sets: Vec<&[f64]> = work.own.iter().map(|b| &b[range.clone()]).collect();
                dispatch(
                    #[inline(always)]
                    || {
                        let mut at = start + sums_and_products(&sets, &mut out[start..]);
                        for set in &sets {
                            for fixed in &work.fixed {
                                out[at] = dot(set, &fixed[range.clone()]);
                                at += 1;
                            }
                        }
                    },
                );
            }
        }
    }

    fn score(&self, g: usize, group: &Group<'_>, layout: &Layout, sums: &Sums) -> RsaScore {
        let parts = self
            .axis
            .parts()
            .iter()
            .enumerate()
            .map(|(p, part)| {
                let total = &sums.total[p];
                let scores = |s: &[f64]| self.consistencies(s, g, group, layout);
                let [raw, textbook, published] = scores(total);
                let without: Vec<[Option<Consistency>; 3]> = sums.by_condition[p]
                    .iter()
                    .map(|mine| {
                        let rest: Vec<f64> = total.iter().zip(mine).map(|(t, m)| t - m).collect();
                        scores(&rest)
                    })
                    .collect();
                let se = |which: usize| {
                    let all: Vec<Consistency> = without.iter().filter_map(|w| w[which]).collect();
                    jackknife_se(&all)
                };
                let nothing = Consistency::from_numbers([f64::NAN; 5]);
                PartScore {
                    part: part.name.clone(),
                    n_states: part.count(),
                    n_pairs: total[0] as u64,
                    n_pairs_missing: total[1] as u64,
                    raw: raw.unwrap_or(nothing),
                    partial: textbook,
                    partial_as_published: published,
                    raw_se: se(0),
                    partial_se: textbook.is_some().then(|| se(1)),
                    leave_one_out: without
                        .iter()
                        .map(|w| w[0].map_or(f64::NAN, |c| c.r_xy_n_sb))
                        .collect(),
                }
            })
            .collect();
        RsaScore {
            system: group.system.name.to_owned(),
            parts,
        }
    }

    /// Raw, textbook partial, published partial, from sums of distances less their pivots.
    fn consistencies(
        &self,
        sums: &[f64],
        g: usize,
        group: &Group<'_>,
        layout: &Layout,
    ) -> [Option<Consistency>; 3] {
        let n = sums[0];
        let fixed = layout.fixed;
        let own = layout.group_start(g);
        let sets = group.sets.len();
        let products = 2 + fixed;
        let own_products = own + sets;
        let cross = own_products + Layout::triangle(sets);
        // Sets: fixed 0.., own fixed...
        let sum = |a: usize| {
            if a < fixed {
                sums[2 + a]
            } else {
                sums[own + a - fixed]
            }
        };
        let product = |a: usize, b: usize| {
            let (a, b) = (a.min(b), a.max(b));
            if b < fixed {
                sums[products + Layout::triangle(b) + a]
            } else if a >= fixed {
                sums[own_products + Layout::triangle(b - fixed) + a - fixed]
            } else {
                sums[cross + (b - fixed) * fixed + a]
            }
        };
        let co = |a: usize, b: usize| product(a, b) - sum(a) * sum(b) / n;
        let r = |a: usize, b: usize| {
            if a == b {
                return 1.0;
            }
            let (aa, bb) = (co(a, a), co(b, b));
            let flat = |set: usize, spread: f64| {
                let pivot = self.pivot(set, group);
                // Spread that is rounding only, as in `stats::pearson`.
                spread.is_nan() || spread <= 1e-26 * (product(set, set) + n * pivot * pivot)
            };
            if n < 2.0 || flat(a, aa) || flat(b, bb) {
                return f64::NAN;
            }
            (co(a, b) / aa.sqrt() / bb.sqrt()).clamp(-1.0, 1.0)
        };
        let (x1, x2) = if self.has_halves { (1, 2) } else { (0, 0) };
        let y = fixed;
        let (y1, y2) = if sets == 3 { (y + 1, y + 2) } else { (y, y) };
        let of = |f: &dyn Fn(usize, usize) -> f64| {
            Consistency::from_correlations(f(x1, x2), f(y1, y2), f(0, y), [f(x2, y1), f(x1, y2)])
        };
        let z = fixed - 1;
        let with_ball = |f: fn(f64, f64, f64) -> f64| {
            self.has_ball.then(|| {
                of(&|a, b| {
                    if a == b {
                        1.0
                    } else {
                        f(r(a, b), r(a, z), r(b, z))
                    }
                })
            })
        };
        [
            Some(of(&r)),
            with_ball(partial),
            with_ball(partial_as_published),
        ]
    }

    fn pivot(&self, set: usize, group: &Group<'_>) -> f64 {
        self.fixed
            .iter()
            .chain(&group.sets)
            .nth(set)
            .map_or(0.0, |s| s.pivot)
    }
}

/// Buffers that are used again for each panel.
#[derive(Default)]
struct Work {
    blocks: Vec<Block>,
    size: usize,
    fixed: Vec<Vec<f64>>,
    own: Vec<Vec<f64>>,
    sums: Vec<f64>,
}

impl Work {
    fn lay_out(&mut self, segments: &[Vec<Segment>], first: usize, others: std::ops::Range<usize>) {
        self.blocks.clear();
        let mut offset = 0;
        for other in others {
            for (a, &rows) in segments[first].iter().enumerate() {
                for (b, &cols) in segments[other].iter().enumerate() {
                    if (other == first && b < a) || rows.signature & cols.signature == 0 {
                        continue;
                    }
                    let triangle = other == first && a == b;
                    let (m, n) = (rows.end - rows.start, cols.end - cols.start);
                    let len = if triangle { n * (n - 1) / 2 } else { m * n };
                    self.blocks.push(Block {
                        other,
                        rows,
                        cols,
                        triangle,
                        offset,
                        len,
                    });
                    offset += len.next_multiple_of(LANES);
                }
            }
        }
        self.size = offset;
    }
}

fn fill_group(
    group: &Group<'_>,
    rows: &std::ops::Range<usize>,
    cols: &std::ops::Range<usize>,
    blocks: &[Block],
    size: usize,
    buffers: &mut Vec<Vec<f64>>,
) {
    buffers.resize_with(group.sets.len(), Vec::new);
    for (set, buffer) in group.sets.iter().zip(buffers) {
        let panel = set.states.panel(rows.clone(), cols.clone());
        fill(set, &panel, (rows.start, cols.start), blocks, size, buffer);
    }
}

/// Distances of every block less the pivot.
fn fill(
    set: &Set,
    panel: &Panel,
    origin: (usize, usize),
    blocks: &[Block],
    size: usize,
    buffer: &mut Vec<f64>,
) {
    buffer.clear();
    buffer.resize(size, 0.0);
    dispatch(
        #[inline(always)]
        || {
            for block in blocks {
                let mut at = block.offset;
                for col in block.cols.start..block.cols.end {
                    let end = if block.triangle { col } else { block.rows.end };
                    let rows = block.rows.start..end;
                    let n = rows.len();
                    let out = &mut buffer[at..at + n];
                    set.states.column(panel, origin, rows, col, set.pivot, out);
                    at += n;
                }
            }
        },
    );
}

fn clear(buffer: &mut [f64], at: &[usize]) {
    for &position in at {
        buffer[position] = 0.0;
    }
}

/// Sums of each set, then products of each pair (0,0), (0,1), (1,1), (0,2), ... Returns how many numbers that is.
#[inline(always)]
fn sums_and_products(sets: &[&[f64]], out: &mut [f64]) -> usize {
    let mut at = 0;
    for set in sets {
        out[at] = sum(set);
        at += 1;
    }
    for b in 0..sets.len() {
        for a in 0..=b {
            out[at] = dot(sets[a], sets[b]);
            at += 1;
        }
    }
    at
}

fn extent(segments: &[Segment]) -> Option<std::ops::Range<usize>> {
    Some(segments.first()?.start..segments.last()?.end)
}

/// Runs of steps with the same parts, and the (condition, step) of each state; steps outside of all parts are left out.
fn segments(axis: &StepAxis) -> (Vec<Vec<Segment>>, Vec<(usize, usize)>) {
    let mut cells = Vec::new();
    let all = axis
        .steps()
        .iter()
        .enumerate()
        .map(|(condition, &n)| {
            let mut mine: Vec<Segment> = Vec::new();
            for step in 0..n {
                let signature = axis.signature(condition, step);
                if signature == 0 {
                    continue;
                }
                let at = cells.len();
                cells.push((condition, step));
                match mine.last_mut() {
                    Some(last) if last.signature == signature => last.end = at + 1,
                    _ => mine.push(Segment {
                        start: at,
                        end: at + 1,
                        signature,
                    }),
                }
            }
            mine
        })
        .collect();
    (all, cells)
}

/// Jackknife standard error of each number: `sqrt((n - 1) / n · Σ (θ_i - mean θ)²)`. NaN where one of them is.
fn jackknife_se(without: &[Consistency]) -> Consistency {
    let n = without.len() as f64;
    let mut out = [f64::NAN; 5];
    for (k, se) in out.iter_mut().enumerate() {
        let values: Vec<f64> = without.iter().map(|c| c.numbers()[k]).collect();
        *se = stats::sd(&values) * (n - 1.0).sqrt();
    }
    Consistency::from_numbers(out)
}
