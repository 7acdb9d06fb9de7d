//! Columns of pandas that are no plain arrays: texts, as numpy objects or of Arrow, and categories.

use std::io::Read;
use std::sync::Arc;

use crate::error::Result;
use crate::value::{Array, Dtype, Value};

use super::globals::Global;
use super::machine::{ArrayData, ArrayNode, Id, Machine, Node};
use super::stream::broken;

impl<R: Read> Machine<R> {
    /// `pyarrow.lib._restore_array((type, length, nulls, offset, [validity, offsets, data], …))`: texts are read, any
    /// other type is kept as its name.
    pub(super) fn arrow_array(&mut self, parts: Id, at: u64) -> Result<Node> {
        let wrong = || broken(at, "an Arrow array of another form");
        let &[kind, length, _, offset, buffers, ..] = self.sequence(parts).ok_or_else(wrong)?
        else {
            return Err(wrong());
        };
        let wide = match self.node(kind) {
            Node::Str(kind) if matches!(&**kind, "large_string" | "large_utf8") => true,
            Node::Str(kind) if matches!(&**kind, "string" | "utf8") => false,
            Node::Str(kind) => return Ok(Node::Unread(format!("Arrow's {kind}").into(), at)),
            other => {
                let what = format!("an Arrow array of {}", other.kind());
                return Ok(Node::Unread(what.into(), at));
            }
        };
        let number = |id: Id| match self.node(id) {
            Node::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        };
        let (Some(length), Some(offset)) = (number(length), number(offset)) else {
            return Err(wrong());
        };
        let &[validity, places, data] = self.sequence(buffers).ok_or_else(wrong)? else {
            return Err(wrong());
        };
        let buffer = |id: Id| match self.node(id) {
            Node::Bytes(bytes) => Some(Arc::clone(bytes)),
            _ => None,
        };
        let validity = buffer(validity);
        let places = buffer(places).ok_or_else(wrong)?;
        let data = buffer(data).unwrap_or_default();
        let place = |n: usize| -> Option<usize> {
            let width = if wide { 8 } else { 4 };
            let bytes = places.get(n.checked_mul(width)?..)?.get(..width)?;
            let mut padded = [0; 8];
            padded[..width].copy_from_slice(bytes);
            usize::try_from(u64::from_le_bytes(padded)).ok()
        };
        let mut texts = Vec::new();
        for n in 0..length {
            let n = offset.checked_add(n).ok_or_else(wrong)?;
            let there = validity
                .as_ref()
                .is_none_or(|bits| bits.get(n / 8).is_some_and(|byte| byte >> (n % 8) & 1 == 1));
            let span = place(n).zip(n.checked_add(1).and_then(place));
            let (from, to) = span.ok_or_else(wrong)?;
            let text = data.get(from..to).ok_or_else(wrong)?;
            self.budget.take_usize(text.len())?;
            let text = std::str::from_utf8(text).map_err(|_| broken(at, "text is not UTF-8"))?;
            let node = if there {
                Node::Str(text.into())
            } else {
                Node::None
            };
            texts.push(self.add(node)?);
        }
        self.object_array(texts)
    }

    /// `pyarrow.lib.chunked_array([array, …], type)`.
    pub(super) fn chunked_array(&mut self, chunks: Id, at: u64) -> Result<Node> {
        let chunks = self.sequence(chunks).map(<[Id]>::to_vec);
        let mut all = Vec::new();
        for chunk in chunks.ok_or_else(|| broken(at, "chunks that are no list"))? {
            match self.node(chunk) {
                Node::Array(Some(ArrayNode {
                    data: ArrayData::Objects(list),
                    ..
                })) => {
                    let items = self.sequence(*list).unwrap_or_default().to_vec();
                    self.budget.take_usize(items.len() * size_of::<Id>())?;
                    all.extend(items);
                }
                Node::Unread(name, at) => return Ok(Node::Unread(Arc::clone(name), *at)),
                _ => return Err(broken(at, "chunks of another form")),
            }
        }
        self.object_array(all)
    }

    fn object_array(&mut self, items: Vec<Id>) -> Result<Node> {
        let length = items.len();
        let list = self.add(Node::List(items))?;
        Ok(Node::Array(Some(ArrayNode {
            dtype: Dtype::OBJECT,
            shape: vec![length],
            fortran: false,
            data: ArrayData::Objects(list),
        })))
    }

    /// What an array of pandas' own becomes by its state, which names its parts or has them in a tuple.
    pub(super) fn column(&mut self, class: Global, state: Id, at: u64) -> Result<Node> {
        let named = |names: [&str; 4]| names.iter().find_map(|name| self.entry(state, name));
        let listed = |wanted: fn(&Node) -> bool| {
            let mut items = self.sequence(state)?.iter().copied();
            items.find(|&id| wanted(self.node(id)))
        };
        let values = named(["_ndarray", "_pa_array", "_data", "_codes"]);
        let values = values.or_else(|| listed(|node| matches!(node, Node::Array(_))));
        let kind = named(["_dtype", "dtype", "_dtype", "_dtype"]);
        let kind = kind.or_else(|| listed(|node| matches!(node, Node::Categories(_))));
        match (class, values, kind.map(|kind| self.node(kind))) {
            (Global::Categorical, Some(codes), Some(Node::Categories(Some(categories)))) => {
                Ok(Node::Categorical(codes, *categories))
            }
            (Global::StringArray, Some(values), _) => match self.node(values) {
                Node::Array(Some(array)) => {
                    let array = array.clone();
                    self.budget.take_usize(size_of_val(&*array.shape))?;
                    Ok(Node::Array(Some(array)))
                }
                Node::Unread(name, at) => Ok(Node::Unread(Arc::clone(name), *at)),
                _ => Err(broken(at, "a column of text of another form")),
            },
            _ => Ok(Node::Unread(format!("pandas' {class:?}").into(), at)),
        }
    }
}

/// The labels that codes stand for; none where the code is -1. `None` if a code has no label.
pub(super) fn decoded(codes: &Array, labels: &[Value]) -> Option<Vec<Value>> {
    let label = |code: i64| match usize::try_from(code) {
        Ok(code) => labels.get(code).cloned(),
        Err(_) => (code == -1).then_some(Value::None),
    };
    codes.to_i64()?.into_iter().map(label).collect()
}
