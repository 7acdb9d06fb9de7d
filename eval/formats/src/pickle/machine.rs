//! The stack machine: instructions in, a flat list of nodes out.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use crate::error::{Error, Result, quoted};
use crate::limits::{Budget, Limits, check_count};
use crate::value::Dtype;

use super::globals::{self, Global};
use super::stream::{Stream, broken};
use super::tensors::{Storage, Tensor};

/// Place of a node in the list.
pub(crate) type Id = u32;

/// An object under construction. It refers to others by their place, so that shared objects are shared and a deep one
/// needs no deep recursion.
#[derive(Debug)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i64),
    BigInt(Arc<str>),
    Float(f64),
    Complex(f64, f64),
    Str(Arc<str>),
    Bytes(Arc<Vec<u8>>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Slice([Id; 3]),
    Global(Global),
    Dtype(Dtype),
    /// Empty until its state arrives.
    Array(Option<ArrayNode>),
    Scalar(Dtype, Arc<Vec<u8>>),
    /// `functools.partial` of pandas' `new_block`.
    NewBlock,
    Block(Block),
    Manager(Option<Manager>),
    Range([i64; 3], Id),
    Index {
        data: Id,
        name: Id,
    },
    /// The manager, and the row labels where they are stated apart.
    Frame(Option<Id>),
    Series(Option<(Id, Id)>),
    /// An array of pandas' own, of this class, until its state arrives.
    Column(Global),
    /// The categories of such an array: an index.
    Categories(Option<Id>),
    /// Codes, and the index of what they stand for.
    Categorical(Id, Id),
    /// PyTorch's.
    Storage(Arc<Storage>),
    Tensor(Tensor),
    /// Something that is not read further: the name it came under, and where.
    Unread(Arc<str>, u64),
}

impl Node {
    /// What it is, in a word or two.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::None => "None".into(),
            Self::Bool(_) | Self::Int(_) | Self::BigInt(_) => "number".into(),
            Self::Float(_) => "float".into(),
            Self::Str(_) => "text".into(),
            Self::Bytes(_) => "bytes".into(),
            Self::List(_) => "list".into(),
            Self::Tuple(_) => "tuple".into(),
            Self::Set(_) => "set".into(),
            Self::Dict(_) => "dict".into(),
            Self::Storage(_) => "storage".into(),
            Self::Tensor(_) => "tensor".into(),
            Self::Global(global) => format!("class {global:?}"),
            Self::Unread(name, _) => name.to_string(),
            _ => "object".into(),
        }
    }
}

/// What a machine makes of the names in a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// numpy arrays and pandas frames; a name of another kind ends the reading.
    Tables,
    /// Tensors; objects of other names are kept as their names.
    Torch,
}

#[derive(Debug, Clone)]
pub(crate) struct ArrayNode {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) fortran: bool,
    pub(super) data: ArrayData,
}

#[derive(Debug, Clone)]
pub(crate) enum ArrayData {
    Bytes(Arc<Vec<u8>>),
    /// A list of objects.
    Objects(Id),
}

/// Values of some columns, `[column, row]`, and which columns these are (a slice or an array).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(super) values: Id,
    pub(super) places: Id,
}

#[derive(Debug)]
pub(crate) struct Manager {
    pub(super) axes: Vec<Id>,
    pub(super) blocks: Vec<Block>,
}

