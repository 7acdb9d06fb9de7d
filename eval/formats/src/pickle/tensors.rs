//! PyTorch's part of a pickle: tensors as places in storages.

use std::io::Read;
use std::sync::Arc;

use crate::error::Result;

use super::globals::Global;
use super::machine::{Id, Machine, Node};
use super::stream::broken;

/// Most axes of a tensor.
const MAX_AXES: usize = 8;
/// Longest name of a storage or class, bytes.
const LONGEST_NAME: usize = 256;

/// Where the values of tensors stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Class of its elements, as `FloatStorage`.
    pub class: String,
    /// Its entry of the archive, under `data/`.
    pub key: String,
    /// Elements.
    pub count: u64,
}

/// A tensor's place in a storage; offset and strides in elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Which storage.
    pub storage: Arc<Storage>,
    /// Its first element.
    pub offset: u64,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// From one element of an axis to the next.
    pub strides: Vec<u64>,
}

impl<R: Read> Machine<R> {
    /// `("storage", class, key, device, count)`.
    pub(super) fn storage(&self, id: Id, at: u64) -> Result<Storage> {
        let Node::Tuple(items) = self.node(id) else {
            return Err(broken(at, "a persistent id that is no storage"));
        };
        let &[kind, class, key, _, count] = &**items else {
            return Err(broken(at, "a storage of another form"));
        };
        let Node::Unread(class, _) = self.node(class) else {
            return Err(broken(at, "a storage without a class"));
        };
        if self.name(kind, at)? != "storage" {
            return Err(broken(at, "a persistent id that is no storage"));
        }
        Ok(Storage {
            class: class.rsplit('.').next().unwrap_or_default().to_owned(),
            key: self.name(key, at)?.to_owned(),
            count: self.length(count, at)?,
        })
    }

    /// What one of PyTorch's functions would make.
    pub(super) fn call_torch(&mut self, global: Global, arguments: &[Id], at: u64) -> Result<Node> {
        match (global, arguments) {
            (Global::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                let tensor = self.tensor([storage, offset, shape, strides], at)?;
                Ok(Node::Tensor(tensor))
            }
            (Global::RebuildParameter, &[data, ..]) => match self.node(data) {
                Node::Tensor(tensor) => {
                    let tensor = tensor.clone();
                    self.budget.take_usize(16 * tensor.shape.len())?;
                    Ok(Node::Tensor(tensor))
                }
                other => Err(broken(at, format!("a parameter of a {}", other.kind()))),
            },
            // (function, class, arguments, state)
            (Global::RebuildFromType, &[function, _, arguments, _]) => {
                match (self.node(function), self.node(arguments)) {
                    (Node::Global(Global::RebuildTensor), Node::Tuple(arguments)) => {
                        let arguments = arguments.clone();
                        self.call_torch(Global::RebuildTensor, &arguments, at)
                    }
                    _ => Ok(Node::Unread(
                        "torch._tensor._rebuild_from_type_v2".into(),
                        at,
                    )),
                }
            }
            _ => Err(broken(at, "a tensor of another form")),
        }
    }

    fn tensor(&mut self, [storage, offset, shape, strides]: [Id; 4], at: u64) -> Result<Tensor> {
        let Node::Storage(storage) = self.node(storage) else {
            return Err(broken(at, "a tensor without a storage"));
        };
        let lengths = |id| -> Result<Vec<u64>> {
            match self.node(id) {
                Node::Tuple(items) if items.len() <= MAX_AXES => {
                    items.iter().map(|&n| self.length(n, at)).collect()
                }
                _ => Err(broken(at, "a tensor whose shape is none")),
            }
        };
        let (shape, strides) = (lengths(shape)?, lengths(strides)?);
        if shape.len() != strides.len() {
            return Err(broken(at, "a tensor whose shape and strides do not fit"));
        }
        let shape = shape
            .into_iter()
            .map(|n| usize::try_from(n).map_err(|_| broken(at, format!("the length {n}"))))
            .collect::<Result<Vec<_>>>()?;
        let tensor = Tensor {
            storage: Arc::clone(storage),
            offset: self.length(offset, at)?,
            shape,
            strides,
        };
        self.budget.take_usize(16 * tensor.shape.len())?;
        Ok(tensor)
    }

    fn length(&self, id: Id, at: u64) -> Result<u64> {
        match self.node(id) {
            Node::Int(n) => u64::try_from(*n).map_err(|_| broken(at, format!("the length {n}"))),
            other => Err(broken(
                at,
                format!("a {} in the place of a length", other.kind()),
            )),
        }
    }

    /// Text that is short, as names are.
    fn name(&self, id: Id, at: u64) -> Result<&str> {
        match self.node(id) {
            Node::Str(text) if text.len() <= LONGEST_NAME => Ok(text),
            Node::Str(text) => Err(broken(at, format!("a name of {} bytes", text.len()))),
            other => Err(broken(
                at,
                format!("a {} in the place of text", other.kind()),
            )),
        }
    }
}

/// What a pickle of PyTorch's holds, object by object.
#[derive(Debug)]
pub struct Objects {
    nodes: Vec<Node>,
    root: Id,
}

impl Objects {
    pub(crate) fn new(nodes: Vec<Node>, root: Id) -> Self {
        Self { nodes, root }
    }

    /// The object that was pickled.
    #[must_use]
    pub fn root(&self) -> Object<'_> {
        Object {
            all: self,
            id: self.root,
        }
    }
}

/// One object of a file; shared ones are met once for each way to them.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    all: &'a Objects,
    id: Id,
}

impl PartialEq for Object<'_> {
    /// Whether both are the same object.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && std::ptr::eq(self.all, other.all)
    }
}

impl<'a> Object<'a> {
    fn node(self) -> &'a Node {
        &self.all.nodes[self.id as usize]
    }

    fn other(self, id: Id) -> Self {
        Self { id, ..self }
    }

    /// What it is, for messages: `dict`, `tensor`, `number`, the name of a class.
    #[must_use]
    pub fn kind(self) -> String {
        self.node().kind()
    }

    /// The pairs of a dict, in the order of the file.
    #[must_use]
    pub fn entries(self) -> Option<impl Iterator<Item = (Self, Self)>> {
        match self.node() {
            Node::Dict(entries) => Some(
                entries
                    .iter()
                    .map(move |&(k, v)| (self.other(k), self.other(v))),
            ),
            _ => None,
        }
    }

    /// The items of a list or a tuple.
    #[must_use]
    pub fn items(self) -> Option<impl Iterator<Item = Self>> {
        match self.node() {
            Node::List(items) | Node::Tuple(items) => {
                Some(items.iter().map(move |&id| self.other(id)))
            }
            _ => None,
        }
    }

    /// Text.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        match self.node() {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        match self.node() {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A tensor.
    #[must_use]
    pub fn tensor(self) -> Option<&'a Tensor> {
        match self.node() {
            Node::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }
}
