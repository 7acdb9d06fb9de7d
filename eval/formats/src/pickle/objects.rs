//! What the allowed names make: the part of numpy and pandas that a pickle may ask for, done here as data.

use std::io::Read;
use std::sync::Arc;

use crate::error::{Error, Result, quoted};
use crate::value::{ByteOrder, Dtype, Kind, count};

use super::globals::Global;
use super::machine::{ArrayData, ArrayNode, Block, Dialect, Id, Machine, Manager, Node};
use super::stream::broken;

/// Most axes of an array, as in numpy 2.
const MAX_AXES: usize = 64;

/// Most entries of a dict that is searched for what an object is made of. A longer one would only cost time.
const SHORT: usize = 64;

fn not_taken(global: Global, at: u64) -> Error {
    broken(
        at,
        format!("{global:?} with arguments that it does not take"),
    )
}

impl<R: Read> Machine<R> {
    /// What `callable(*arguments)` would make.
    pub(super) fn call(&mut self, callable: Id, arguments: Id, at: u64) -> Result<Node> {
        match self.node(callable) {
            Node::Unread(name, at) => return Ok(Node::Unread(Arc::clone(name), *at)),
            Node::Global(_) | Node::NewBlock => {}
            _ if self.dialect == Dialect::Torch => return Ok(Node::Unread("object".into(), at)),
            _ => {}
        }
        let arguments = match self.node(arguments) {
            Node::Tuple(items) => items.clone(),
            _ => return Err(broken(at, "arguments that are no tuple")),
        };
        let global = match self.node(callable) {
            Node::Global(global) => *global,
            Node::NewBlock => Global::NewBlock,
            _ => {
                return Err(Error::Refused {
                    what: "a call of something that is no allowed name".into(),
                    at,
                });
            }
        };
        match global {
            Global::RebuildTensor | Global::RebuildParameter | Global::RebuildFromType => {
                self.call_torch(global, &arguments, at)
            }
            Global::Reconstruct | Global::Dtype | Global::Scalar | Global::FromBuffer => {
                self.call_numpy(global, &arguments, at)
            }
            Global::OrderedDict
            | Global::Set
            | Global::FrozenSet
            | Global::Bytes
            | Global::ByteArray
            | Global::Encode
            | Global::Complex
            | Global::Slice
            | Global::Partial
            | Global::GetAttr => self.call_python(global, &arguments, at),
            _ => self.call_pandas(global, &arguments, at),
        }
    }

    /// Python's own.
    fn call_python(&mut self, global: Global, arguments: &[Id], at: u64) -> Result<Node> {
        let wrong = || not_taken(global, at);
        match (global, arguments) {
            (Global::OrderedDict, []) => Ok(Node::Dict(Vec::new())),
            (Global::OrderedDict, &[items]) => {
                let items = self.sequence(items).ok_or_else(wrong)?.to_vec();
                self.budget
                    .take_usize(items.len() * size_of::<(Id, Id)>())?;
                let pairs = items
                    .iter()
                    .map(|&pair| match self.sequence(pair) {
                        Some(&[key, value]) => Ok((key, value)),
                        _ => Err(wrong()),
                    })
                    .collect::<Result<_>>()?;
                Ok(Node::Dict(pairs))
            }
            (Global::Set | Global::FrozenSet, []) => Ok(Node::Set(Vec::new())),
            (Global::Set | Global::FrozenSet, &[items]) => {
                let items = self.sequence(items).ok_or_else(wrong)?.to_vec();
                self.budget.take_usize(items.len() * size_of::<Id>())?;
                Ok(Node::Set(items))
            }
            (Global::Bytes | Global::ByteArray, []) => Ok(Node::Bytes(Arc::default())),
            (Global::Bytes | Global::ByteArray, &[bytes]) => match self.node(bytes) {
                Node::Bytes(bytes) => Ok(Node::Bytes(Arc::clone(bytes))),
                _ => Err(wrong()),
            },
            (Global::Encode, &[text, encoding]) | (Global::ByteArray, &[text, encoding]) => {
                self.encoded(text, encoding, at)?.ok_or_else(wrong)
            }
            (Global::Complex, &[real, imaginary]) => {
                let part = |id| match self.node(id) {
                    Node::Float(value) => Some(*value),
                    _ => None,
                };
                match (part(real), part(imaginary)) {
                    (Some(real), Some(imaginary)) => Ok(Node::Complex(real, imaginary)),
                    _ => Err(wrong()),
                }
            }
            (Global::Slice, &[start, stop, step]) => Ok(Node::Slice([start, stop, step])),
            (Global::Partial, &[function]) => match self.node(function) {
                Node::Global(Global::NewBlock) => Ok(Node::NewBlock),
                _ => Err(Error::Refused {
                    what: "functools.partial of anything but pandas' new_block".into(),
                    at,
                }),
            },
            (Global::GetAttr, of) => match of.first().map(|&of| self.node(of)) {
                Some(Node::Unread(name, at)) => Ok(Node::Unread(Arc::clone(name), *at)),
                _ => Err(Error::Refused {
                    what: "builtins.getattr".into(),
                    at,
                }),
            },
            _ => Err(wrong()),
        }
    }