pub(crate) struct Machine<R> {
    stream: Stream<R>,
    pub(super) dialect: Dialect,
    pub(super) budget: Budget,
    limits: Limits,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<R: Read> Machine<R> {
    pub(crate) fn new(source: R, dialect: Dialect, limits: &Limits) -> Result<Self> {
        let mut stream = Stream::new(source, limits);
        match stream.array::<2>()? {
            [0x80, 2..=5] => Ok(Self {
                stream,
                dialect,
                budget: Budget::new(limits),
                limits: *limits,
                nodes: Vec::new(),
                stack: Vec::new(),
                marks: Vec::new(),
                memo: HashMap::new(),
            }),
            [0x80, protocol] => Err(broken(
                1,
                format!("protocol {protocol}; protocols 2 to 5 are read"),
            )),
            _ => Err(broken(
                0,
                "this is no pickle of protocol 2 to 5: it does not begin with 0x80",
            )),
        }
    }

    /// Follow the instructions to the end.
    pub(crate) fn run(mut self) -> Result<(Vec<Node>, Id, Budget)> {
        loop {
            let at = self.stream.at();
            let code = self.stream.byte()?;
            if code == b'.' {
                break;
            }
            self.step(code, at)?;
        }
        let at = self.stream.at();
        let root = self.pop(at)?;
        if !self.stack.is_empty() || !self.marks.is_empty() {
            return Err(broken(at, "objects are left over at the end"));
        }
        self.stream.end()?;
        Ok((self.nodes, root, self.budget))
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each instruction")]
    fn step(&mut self, code: u8, at: u64) -> Result<()> {
        match code {
            // Protocol and frame.
            0x80 => {
                let protocol = self.stream.byte()?;
                if !(2..=5).contains(&protocol) {
                    return Err(broken(at, format!("protocol {protocol}")));
                }
            }
            0x95 => {
                let length = u64::from_le_bytes(self.stream.array()?);
                if length > self.limits.bytes {
                    return Err(Error::Limit {
                        what: "bytes of a frame of the pickle",
                        limit: self.limits.bytes,
                        needed: length,
                    });
                }
            }
            // Constants.
            b'N' => self.push(Node::None)?,
            0x88 => self.push(Node::Bool(true))?,
            0x89 => self.push(Node::Bool(false))?,
            b'K' => {
                let value = self.stream.byte()?;
                self.push(Node::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.stream.array()?);
                self.push(Node::Int(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.stream.array()?);
                self.push(Node::Int(value.into()))?;
            }
            0x8a => {
                let length = self.stream.byte()?;
                self.long(length.into())?;
            }
            0x8b => {
                let length = i32::from_le_bytes(self.stream.array()?);
                let length = u64::try_from(length)
                    .map_err(|_| broken(at, "an int has a negative length"))?;
                self.long(length)?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.stream.array()?);
                self.push(Node::Float(value))?;
            }
            // Text and bytes.
            0x8c => {
                let length = self.stream.byte()?;
                self.text(length.into(), at)?;
            }
            b'X' => {
                let length = u32::from_le_bytes(self.stream.array()?);
                self.text(length.into(), at)?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.stream.array()?);
                self.text(length, at)?;
            }
            b'C' => {
                let length = self.stream.byte()?;
                self.bytes(length.into())?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.stream.array()?);
                self.bytes(length.into())?;
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.stream.array()?);
                self.bytes(length)?;
            }
            // Text of Python 2: text where it is ASCII, bytes where it is not.
            b'U' => {
                let length = self.stream.byte()?;
                self.old_text(length.into())?;
            }
            b'T' => {
                let length = i32::from_le_bytes(self.stream.array()?);
                let length = u64::try_from(length)
                    .map_err(|_| broken(at, "a text has a negative length"))?;
                self.old_text(length)?;
            }
            // Containers.
            b'(' => {
                check_count(
                    "marks of the pickle's stack",
                    self.marks.len() + 1,
                    self.limits.objects,
                )?;
                self.budget.take_usize(size_of::<usize>())?;
                self.marks.push(self.stack.len());
            }
            b')' => self.push(Node::Tuple(Vec::new()))?,
            b']' => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            0x8f => self.push(Node::Set(Vec::new()))?,
            0x85..=0x87 => {
                let length = usize::from(code - 0x84);
                let items = self.pop_many(length, at)?;
                self.push(Node::Tuple(items))?;
            }
            b't' => {
                let items = self.pop_mark(at)?;
                self.push(Node::Tuple(items))?;
            }
            b'l' => {
                let items = self.pop_mark(at)?;
                self.push(Node::List(items))?;
            }
            b'd' => {
                let items = self.pop_mark(at)?;
                let pairs = pairs(&items, at)?;
                self.push(Node::Dict(pairs))?;
            }
            0x91 => {
                let items = self.pop_mark(at)?;
                self.push(Node::Set(items))?;
            }
            b'a' => {
                let item = self.pop(at)?;
                self.append(&[item], at)?;
            }
            b'e' => {
                let items = self.pop_mark(at)?;
                self.append(&items, at)?;
            }
            b's' => {
                let items = self.pop_many(2, at)?;
                self.set_items(&items, at)?;
            }
            b'u' => {
                let items = self.pop_mark(at)?;
                self.set_items(&items, at)?;
            }
            0x90 => {
                let items = self.pop_mark(at)?;
                self.budget.take_usize(items.len() * size_of::<Id>())?;
                let target = self.top(at)?;
                match self.node_mut(target) {
                    Node::Set(into) => into.extend_from_slice(&items),
                    Node::Unread(..) => {}
                    _ => return Err(broken(at, "adds items to something that is no set")),
                }
            }
            // Stack and memo.
            b'0' => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop(at)?;
                }
            }
            b'1' => {
                self.pop_mark(at)?;
            }
            b'2' => {
                let id = self.top(at)?;
                self.push_id(id)?;
            }
            0x94 => {
                let key =
                    u32::try_from(self.memo.len()).map_err(|_| broken(at, "the memo is full"))?;
                self.put(key, at)?;
            }
            b'q' => {
                let key = self.stream.byte()?;
                self.put(key.into(), at)?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.stream.array()?);
                self.put(key, at)?;
            }
            b'h' => {
                let key = self.stream.byte()?;
                self.fetch(key.into(), at)?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.stream.array()?);
                self.fetch(key, at)?;
            }
            // Names, and what is made with them.
            b'c' => {
                let module = self.stream.line()?;
                let name = self.stream.line()?;
                self.global(&module, &name, at)?;
            }
            0x93 => {
                let items = self.pop_many(2, at)?;
                let [module, name] = [items[0], items[1]].map(|id| match self.node(id) {
                    Node::Str(text) => Some(Arc::clone(text)),
                    _ => None,
                });
                let (Some(module), Some(name)) = (module, name) else {
                    return Err(broken(at, "a name that is no text"));
                };
                self.global(&module, &name, at)?;
            }
            b'R' | 0x81 => {
                let items = self.pop_many(2, at)?;
                let made = self.call(items[0], items[1], at)?;
                self.push(made)?;
            }
            0x92 => {
                let items = self.pop_many(3, at)?;
                match self.node(items[2]) {
                    Node::Dict(entries) if entries.is_empty() => {}
                    _ if self.dialect == Dialect::Torch => {}
                    _ => {
                        return Err(Error::Refused {
                            what: "an object made with named arguments".into(),
                            at,
                        });
                    }
                }
                let made = self.call(items[0], items[1], at)?;
                self.push(made)?;
            }
            b'b' => {
                let state = self.pop(at)?;
                let target = self.top(at)?;
                self.set_state(target, state, at)?;
            }
            b'Q' if self.dialect == Dialect::Torch => {
                let id = self.pop(at)?;
                let storage = self.storage(id, at)?;
                self.push(Node::Storage(Arc::new(storage)))?;
            }
            other => {
                let what = match other {
                    b'P' | b'Q' => "a persistent id (an object outside of the file)".into(),
                    0x82..=0x84 => "an extension code (a name outside of the file)".into(),
                    0x97 | 0x98 => "an out-of-band buffer (data outside of the file)".into(),
                    b'i' | b'o' => "an object made by an instruction of protocol 0 or 1".into(),
                    b'I' | b'L' | b'F' | b'S' | b'V' | b'p' | b'g' => {
                        format!("the instruction '{}' of protocol 0", char::from(other))
                    }
                    _ => return Err(broken(at, format!("unknown instruction 0x{other:02x}"))),
                };
                return Err(Error::Refused { what, at });
            }
        }
        Ok(())
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    pub(super) fn add(&mut self, node: Node) -> Result<Id> {
        check_count(
            "objects of the pickle",
            self.nodes.len() + 1,
            self.limits.objects.min(u32::MAX as usize),
        )?;
        self.budget.take_usize(size_of::<Node>())?;
        let id = Id::try_from(self.nodes.len()).map_err(|_| Error::Limit {
            what: "objects of the pickle",
            limit: u32::MAX.into(),
            needed: self.nodes.len() as u64,
        })?;
        self.nodes.push(node);
        Ok(id)
    }

    fn push(&mut self, node: Node) -> Result<()> {
        let id = self.add(node)?;
        self.push_id(id)
    }

    fn push_id(&mut self, id: Id) -> Result<()> {
        check_count(
            "entries of the pickle's stack",
            self.stack.len() + 1,
            self.limits.objects,
        )?;
        self.stack.push(id);
        Ok(())
    }

    /// Height of the stack that belongs to the innermost mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self, at: u64) -> Result<Id> {
        if self.stack.len() <= self.floor() {
            return Err(broken(at, "the stack is empty"));
        }
        self.stack
            .last()
            .copied()
            .ok_or_else(|| broken(at, "the stack is empty"))
    }

    fn pop(&mut self, at: u64) -> Result<Id> {
        let id = self.top(at)?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_many(&mut self, length: usize, at: u64) -> Result<Vec<Id>> {
        let start = self
            .stack
            .len()
            .checked_sub(length)
            .filter(|&start| start >= self.floor())
            .ok_or_else(|| broken(at, format!("needs {length} objects on the stack")))?;
        Ok(self.stack.split_off(start))
    }

    fn pop_mark(&mut self, at: u64) -> Result<Vec<Id>> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| broken(at, "there is no mark on the stack"))?;
        let items = self.stack.split_off(mark);
        self.budget.take_usize(items.len() * size_of::<Id>())?;
        Ok(items)
    }

    fn put(&mut self, key: u32, at: u64) -> Result<()> {
        let id = self.top(at)?;
        if !self.memo.contains_key(&key) {
            check_count(
                "entries of the pickle's memo",
                self.memo.len() + 1,
                self.limits.memo,
            )?;
            self.budget.take_usize(2 * size_of::<(u32, Id)>())?;
        }
        self.memo.insert(key, id);
        Ok(())
    }

    fn fetch(&mut self, key: u32, at: u64) -> Result<()> {
        let id = *self
            .memo
            .get(&key)
            .ok_or_else(|| broken(at, format!("the memo has no entry {key}")))?;
        self.push_id(id)
    }

    fn long(&mut self, length: u64) -> Result<()> {
        // 2^8192 has 2,467 digits; no recording needs more.
        if length > 1024 {
            return Err(Error::Limit {
                what: "bytes of one int",
                limit: 1024,
                needed: length,
            });
        }
        let bytes = self.stream.bytes(length, &mut self.budget)?;
        self.push(int_from_le(&bytes))
    }

    fn text(&mut self, length: u64, at: u64) -> Result<()> {
        let bytes = self.stream.bytes(length, &mut self.budget)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| broken(at, "a text is not UTF-8"))?;
        self.push(Node::Str(text.into()))
    }

    fn old_text(&mut self, length: u64) -> Result<()> {
        let bytes = self.stream.bytes(length, &mut self.budget)?;
        let node = match std::str::from_utf8(&bytes) {
            Ok(text) if text.is_ascii() => Node::Str(text.into()),
            _ => Node::Bytes(Arc::new(bytes)),
        };
        self.push(node)
    }

    fn bytes(&mut self, length: u64) -> Result<()> {
        let bytes = self.stream.bytes(length, &mut self.budget)?;
        self.push(Node::Bytes(Arc::new(bytes)))
    }

    fn append(&mut self, items: &[Id], at: u64) -> Result<()> {
        self.budget.take_usize(size_of_val(items))?;
        let target = self.top(at)?;
        match self.node_mut(target) {
            Node::List(into) => into.extend_from_slice(items),
            Node::Unread(..) => {}
            _ => return Err(broken(at, "appends to something that is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id], at: u64) -> Result<()> {
        self.budget.take_usize(size_of_val(items))?;
        let pairs = pairs(items, at)?;
        let target = self.top(at)?;
        match self.node_mut(target) {
            Node::Dict(into) => into.extend(pairs),
            Node::Unread(..) => {}
            _ => return Err(broken(at, "sets items of something that is no dict")),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str, at: u64) -> Result<()> {
        let node = match globals::find(self.dialect, module, name) {
            Some(Global::Missing) => Node::None,
            Some(global) => Node::Global(global),
            None if globals::may_be_unread(self.dialect, module) => {
                self.budget.take_usize(module.len() + name.len())?;
                Node::Unread(format!("{module}.{name}").into(), at)
            }
            None => {
                return Err(Error::Refused {
                    what: quoted(&format!("{module}.{name}")),
                    at,
                });
            }
        };
        self.push(node)
    }
}

fn pairs(items: &[Id], at: u64) -> Result<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(broken(at, "a key without a value"));
    }
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}

/// Two's complement, lowest byte first.
fn int_from_le(bytes: &[u8]) -> Node {
    let negative = bytes.last().is_some_and(|&b| b & 0x80 != 0);
    if bytes.len() <= 8 {
        let mut padded = [if negative { 0xff } else { 0 }; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        return Node::Int(i64::from_le_bytes(padded));
    }
    // Magnitude in 32-bit limbs, then decimal digits nine at a time.
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in &mut magnitude {
            let (value, overflow) = (!*byte).overflowing_add(u8::from(carry));
            *byte = value;
            carry = overflow;
        }
    }
    let mut limbs: Vec<u32> = magnitude
        .chunks(4)
        .map(|chunk| {
            let mut padded = [0; 4];
            padded[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(padded)
        })
        .collect();
    let mut groups = Vec::new();
    loop {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        if limbs.is_empty() {
            break;
        }
        let mut remainder = 0_u64;
        for limb in limbs.iter_mut().rev() {
            let value = remainder << 32 | u64::from(*limb);
            #[allow(clippy::cast_possible_truncation, reason = "a quotient of 32 bits")]
            {
                *limb = (value / 1_000_000_000) as u32;
            }
            remainder = value % 1_000_000_000;
        }
        groups.push(remainder);
    }
    let mut digits = String::new();
    for (place, group) in groups.iter().rev().enumerate() {
        digits += &if place == 0 {
            group.to_string()
        } else {
            format!("{group:09}")
        };
    }
    if negative {
        digits.insert(0, '-');
    }
    match digits.parse() {
        Ok(value) => Node::Int(value),
        Err(_) if digits.is_empty() => Node::Int(0),
        Err(_) => Node::BigInt(digits.into()),
    }
}
