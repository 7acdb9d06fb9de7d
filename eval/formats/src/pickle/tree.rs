//! From the flat list of nodes to a tree of values.

use std::sync::Arc;

use crate::error::{Error, Result, quoted};
use crate::limits::{Budget, Limits};
use crate::value::{Array, Column, Dict, Frame, Index, Labels, Series, Value};

use super::columns::decoded;
use super::machine::{ArrayData, Block, Id, Manager, Node};
use super::stream::broken;

enum State {
    Untouched,
    /// Met on the way down: to meet it again is a circle.
    Open,
    Done(Value, u64),
}

struct Builder {
    nodes: Vec<Node>,
    state: Vec<State>,
    depth_limit: usize,
    walk_limit: u64,
    budget: Budget,
}

/// The value of the node `root`.
pub(super) fn build(nodes: Vec<Node>, root: Id, limits: &Limits, budget: Budget) -> Result<Value> {
    let state = nodes.iter().map(|_| State::Untouched).collect();
    let mut builder = Builder {
        nodes,
        state,
        depth_limit: limits.depth,
        walk_limit: limits.walk,
        budget,
    };
    Ok(builder.value(root, 1)?.0)
}

/// A message without a position: the position of an object is not kept.
fn wrong(why: impl Into<String>) -> Error {
    broken(None, why)
}

impl Builder {
    /// The value, and how many objects a walk over it meets.
    fn value(&mut self, id: Id, depth: usize) -> Result<(Value, u64)> {
        if depth > self.depth_limit {
            return Err(Error::Limit {
                what: "nested containers of the pickle",
                limit: self.depth_limit as u64,
                needed: depth as u64,
            });
        }
        let place = id as usize;
        match &self.state[place] {
            State::Done(value, weight) => return Ok((value.clone(), *weight)),
            State::Open => return Err(wrong("an object contains itself")),
            State::Untouched => {}
        }
        self.state[place] = State::Open;
        // Each node is taken out once; later meetings find it done.
        let node = std::mem::replace(&mut self.nodes[place], Node::None);
        let (value, weight) = self.convert(node, depth)?;
        if weight > self.walk_limit {
            return Err(Error::Limit {
                what: "objects met in a walk over the pickle",
                limit: self.walk_limit,
                needed: weight,
            });
        }
        self.state[place] = State::Done(value.clone(), weight);
        Ok((value, weight))
    }

    fn many(&mut self, ids: &[Id], depth: usize) -> Result<(Vec<Value>, u64)> {
        let mut values = Vec::with_capacity(ids.len());
        let mut total = 1_u64;
        for &id in ids {
            let (value, weight) = self.value(id, depth + 1)?;
            values.push(value);
            total = total.saturating_add(weight);
        }
        Ok((values, total))
    }

    fn convert(&mut self, node: Node, depth: usize) -> Result<(Value, u64)> {
        let plain = |value| Ok((value, 1));
        match node {
            Node::None => plain(Value::None),
            Node::Bool(value) => plain(Value::Bool(value)),
            Node::Int(value) => plain(Value::Int(value)),
            Node::BigInt(digits) => plain(Value::BigInt(digits)),
            Node::Float(value) => plain(Value::Float(value)),
            Node::Complex(real, imaginary) => plain(Value::Complex(real, imaginary)),
            Node::Str(text) => plain(Value::Str(text)),
            Node::Bytes(bytes) => plain(Value::Bytes(bytes)),
            Node::Scalar(dtype, bytes) => {
                let array = Array::from_bytes(dtype, Vec::new(), false, bytes)?;
                plain(Value::Scalar(Arc::new(array)))
            }
            Node::List(items) => {
                let (values, weight) = self.many(&items, depth)?;
                Ok((Value::List(Arc::new(values)), weight))
            }
            Node::Tuple(items) => {
                let (values, weight) = self.many(&items, depth)?;
                Ok((Value::Tuple(Arc::new(values)), weight))
            }
            Node::Set(items) => {
                let (values, weight) = self.many(&items, depth)?;
                Ok((Value::Set(Arc::new(values)), weight))
            }
            Node::Dict(entries) => self.dict(&entries, depth),
            Node::Slice(parts) => {
                let parts = parts.map(|part| self.value(part, depth + 1).map(|(v, _)| v));
                let [start, stop, step] = parts;
                plain(Value::Slice(Arc::new([start?, stop?, step?])))
            }
            Node::Array(Some(array)) => match array.data {
                ArrayData::Bytes(bytes) => {
                    let array = Array::from_bytes(array.dtype, array.shape, array.fortran, bytes)?;
                    plain(Value::Array(Arc::new(array)))
                }
                ArrayData::Objects(list) => {
                    let (values, weight) = self.value(list, depth + 1)?;
                    let Value::List(values) = values else {
                        return Err(wrong("an object array without a list"));
                    };
                    let array = Array::from_objects(array.shape, array.fortran, values)?;
                    Ok((Value::Array(Arc::new(array)), weight))
                }
            },
            Node::Range([start, stop, step], name) => {
                let (name, _) = self.value(name, depth + 1)?;
                plain(Value::Index(Arc::new(Index {
                    name,
                    labels: Labels::Range { start, stop, step },
                })))
            }
            Node::Index { data, name } => {
                let (name, _) = self.value(name, depth + 1)?;
                let (data, weight) = self.value(data, depth + 1)?;
                let Value::Array(labels) = data else {
                    return Err(wrong(format!("an index of {}", data.describe())));
                };
                let labels = Labels::Array(labels);
                Ok((Value::Index(Arc::new(Index { name, labels })), weight))
            }
            Node::Series(Some((manager, name))) => self.series(manager, name, depth),
            Node::Categorical(codes, labels) => self.categorical(codes, labels, depth),
            Node::Frame(Some(manager)) => {
                let manager = self.manager(manager)?;
                self.frame(&manager, depth)
            }
            Node::Column(_) | Node::Categories(_) => Err(wrong("a column without its values")),
            Node::Unread(name, at) => Err(Error::Refused {
                what: quoted(&name),
                at,
            }),
            Node::Storage(_) | Node::Tensor(_) => Err(wrong("a tensor outside of PyTorch's file")),
            Node::Global(global) => Err(wrong(format!("the name {global:?} alone is no data"))),
            Node::Dtype(dtype) => plain(Value::Str(dtype.to_string().into())),
            Node::NewBlock | Node::Block(_) | Node::Manager(_) => {
                Err(wrong("a part of a data frame outside of one"))
            }
            Node::Array(None) | Node::Frame(None) | Node::Series(None) => {
                Err(wrong("an object whose content is missing"))
            }
        }
    }

