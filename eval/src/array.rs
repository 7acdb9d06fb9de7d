//! A plain table of numbers.

use crate::error::{Error, Result};

/// `[row, column]`, f64, row-major. Which axes these are is said where it is used, mostly `[bin, unit]` or `[bin, target]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Array2 {
    rows: usize,
    cols: usize,
    data: Vec<f64>,
}

impl Array2 {
    /// From row-major data. [`Error::Shape`] if `data.len() != rows * cols`.
    pub fn new(rows: usize, cols: usize, data: Vec<f64>) -> Result<Self> {
        if rows.checked_mul(cols) != Some(data.len()) {
            return Err(Error::shape(
                "Array2::new",
                format!("{rows} x {cols} values"),
                format!("{} values", data.len()),
            ));
        }
        Ok(Self { rows, cols, data })
    }

    /// All entries the same.
    #[must_use]
    pub fn filled(rows: usize, cols: usize, value: f64) -> Self {
        Self {
            rows,
            cols,
            data: vec![value; rows * cols],
        }
    }

    /// `f(row, column)` for each entry.
    #[must_use]
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> f64) -> Self {
        let mut data = Vec::with_capacity(rows * cols);
        for row in 0..rows {
            for col in 0..cols {
                data.push(f(row, col));
            }
        }
        Self { rows, cols, data }
    }

    /// From a list of rows. [`Error::Shape`] if the rows are not of one length.
    pub fn from_rows<R: AsRef<[f64]>>(rows: &[R]) -> Result<Self> {
        let cols = rows.first().map_or(0, |row| row.as_ref().len());
        let mut data = Vec::with_capacity(rows.len() * cols);
        for (index, row) in rows.iter().enumerate() {
            let row = row.as_ref();
            if row.len() != cols {
                return Err(Error::shape(
                    format!("row {index}"),
                    format!("{cols} values"),
                    format!("{} values", row.len()),
                ));
            }
            data.extend_from_slice(row);
        }
        Self::new(rows.len(), cols, data)
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// One row. Panics if it is out of range, as slices do.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f64] {
        &self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// One row, to write into. Panics if it is out of range, as slices do.
    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// One column, copied.
    #[must_use]
    pub fn column(&self, col: usize) -> Vec<f64> {
        (0..self.rows).map(|row| self.get(row, col)).collect()
    }

    /// One entry. Panics if it is out of range, as slices do.
    #[must_use]
    pub fn get(&self, row: usize, col: usize) -> f64 {
        self.data[row * self.cols + col]
    }

    /// Set one entry. Panics if it is out of range, as slices do.
    pub fn set(&mut self, row: usize, col: usize, value: f64) {
        self.data[row * self.cols + col] = value;
    }

    /// All entries, row-major.
    #[must_use]
    pub fn as_slice(&self) -> &[f64] {
        &self.data
    }
}
