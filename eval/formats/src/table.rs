//! Tables that go with a recording.

use std::sync::Arc;

use crate::value::{Array, Frame, Index, Kind, Value};

/// One column of a [`Table`], `[row]`.
#[derive(Debug, Clone)]
pub enum Cells {
    /// Numbers; NaN where there is none.
    Numbers(Vec<f64>),
    /// Texts; `None` where there is none.
    Texts(Vec<Option<String>>),
    /// Something else, which is not kept: what it is.
    Other(String),
}

/// A table: a data frame of a pickle, or a struct of columns of a MATLAB file.
#[derive(Debug, Clone)]
pub struct Table {
    /// Number of rows.
    pub rows: usize,
    /// Whether the first column is the index of the data frame.
    pub has_index: bool,
    /// Name and content of each column, in order.
    pub columns: Vec<(String, Cells)>,
}

impl Table {
    /// From a data frame, or a dictionary of columns of one length. Entries of a dictionary that are no columns are left
    /// out. `None` if nothing is left.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Frame(frame) => Some(Self::from_frame(frame)),
            Value::Dict(dict) => {
                let mut rows = None;
                let mut columns = Vec::new();
                for (name, value) in dict.named() {
                    let Value::Array(array) = value else {
                        continue;
                    };
                    let length = *rows.get_or_insert(array.len());
                    let is_column = array.shape().iter().filter(|&&n| n != 1).count() <= 1;
                    if array.is_empty() || array.len() != length || !is_column {
                        continue;
                    }
                    columns.push((name.to_owned(), cells(array)));
                }
                Some(Self {
                    rows: rows.filter(|_| !columns.is_empty())?,
                    has_index: false,
                    columns,
                })
            }
            _ => None,
        }
    }

    fn from_frame(frame: &Frame) -> Self {
        let mut columns = vec![(index_name(&frame.index), index_cells(&frame.index))];
        for column in &frame.columns {
            let name = match &column.label {
                Value::Str(name) => name.to_string(),
                Value::Int(number) => number.to_string(),
                other => other.describe(),
            };
            columns.push((name, cells(&column.values)));
        }
        for (label, what) in &frame.unread {
            let name = label.as_str().unwrap_or_else(|| label.describe());
            columns.push((name, Cells::Other(what.clone())));
        }
        Self {
            rows: frame.index.len(),
            has_index: true,
            columns,
        }
    }

    /// The numbers of the first column of a name. `None` if it is not there or holds no numbers.
    #[must_use]
    pub fn numbers(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find_map(|(column, cells)| match cells {
            Cells::Numbers(values) if column == name => Some(&**values),
            _ => None,
        })
    }

    /// The texts of the first column of a name. `None` if it is not there or holds no texts.
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<&[Option<String>]> {
        self.columns.iter().find_map(|(column, cells)| match cells {
            Cells::Texts(values) if column == name => Some(&**values),
            _ => None,
        })
    }
}

fn index_name(index: &Index) -> String {
    match &index.name {
        Value::Str(name) => name.to_string(),
        _ => "index".into(),
    }
}

fn index_cells(index: &Index) -> Cells {
    let items: Vec<Value> = index.items().collect();
    match Array::from_objects(vec![items.len()], false, Arc::new(items)) {
        Ok(array) => cells(&array),
        Err(error) => Cells::Other(error.to_string()),
    }
}

fn cells(array: &Array) -> Cells {
    if let Some(numbers) = array.to_f64() {
        return Cells::Numbers(numbers);
    }
    if array.dtype().kind == Kind::Object {
        let numbers = array
            .items()
            .map(|item| match item {
                Value::None => Some(f64::NAN),
                other => other.as_f64(),
            })
            .collect::<Option<Vec<_>>>();
        if let Some(numbers) = numbers.filter(|n| n.iter().any(|v| !v.is_nan())) {
            return Cells::Numbers(numbers);
        }
    }
    let texts = array
        .items()
        .map(|item| match item {
            Value::None => Some(None),
            // pandas writes a missing text as NaN too.
            Value::Float(value) if value.is_nan() => Some(None),
            other => other.as_str().map(Some),
        })
        .collect::<Option<Vec<_>>>();
    texts.map_or_else(
        || {
            let first = array.items().next().map(|item| item.describe());
            Cells::Other(first.unwrap_or_default())
        },
        Cells::Texts,
    )
}