    fn dict(&mut self, entries: &[(Id, Id)], depth: usize) -> Result<(Value, u64)> {
        let mut pairs = Vec::with_capacity(entries.len());
        let mut total = 1_u64;
        for &(key, value) in entries {
            let (key, _) = self.value(key, depth + 1)?;
            if !is_key(&key) {
                return Err(wrong(format!("{} is the key of a dict", key.describe())));
            }
            let (value, weight) = self.value(value, depth + 1)?;
            total = total.saturating_add(weight);
            pairs.push((key, value));
        }
        Ok((Value::Dict(Arc::new(Dict::new(pairs))), total))
    }

    fn series(&mut self, manager: Id, name: Id, depth: usize) -> Result<(Value, u64)> {
        let (name, _) = self.value(name, depth + 1)?;
        let manager = self.manager(manager)?;
        let ([axis], [block]) = (&*manager.axes, &*manager.blocks) else {
            return Err(wrong("a series that is not one block with one index"));
        };
        let (index, _) = self.index(*axis, depth)?;
        let (values, weight) = self.value(block.values, depth + 1)?;
        match values {
            Value::Array(values) if values.shape() == [index.len()] => Ok((
                Value::Series(Arc::new(Series {
                    name,
                    index,
                    values,
                })),
                weight,
            )),
            other => Err(wrong(format!(
                "a series of {} rows with {}",
                index.len(),
                other.describe()
            ))),
        }
    }

    fn categorical(&mut self, codes: Id, labels: Id, depth: usize) -> Result<(Value, u64)> {
        let (codes, weight) = self.value(codes, depth + 1)?;
        let (labels, of_labels) = self.value(labels, depth + 1)?;
        let (Value::Array(codes), Value::Index(labels)) = (codes, labels) else {
            return Err(wrong("categories of another form"));
        };
        self.budget
            .take_usize(codes.len().saturating_mul(size_of::<Value>()))?;
        self.budget
            .take_usize(labels.len().saturating_mul(size_of::<Value>()))?;
        let labels: Vec<Value> = labels.items().collect();
        let values = decoded(&codes, &labels).ok_or_else(|| wrong("a code without a category"))?;
        let array = Array::from_objects(vec![values.len()], false, Arc::new(values))?;
        let weight = weight.saturating_add(of_labels);
        Ok((Value::Array(Arc::new(array)), weight))
    }

    /// A manager may serve several frames, so it is copied: it holds places only.
    fn manager(&mut self, id: Id) -> Result<Manager> {
        match &self.nodes[id as usize] {
            Node::Manager(Some(manager)) => {
                self.budget
                    .take_usize((manager.axes.len() + manager.blocks.len()) * size_of::<Block>())?;
                Ok(Manager {
                    axes: manager.axes.clone(),
                    blocks: manager.blocks.clone(),
                })
            }
            _ => Err(wrong("a data frame without a block manager")),
        }
    }

    fn index(&mut self, id: Id, depth: usize) -> Result<(Index, u64)> {
        match self.value(id, depth + 1)? {
            (Value::Index(index), weight) => Ok(((*index).clone(), weight)),
            (other, _) => Err(wrong(format!("{} instead of an index", other.describe()))),
        }
    }