    /// Protocol 2 writes bytes as text of which each character is one byte. `None` for other arguments than two texts.
    fn encoded(&mut self, text: Id, encoding: Id, at: u64) -> Result<Option<Node>> {
        let (Node::Str(text), Node::Str(encoding)) = (self.node(text), self.node(encoding)) else {
            return Ok(None);
        };
        if !matches!(
            &**encoding,
            "latin1" | "latin-1" | "iso-8859-1" | "ISO-8859-1"
        ) {
            return Err(Error::Refused {
                what: format!("_codecs.encode to {}", quoted(encoding)),
                at,
            });
        }
        let text = Arc::clone(text);
        self.budget.take_usize(text.len())?;
        let bytes = text
            .chars()
            .map(|c| u8::try_from(u32::from(c)))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|_| broken(at, "bytes written as text hold more than bytes"))?;
        Ok(Some(Node::Bytes(Arc::new(bytes))))
    }

    /// numpy's.
    fn call_numpy(&mut self, global: Global, arguments: &[Id], at: u64) -> Result<Node> {
        let wrong = || not_taken(global, at);
        match (global, arguments) {
            (Global::Reconstruct, &[class, shape, _]) => {
                match (self.node(class), self.integers(shape).as_deref()) {
                    (Node::Global(Global::NdArray), Some([0])) => Ok(Node::Array(None)),
                    _ => Err(wrong()),
                }
            }
            (Global::Dtype, [name, ..]) if arguments.len() <= 3 => {
                let name = self.text_of(*name).ok_or_else(wrong)?;
                // Times count from a day in a unit that a number alone does not say.
                if matches!(&*name, "M8" | "m8") {
                    return Ok(Node::Unread(format!("numpy.dtype('{name}')").into(), at));
                }
                let dtype = Dtype::parse(&name).ok_or_else(|| Error::Refused {
                    what: format!("numpy.dtype('{}')", quoted(&name)),
                    at,
                })?;
                Ok(Node::Dtype(dtype))
            }
            (Global::Scalar, &[dtype, bytes]) => match (self.node(dtype), self.node(bytes)) {
                (Node::Dtype(dtype), Node::Bytes(bytes))
                    if dtype.kind != Kind::Object && bytes.len() == dtype.size =>
                {
                    Ok(Node::Scalar(*dtype, Arc::clone(bytes)))
                }
                _ => Err(wrong()),
            },
            (Global::FromBuffer, &[buffer, dtype, shape, order]) => {
                let fortran = match self.node(order) {
                    Node::Str(order) if &**order == "C" => false,
                    Node::Str(order) if &**order == "F" => true,
                    _ => return Err(wrong()),
                };
                if let Node::Unread(name, at) = self.node(dtype) {
                    return Ok(Node::Unread(Arc::clone(name), *at));
                }
                let array = self.array(shape, dtype, fortran, buffer, at)?;
                Ok(Node::Array(Some(array)))
            }
            _ => Err(wrong()),
        }
    }

    /// Those of pandas and Arrow.
    fn call_pandas(&mut self, global: Global, arguments: &[Id], at: u64) -> Result<Node> {
        let wrong = || not_taken(global, at);
        match (global, arguments) {
            (Global::ArrowType, &[alias]) => match self.node(alias) {
                Node::Str(alias) => Ok(Node::Str(Arc::clone(alias))),
                _ => Err(wrong()),
            },
            (Global::ArrowBuffer, &[bytes]) => match self.node(bytes) {
                Node::Bytes(bytes) => Ok(Node::Bytes(Arc::clone(bytes))),
                _ => Err(wrong()),
            },
            (Global::ArrowArray, &[parts]) => self.arrow_array(parts, at),
            (Global::ArrowChunks, &[chunks, ..]) => self.chunked_array(chunks, at),
            (Global::StringArray | Global::Categorical, []) => Ok(Node::Column(global)),
            (Global::Backed, &[class, ..]) => match self.node(class) {
                Node::Global(class @ (Global::StringArray | Global::Categorical)) => {
                    Ok(Node::Column(*class))
                }
                Node::Unread(name, at) => Ok(Node::Unread(Arc::clone(name), *at)),
                _ => Err(wrong()),
            },
            (Global::CategoricalType, []) => Ok(Node::Categories(None)),
            (Global::CategoricalType, &[categories, _]) => Ok(Node::Categories(Some(categories))),
            (Global::DataFrame, []) => Ok(Node::Frame(None)),
            (Global::Series, []) => Ok(Node::Series(None)),
            (Global::BlockManager | Global::SingleBlockManager, []) => Ok(Node::Manager(None)),
            (Global::BlockManager, &[blocks, axes]) => {
                let blocks = self.sequence(blocks).ok_or_else(wrong)?.to_vec();
                let axes = self.sequence(axes).ok_or_else(wrong)?.to_vec();
                self.budget
                    .take_usize((blocks.len() + axes.len()) * size_of::<Block>())?;
                let blocks = blocks
                    .iter()
                    .map(|&block| match self.node(block) {
                        Node::Block(block) => Ok(*block),
                        _ => Err(wrong()),
                    })
                    .collect::<Result<_>>()?;
                Ok(Node::Manager(Some(Manager { axes, blocks })))
            }
            (Global::NewBlock, [values, places, ..]) if arguments.len() <= 3 => {
                Ok(Node::Block(Block {
                    values: *values,
                    places: *places,
                }))
            }
            (Global::NewIndex, &[class, parts]) => self.index_of(class, parts).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// An index of pandas from its class and its parts; `None` for others.
    fn index_of(&self, class: Id, parts: Id) -> Option<Node> {
        let name = self.entry(parts, "name")?;
        match *self.node(class) {
            Node::Global(Global::Index) => {
                let data = self.entry(parts, "data")?;
                Some(Node::Index { data, name })
            }
            Node::Global(Global::RangeIndex) => {
                let part = |key| match self.node(self.entry(parts, key)?) {
                    Node::Int(value) => Some(*value),
                    _ => None,
                };
                let range = [part("start")?, part("stop")?, part("step")?];
                (range[2] != 0).then_some(Node::Range(range, name))
            }
            _ => None,
        }
    }

    /// What `target.__setstate__(state)` would do.
    pub(super) fn set_state(&mut self, target: Id, state: Id, at: u64) -> Result<()> {
        let wrong = |what: &str| broken(at, format!("a state that {what} does not take"));
        if self.dialect == Dialect::Torch {
            // The attributes of an object are not looked at.
            return Ok(());
        }
        let made = match self.node(target) {
            Node::Unread(..) => return Ok(()),
            Node::Array(None) => self.array_state(state, at)?,
            Node::Dtype(dtype) => self.dtype_state(*dtype, state, at)?,
            Node::NewBlock => self.partial_state(state, at)?,
            Node::Manager(None) => {
                let manager = self.manager_state(state)?;
                manager.ok_or_else(|| wrong("a pandas block manager"))?
            }
            Node::Column(class) => {
                let class = *class;
                self.column(class, state, at)?
            }
            Node::Categories(_) => {
                let categories = self.entry(state, "categories");
                Node::Categories(Some(categories.ok_or_else(|| wrong("categories"))?))
            }
            Node::Frame(None) => {
                let manager = self
                    .manager_of(state)
                    .ok_or_else(|| wrong("a pandas data frame"))?;
                Node::Frame(Some(manager))
            }
            Node::Series(None) => {
                let manager = self
                    .manager_of(state)
                    .ok_or_else(|| wrong("a pandas series"))?;
                let name = self
                    .entry(state, "_name")
                    .or_else(|| self.entry(state, "name"))
                    .ok_or_else(|| wrong("a pandas series"))?;
                Node::Series(Some((manager, name)))
            }
            _ => return Err(wrong("this object")),
        };
        *self.node_mut(target) = made;
        Ok(())
    }

    fn array_state(&mut self, state: Id, at: u64) -> Result<Node> {
        let wrong = |what: &str| broken(at, format!("a state that {what} does not take"));
        let &[version, shape, dtype, fortran, data] =
            self.sequence(state).ok_or_else(|| wrong("an array"))?
        else {
            return Err(wrong("an array"));
        };
        let (Node::Int(1), Node::Bool(fortran)) = (self.node(version), self.node(fortran)) else {
            return Err(wrong("an array"));
        };
        let fortran = *fortran;
        if let Node::Unread(name, at) = self.node(dtype) {
            Ok(Node::Unread(Arc::clone(name), *at))
        } else {
            let array = self.array(shape, dtype, fortran, data, at)?;
            Ok(Node::Array(Some(array)))
        }
    }

    fn dtype_state(&self, dtype: Dtype, state: Id, at: u64) -> Result<Node> {
        let wrong = |what: &str| broken(at, format!("a state that {what} does not take"));
        let state = self.sequence(state).ok_or_else(|| wrong("a dtype"))?;
        // (version, byte order, subarray, field names, fields, size, alignment, flags)
        let [_, order, subarray, names, fields, size, ..] = *state else {
            return Err(wrong("a dtype"));
        };
        for part in [subarray, names, fields] {
            if !matches!(self.node(part), Node::None) {
                return Err(Error::Refused {
                    what: "a numpy dtype with fields or a subarray".into(),
                    at,
                });
            }
        }
        let order = match self.text_of(order).as_deref() {
            Some("<" | "=") => ByteOrder::Little,
            Some(">") => ByteOrder::Big,
            Some("|") => ByteOrder::NotApplicable,
            _ => return Err(wrong("a dtype")),
        };
        if matches!(dtype.kind, Kind::Unicode | Kind::Bytes)
            && !matches!(self.node(size), Node::Int(n) if usize::try_from(*n) == Ok(dtype.size))
        {
            return Err(wrong("a text dtype"));
        }
        Ok(Node::Dtype(dtype.with_order(order)))
    }

    /// (function, arguments, named arguments, attributes)
    fn partial_state(&self, state: Id, at: u64) -> Result<Node> {
        let wrong = |what: &str| broken(at, format!("a state that {what} does not take"));
        let &[function, arguments, named, _] =
            self.sequence(state).ok_or_else(|| wrong("partial"))?
        else {
            return Err(wrong("partial"));
        };
        let only_ndim = match self.node(named) {
            Node::Dict(entries) if entries.len() <= SHORT => entries
                .iter()
                .all(|&(key, _)| self.text_of(key).as_deref() == Some("ndim")),
            _ => false,
        };
        let no_arguments = self.sequence(arguments).is_some_and(<[_]>::is_empty);
        match self.node(function) {
            Node::Global(Global::NewBlock) if only_ndim && no_arguments => Ok(Node::NewBlock),
            _ => Err(Error::Refused {
                what: "functools.partial of anything but pandas' new_block".into(),
                at,
            }),
        }
    }

    /// `(axes, values, items, {"0.14.1": {"axes": …, "blocks": [{"values": …, "mgr_locs": …}]}})`; `None` for another state.
    fn manager_state(&mut self, state: Id) -> Result<Option<Node>> {
        let parts = || -> Option<(Vec<Id>, Vec<Id>)> {
            let extra = self.sequence(state)?.get(3).copied()?;
            let inner = self.entry(extra, "0.14.1")?;
            let axes = self.sequence(self.entry(inner, "axes")?)?.to_vec();
            let blocks = self.sequence(self.entry(inner, "blocks")?)?.to_vec();
            Some((axes, blocks))
        };
        let Some((axes, blocks)) = parts() else {
            return Ok(None);
        };
        self.budget
            .take_usize((blocks.len() + axes.len()) * size_of::<Block>())?;
        let block = |&block: &Id| {
            Some(Block {
                values: self.entry(block, "values")?,
                places: self.entry(block, "mgr_locs")?,
            })
        };
        let blocks = blocks.iter().map(block).collect::<Option<_>>();
        Ok(blocks.map(|blocks| Node::Manager(Some(Manager { axes, blocks }))))
    }

    /// `_mgr` since pandas 1.1, `_data` before.
    fn manager_of(&self, state: Id) -> Option<Id> {
        let manager = self
            .entry(state, "_mgr")
            .or_else(|| self.entry(state, "_data"))?;
        matches!(self.node(manager), Node::Manager(Some(_))).then_some(manager)
    }

    fn array(
        &mut self,
        shape: Id,
        dtype: Id,
        fortran: bool,
        data: Id,
        at: u64,
    ) -> Result<ArrayNode> {
        let Node::Dtype(dtype) = *self.node(dtype) else {
            return Err(broken(at, "an array without a dtype"));
        };
        let shape = self
            .integers(shape)
            .and_then(|shape| {
                shape
                    .iter()
                    .map(|&n| usize::try_from(n).ok())
                    .collect::<Option<Vec<_>>>()
            })
            .ok_or_else(|| broken(at, "an array with a shape that is none"))?;
        let data = match (dtype.kind, self.node(data)) {
            (Kind::Object, Node::List(_)) => ArrayData::Objects(data),
            (Kind::Object, _) => return Err(broken(at, "an object array without a list")),
            (_, Node::Bytes(bytes)) => ArrayData::Bytes(Arc::clone(bytes)),
            // Text of Python 2 that happens to be ASCII.
            (_, Node::Str(text)) if text.is_ascii() => {
                let text = Arc::clone(text);
                self.budget.take_usize(text.len())?;
                ArrayData::Bytes(Arc::new(text.as_bytes().to_vec()))
            }
            _ => return Err(broken(at, "an array without bytes")),
        };
        // A list can still grow, so object arrays are counted at the end.
        if let ArrayData::Bytes(bytes) = &data {
            let expected = count(&shape).and_then(|n| n.checked_mul(dtype.size));
            if expected != Some(bytes.len()) {
                return Err(broken(
                    at,
                    format!(
                        "an {dtype} array of shape {shape:?} with {} bytes",
                        bytes.len()
                    ),
                ));
            }
        }
        Ok(ArrayNode {
            dtype,
            shape,
            fortran,
            data,
        })
    }

    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::List(items) | Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    fn integers(&self, id: Id) -> Option<Vec<i64>> {
        self.sequence(id)
            .filter(|items| items.len() <= MAX_AXES)?
            .iter()
            .map(|&item| match self.node(item) {
                Node::Int(value) => Some(*value),
                _ => None,
            })
            .collect()
    }

    fn text_of(&self, id: Id) -> Option<String> {
        match self.node(id) {
            Node::Str(text) => Some(text.to_string()),
            Node::Bytes(bytes) => String::from_utf8(bytes.to_vec()).ok(),
            _ => None,
        }
    }

    /// The last entry of a dict under a text key.
    pub(super) fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        match self.node(dict) {
            Node::Dict(entries) if entries.len() <= SHORT => entries
                .iter()
                .rev()
                .find(|&&(name, _)| matches!(self.node(name), Node::Str(text) if &**text == key))
                .map(|&(_, value)| value),
            _ => None,
        }
    }
}
