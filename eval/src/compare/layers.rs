//! Several layers over time from occlusion, in one run.

use serde::{Deserialize, Serialize};

use super::contributions::pairs_where;
use super::{Contributions, Measure};
use crate::array::Array2;
use crate::decode::{Layout, OnlineDecoder, Split};
use crate::error::{Error, Result};
use crate::linear::Readout;
use crate::stats::bootstrap::{Bootstrap, Interval};

/// A range of analysis bins, counted from the first hidden bin of each condition: `from` takes part, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeBin {
    /// First bin; negative before occlusion.
    pub from: i64,
    /// First bin after it.
    pub to: i64,
}

impl TimeBin {
    /// Ranges of `width` bins that cover `from..to`; the last may be shorter. [`Error::Invalid`] where nothing is covered.
    pub fn every(width: u32, from: i64, to: i64) -> Result<Vec<Self>> {
        if width == 0 || from >= to {
            return Err(Error::invalid(
                "time bins",
                format!("width {width} over {from}..{to} covers nothing"),
            ));
        }
        let width = i64::from(width);
        let starts = (0..)
            .map(|k| from + k * width)
            .take_while(|&start| start < to);
        Ok(starts
            .map(|start| Self {
                from: start,
                to: to.min(start + width),
            })
            .collect())
    }

    /// Whether a bin that many after occlusion is in it.
    #[must_use]
    pub fn contains(&self, offset: i64) -> bool {
        (self.from..self.to).contains(&offset)
    }
}

/// A layer's features.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Name for the table.
    pub name: String,
    /// `[condition][bin, unit]` in the rows of the layout.
    pub features: Vec<Array2>,
}

/// What an analysis found for one layer in one time bin.
#[derive(Debug, Clone)]
pub struct BinScore {
    /// What each unit (condition or neuron) adds; `None` where nothing falls in the bin.
    pub contributions: Option<Contributions>,
}

/// One cell of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerTimeCell {
    /// Layer.
    pub layer: String,
    /// Start after occlusion, ms.
    pub from_ms: f64,
    /// End after occlusion, ms.
    pub to_ms: f64,
    /// The statistic; NaN (null) where it is undefined or nothing falls in the bin.
    #[serde(with = "crate::nan_as_null")]
    pub estimate: f64,
    /// Its interval over units; `None` where they are too few.
    pub interval: Option<Interval>,
    /// Units: conditions with a row here, or neurons.
    pub n: usize,
    /// Rows (condition, bin) behind it; units where the analysis gives one score for each.
    pub n_rows: u64,
    /// Whether there are fewer units than an interval needs: not to be read as a result.
    pub too_few: bool,
}

/// Layers × time bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerTimeTable {
    /// Rows, in the order given.
    pub layers: Vec<String>,
    /// Columns.
    pub bins: Vec<TimeBin>,
    /// Width of an analysis bin, ms.
    pub bin_ms: f64,
    /// Fewest units for an interval.
    pub min_n: usize,
    /// `[layer][bin]`, one after the other: layer by layer.
    pub cells: Vec<LayerTimeCell>,
}

impl LayerTimeTable {
    /// A cell by its row and column.
    #[must_use]
    pub fn get(&self, layer: usize, bin: usize) -> Option<&LayerTimeCell> {
        if bin >= self.bins.len() {
            return None;
        }
        self.cells.get(layer * self.bins.len() + bin)
    }
}

/// The table of an analysis. `score(layer)` gives one [`BinScore`] for each of `bins`, see [`decode_in_bins`]; any analysis
/// will do whose statistic is one of [`Measure`].
///
/// [`Error::Invalid`] without layers or bins, or for a name that is there twice; [`Error::Shape`] if `score` gives another
/// number of bins; errors of `score` and of [`Bootstrap::interval`].
pub fn layer_time_table(
    layers: &[Layer],
    bins: &[TimeBin],
    bin_ms: f64,
    bootstrap: &Bootstrap,
    score: impl Fn(&Layer) -> Result<Vec<BinScore>>,
) -> Result<LayerTimeTable> {
    if layers.is_empty() || bins.is_empty() {
        return Err(Error::invalid("layer table", "no layers or no time bins"));
    }
    let mut cells = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        if layers[..i].iter().any(|other| other.name == layer.name) {
            return Err(Error::invalid(
                "layers",
                format!("{} is there twice", layer.name),
            ));
        }
        let scores = score(layer)?;
        if scores.len() != bins.len() {
            return Err(Error::shape(
                format!("scores of layer {}", layer.name),
                format!("{} time bins", bins.len()),
                format!("{}", scores.len()),
            ));
        }
        for (bin, score) in bins.iter().zip(&scores) {
            cells.push(cell(layer, bin, bin_ms, bootstrap, score)?);
        }
    }
    Ok(LayerTimeTable {
        layers: layers.iter().map(|layer| layer.name.clone()).collect(),
        bins: bins.to_vec(),
        bin_ms,
        min_n: bootstrap.min_n,
        cells,
    })
}

fn cell(
    layer: &Layer,
    bin: &TimeBin,
    bin_ms: f64,
    bootstrap: &Bootstrap,
    score: &BinScore,
) -> Result<LayerTimeCell> {
    let contributions = score.contributions.as_ref();
    let n = contributions.map_or(0, Contributions::n);
    let too_few = n < bootstrap.min_n.max(2);
    let interval = match contributions {
        Some(contributions) if !too_few => Some(bootstrap.interval(
            &format!("{} from {} to {} bins", layer.name, bin.from, bin.to),
            n,
            |drawn| contributions.value_of(drawn),
        )?),
        _ => None,
    };
    Ok(LayerTimeCell {
        layer: layer.name.clone(),
        from_ms: bin.from as f64 * bin_ms,
        to_ms: bin.to as f64 * bin_ms,
        estimate: contributions.map_or(f64::NAN, Contributions::value),
        interval,
        n,
        n_rows: contributions.map_or(0, Contributions::n_bins),
        too_few,
    })
}

/// Online decoding as an analysis for [`layer_time_table`]: one fit for each split on all bins, held-out predictions
/// averaged over the splits, and a statistic of one target over the conditions with rows in each time bin. Conditions that
/// are never hidden take no part.
///
/// Errors of [`OnlineDecoder`]; [`Error::Invalid`] for a target that is not there or a measure of single scores.
pub fn decode_in_bins<'a>(
    layout: &'a Layout,
    splits: &'a [Split],
    readout: Readout,
    target: usize,
    measure: Measure,
    bins: &'a [TimeBin],
) -> impl Fn(&Layer) -> Result<Vec<BinScore>> + 'a {
    move |layer| {
        let result = OnlineDecoder::new(layout, &layer.features)?.run(splits, readout)?;
        bins.iter()
            .map(|bin| {
                let pairs = pairs_where(layout, &result.held_out, target, |c, row| {
                    let condition = &layout.conditions()[c];
                    condition.occlusion_bin().is_some_and(|event| {
                        bin.contains(condition.bins[row] as i64 - event as i64)
                    })
                })?;
                let contributions = match pairs.is_empty() {
                    true => None,
                    false => Some(Contributions::pairs(&pairs, measure)?),
                };
                Ok(BinScore { contributions })
            })
            .collect()
    }
}