    /// The values of a block, how many columns they are, and their weight.
    fn block(&mut self, values: Id, rows: usize, depth: usize) -> Result<(Arc<Array>, usize, u64)> {
        let (values, weight) = self.value(values, depth + 1)?;
        let Value::Array(values) = values else {
            return Err(wrong(format!("a block of {}", values.describe())));
        };
        // A column of pandas' own is a block by itself.
        let (in_block, of_rows) = match *values.shape() {
            [in_block, of_rows] => (in_block, of_rows),
            [of_rows] => (1, of_rows),
            ref other => return Err(wrong(format!("a block of shape {other:?}"))),
        };
        if of_rows != rows {
            return Err(wrong(format!(
                "a block of {of_rows} rows in a data frame of {rows}"
            )));
        }
        // Columns are copies, and one block may serve many frames.
        let element = match values.raw() {
            Some(_) => values.dtype().size,
            None => size_of::<Value>(),
        };
        self.budget
            .take_usize(values.len().saturating_mul(element))?;
        self.budget
            .take_usize(in_block.saturating_mul(size_of::<Array>()))?;
        Ok((values, in_block, weight))
    }

    fn frame(&mut self, manager: &Manager, depth: usize) -> Result<(Value, u64)> {
        let &[columns, rows] = &*manager.axes else {
            return Err(wrong("a data frame without two indexes"));
        };
        let (labels, mut total) = self.index(columns, depth)?;
        let (index, weight) = self.index(rows, depth)?;
        total = total.saturating_add(weight);
        let rows = index.len();
        // Blocks hold what the file holds, so the columns cannot be more than their rows.
        let mut columns: Vec<Option<Arc<Array>>> = Vec::new();
        let mut held = 0_usize;
        let mut unread = Vec::new();
        for &Block { values, places } in &manager.blocks {
            if let Node::Unread(name, _) = &self.nodes[values as usize] {
                let name = quoted(name);
                let (places, _) = self.value(places, depth + 1)?;
                held = held.saturating_add(1);
                unread.push((block_places(&places, 1)?[0], name));
                continue;
            }
            let (values, in_block, weight) = self.block(values, rows, depth)?;
            total = total.saturating_add(weight);
            let (places, _) = self.value(places, depth + 1)?;
            let places = block_places(&places, in_block)?;
            held = held.saturating_add(in_block);
            if held > labels.len() {
                return Err(wrong(format!(
                    "blocks of {held} columns in a data frame of {}",
                    labels.len()
                )));
            }
            for (row, place) in places.into_iter().enumerate() {
                if place >= labels.len() {
                    return Err(wrong(format!("a block for column {place}")));
                }
                if columns.len() <= place {
                    // `place` is below the number of labels; a range of labels costs nothing in the file, so bound it.
                    if place > 1_000_000 {
                        return Err(Error::Limit {
                            what: "columns of a data frame",
                            limit: 1_000_000,
                            needed: place as u64,
                        });
                    }
                    self.budget
                        .take_usize((place + 1 - columns.len()) * size_of::<Column>())?;
                    columns.resize(place + 1, None);
                }
                let column = if values.shape().len() == 1 {
                    Arc::clone(&values)
                } else {
                    let column = values.row(row);
                    Arc::new(column.ok_or_else(|| wrong("a block that is too short"))?)
                };
                if columns[place].replace(column).is_some() {
                    return Err(wrong(format!("column {place} is there twice")));
                }
            }
        }
        if held != labels.len() {
            return Err(wrong(format!("{held} columns for {} labels", labels.len())));
        }
        columns.resize(held, None);
        let mut kept = Vec::with_capacity(held);
        let mut left_out = Vec::with_capacity(unread.len());
        for (place, (label, values)) in labels.items().zip(columns).enumerate() {
            let what = unread.iter().find(|(of, _)| *of == place);
            match (values, what) {
                (Some(values), None) => kept.push(Column { label, values }),
                (None, Some((_, what))) => left_out.push((label, what.clone())),
                (Some(_), Some(_)) => return Err(wrong(format!("column {place} is there twice"))),
                (None, None) => return Err(wrong(format!("column {place} is missing"))),
            }
        }
        let frame = Frame {
            index,
            columns: kept,
            unread: left_out,
        };
        Ok((Value::Frame(Arc::new(frame)), total))
    }
}

/// Which columns the rows of a block are.
fn block_places(places: &Value, length: usize) -> Result<Vec<usize>> {
    let found = match places {
        Value::Slice(parts) => match &**parts {
            [Value::Int(start), Value::Int(stop), Value::Int(step)] if *step > 0 => {
                let (mut at, step) = (*start, *step);
                let mut places = Vec::new();
                while at < *stop && places.len() <= length {
                    places.push(at);
                    let Some(next) = at.checked_add(step) else {
                        break;
                    };
                    at = next;
                }
                Some(places)
            }
            _ => None,
        },
        Value::Array(array) => array.to_i64(),
        _ => None,
    };
    found
        .filter(|places| places.len() == length)
        .and_then(|places| {
            places
                .iter()
                .map(|&place| usize::try_from(place).ok())
                .collect()
        })
        .ok_or_else(|| wrong("a block that does not say which columns it holds"))
}

fn is_key(value: &Value) -> bool {
    match value {
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::Scalar(_) => true,
        Value::Tuple(items) => items.iter().all(is_key),
        _ => false,
    }
}
