//! The CSV tables.

use super::ReportInput;
use crate::card::{Card, RowKind};
use crate::error::{Error, Result};

/// Columns of `decode.csv`. Errors are in the unit of the target: degrees for `x`, `y`, degrees per bin for `dx`, `dy`.
/// An empty cell is undefined, for example the correlation of a constant prediction.
pub const DECODE_COLUMNS: [&str; 11] = [
    "row",
    "epoch",
    "target",
    "n_conditions",
    "n_bins",
    "r_mean",
    "r_sd",
    "spearman_mean",
    "mae_mean",
    "mae_sd",
    "rmse_mean",
];

/// All digits; empty for NaN.
fn number(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        String::new()
    }
}

struct Table {
    name: &'static str,
    writer: csv::Writer<Vec<u8>>,
}

impl Table {
    fn new(name: &'static str, header: &[&str]) -> Result<Self> {
        let mut table = Self {
            name,
            writer: csv::Writer::from_writer(Vec::new()),
        };
        table.row(header)?;
        Ok(table)
    }

    fn row<S: AsRef<[u8]>>(&mut self, cells: &[S]) -> Result<()> {
        self.writer
            .write_record(cells)
            .map_err(|e| Error::table(self.name, 0, e.to_string()))
    }

    fn text(self) -> Result<(String, String)> {
        let name = self.name;
        let bad = |why: String| Error::table(name, 0, why);
        let bytes = self.writer.into_inner().map_err(|e| bad(e.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
        Ok((format!("tables/{name}"), text))
    }
}

/// The table of all rows with one read-out; columns [`DECODE_COLUMNS`].
pub fn decode_csv(card: &Card, readout: &str) -> Result<String> {
    let mut table = Table::new("decode.csv", &DECODE_COLUMNS)?;
    for row in &card.rows {
        if row.readout != readout || row.kind == RowKind::Published {
            continue;
        }
        for s in &row.stats {
            table.row(&[
                row.name.clone(),
                s.epoch.name().into(),
                s.target.clone(),
                s.n_conditions.to_string(),
                s.n_bins.to_string(),
                number(s.r.mean),
                number(s.r.sd),
                number(s.spearman.mean),
                number(s.mae.mean),
                number(s.mae.sd),
                number(s.rmse.mean),
            ])?;
        }
    }
    Ok(table.text()?.1)
}

pub(super) fn others(input: &ReportInput) -> Result<Vec<(String, String)>> {
    let mut out = Vec::new();
    if !input.over_time.is_empty() {
        let mut table = Table::new(
            "over_time.csv",
            &["row", "t_ms_from_occlusion", "quantity", "mean", "sd"],
        )?;
        for line in &input.over_time {
            for (quantity, points) in [
                ("r_x", &line.r_x),
                ("r_y", &line.r_y),
                ("distance_deg", &line.distance),
            ] {
                for p in points {
                    table.row(&[
                        line.name.clone(),
                        number(p.t_ms),
                        quantity.into(),
                        number(p.mean),
                        number(p.sd),
                    ])?;
                }
            }
        }
        out.push(table.text()?);
    }
    if !input.endpoint.is_empty() {
        let mut table = Table::new(
            "endpoint.csv",
            &["row", "t_ms_from_start", "quantity", "mean", "sd"],
        )?;
        for line in &input.endpoint {
            for (quantity, points) in [("r", &line.r), ("mae_deg", &line.mae)] {
                for p in points {
                    table.row(&[
                        line.name.clone(),
                        number(p.t_ms),
                        quantity.into(),
                        number(p.mean),
                        number(p.sd),
                    ])?;
                }
            }
        }
        out.push(table.text()?);
    }
    if !input.error_patterns.is_empty() {
        let mut table = Table::new(
            "behavior.csv",
            &[
                "row",
                "condition",
                "true_end_deg",
                "mean_end_deg",
                "error_deg",
                "residual_deg",
            ],
        )?;
        for (name, p) in &input.error_patterns {
            for (i, id) in p.ids.iter().enumerate() {
                table.row(&[
                    name.clone(),
                    id.to_string(),
                    number(p.truth[i]),
                    number(p.mean_paddle[i]),
                    number(p.error[i]),
                    number(p.residual[i]),
                ])?;
            }
        }
        out.push(table.text()?);
    }
    if !input.published.is_empty() {
        let mut table = csv::Writer::from_writer(Vec::new());
        let name = "published.csv";
        let bad = |why: String| Error::table(name, 0, why);
        for v in &input.published {
            table.serialize(v).map_err(|e| bad(e.to_string()))?;
        }
        let bytes = table.into_inner().map_err(|e| bad(e.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
        out.push((format!("tables/{name}"), text));
    }
    Ok(out)
}
