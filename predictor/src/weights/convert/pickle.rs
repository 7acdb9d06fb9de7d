//! A reader of pickles as data. Nothing is imported or called: what PyTorch writes for tensors and
//! dicts is understood, any other object becomes [`Node::Other`] with its class's name. Memory is
//! bounded by the pickle's length: every instruction makes at most one value of bounded size, names
//! are shared, and copies of pairs are counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::archive::Refused;

/// A value, found by its place in [`Pickle::nodes`].
#[derive(Clone, Debug)]
pub(super) enum Node {
    None,
    Int(i64),
    Str(String),
    Tuple(Vec<usize>),
    List(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    /// `module name`.
    Global(Arc<str>),
    Storage(Arc<Storage>),
    Tensor(Stored),
    /// A value that is not read further: its class or kind.
    Other(Arc<str>),
}

#[derive(Debug)]
pub(super) struct Storage {
    /// Class of its elements, as `FloatStorage`.
    pub(super) class: String,
    /// Entry under `data/`.
    pub(super) key: String,
    /// Elements.
    pub(super) count: u64,
}

/// A tensor's place in a storage, in elements.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) storage: Arc<Storage>,
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<u64>,
}

pub(super) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(super) root: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    nodes: Vec<Node>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: BTreeMap<u64, usize>,
    /// Pairs that may still be copied out of lists.
    copies_left: usize,
}

pub(super) fn read(bytes: &[u8]) -> Result<Pickle, Refused> {
    let mut reader = Reader {
        bytes,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
        copies_left: bytes.len(),
    };
    while reader.step()? {}
    let root = reader.pop()?;
    Ok(Pickle {
        nodes: reader.nodes,
        root,
    })
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], Refused> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or("a pickle that is cut off")?;
        self.bytes = rest;
        Ok(taken)
    }

    /// An unsigned little-endian number of `width` bytes, at most 8.
    fn number(&mut self, width: usize) -> Result<u64, Refused> {
        Ok(self
            .take(width)?
            .iter()
            .rev()
            .fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn length(&mut self, width: usize) -> Result<usize, Refused> {
        usize::try_from(self.number(width)?).map_err(|e| e.to_string())
    }

    fn text(&mut self, width: usize) -> Result<String, Refused> {
        let count = self.length(width)?;
        let bytes = self.take(count)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn line(&mut self) -> Result<String, Refused> {
        let end = self.bytes.iter().position(|b| *b == b'\n');
        let end = end.ok_or("a pickle that is cut off")?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
    }

    fn pop(&mut self) -> Result<usize, Refused> {
        // What lies below a mark belongs to who set the mark.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("a pickle that takes more than it made".into());
        }
        self.stack.pop().ok_or_else(|| "an empty pickle".into())
    }

    fn since_mark(&mut self) -> Result<Vec<usize>, Refused> {
        let mark = self
            .marks
            .pop()
            .ok_or("a pickle without the mark it needs")?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&self) -> Result<usize, Refused> {
        self.stack
            .last()
            .copied()
            .ok_or_else(|| "a pickle that takes more than it made".into())
    }

    fn popped<const N: usize>(&mut self) -> Result<[usize; N], Refused> {
        let mut ids = [0; N];
        for id in ids.iter_mut().rev() {
            *id = self.pop()?;
        }
        Ok(ids)
    }

    fn memoise(&mut self, key: u64) -> Result<(), Refused> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), Refused> {
        let id = self.memo.get(&key).ok_or("a pickle that recalls nothing")?;
        self.stack.push(*id);
        Ok(())
    }

    fn extend_list(&mut self, items: Vec<usize>) -> Result<(), Refused> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::List(list) => list.extend(items),
            Node::Other(_) => {}
            other => return Err(format!("items for a {}", other.kind())),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[usize]) -> Result<(), Refused> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::Dict(dict) => {
                if items.len() % 2 == 1 {
                    return Err("a key without a value".into());
                }
                dict.extend(items.chunks_exact(2).map(|p| (p[0], p[1])));
            }
            Node::Other(_) => {}
            other => return Err(format!("entries for a {}", other.kind())),
        }
        Ok(())
    }

    /// One instruction; false at the end.
    fn step(&mut self) -> Result<bool, Refused> {
        let op = self.take(1)?[0];
        match op {
            b'.' => return Ok(false),
            0x80 => {
                let version = self.number(1)?;
                if version > 5 {
                    return Err(format!("a pickle of protocol {version}"));
                }
            }
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Int(1)),
            0x89 => self.push(Node::Int(0)),
            b'J' => {
                let n = self.number(4)? as u32;
                self.push(Node::Int(i64::from(n.cast_signed())));
            }
            b'K' => {
                let n = self.number(1)?;
                self.push(Node::Int(n.cast_signed()));
            }
            b'M' => {
                let n = self.number(2)?;
                self.push(Node::Int(n.cast_signed()));
            }
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Node::Other("float".into()));
            }
            b'X' | b'T' => {
                let text = self.text(4)?;
                self.push(Node::Str(text));
            }
            0x8c | b'U' => {
                let text = self.text(1)?;
                self.push(Node::Str(text));
            }
            0x8d => {
                let text = self.text(8)?;
                self.push(Node::Str(text));
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let width = match op {
                    b'B' => 4,
                    b'C' => 1,
                    _ => 8,
                };
                let count = self.length(width)?;
                self.take(count)?;
                self.push(Node::Other("bytes".into()));
            }
            b')' => self.push(Node::Tuple(Vec::new())),
            b't' => {
                let items = self.since_mark()?;
                self.push(Node::Tuple(items));
            }
            0x85 => {
                let items = self.popped::<1>()?;
                self.push(Node::Tuple(items.to_vec()));
            }
            0x86 => {
                let items = self.popped::<2>()?;
                self.push(Node::Tuple(items.to_vec()));
            }
            0x87 => {
                let items = self.popped::<3>()?;
                self.push(Node::Tuple(items.to_vec()));
            }
            b']' => self.push(Node::List(Vec::new())),
            b'l' => {
                let items = self.since_mark()?;
                self.push(Node::List(items));
            }
            b'a' => {
                let [item] = self.popped()?;
                self.extend_list(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.extend_list(items)?;
            }
            b'}' => self.push(Node::Dict(Vec::new())),
            b'd' => {
                let items = self.since_mark()?;
                self.push(Node::Dict(Vec::new()));
                self.extend_dict(&items)?;
            }
            b's' => {
                let items = self.popped::<2>()?;
                self.extend_dict(&items)?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.extend_dict(&items)?;
            }
            0x8f => self.push(Node::Other("set".into())),
            0x90 => drop(self.since_mark()?),
            0x91 => {
                self.since_mark()?;
                self.push(Node::Other("frozenset".into()));
            }
            b'c' => {
                let name = format!("{} {}", self.line()?, self.line()?);
                self.push(Node::Global(name.into()));
            }
            0x93 => {
                let [module, name] = self.popped()?;
                let name = format!("{} {}", self.name(module)?, self.name(name)?);
                self.push(Node::Global(name.into()));
            }
            b'R' | 0x81 => {
                let [callable, args] = self.popped()?;
                let node = self.call(callable, args)?;
                self.push(node);
            }
            0x92 => {
                let [callable, args, _] = self.popped()?;
                let node = self.call(callable, args)?;
                self.push(node);
            }
            // An object's attributes are not looked at.
            b'b' => drop(self.pop()?),
            b'Q' => {
                let [id] = self.popped()?;
                let storage = self.storage(id)?;
                self.push(Node::Storage(Arc::new(storage)));
            }
            b'q' => {
                let key = self.number(1)?;
                self.memoise(key)?;
            }
            b'r' => {
                let key = self.number(4)?;
                self.memoise(key)?;
            }
            0x94 => self.memoise(self.memo.len() as u64)?,
            b'h' => {
                let key = self.number(1)?;
                self.recall(key)?;
            }
            b'j' => {
                let key = self.number(4)?;
                self.recall(key)?;
            }
            other => return Err(format!("the pickle instruction 0x{other:02x}")),
        }
        Ok(true)
    }

    fn long(&mut self) -> Result<(), Refused> {
        let width = self.length(1)?;
        if width > 8 {
            self.take(width)?;
            self.push(Node::Other("long".into()));
            return Ok(());
        }
        let n = self.number(width)?;
        let unused = 64 - 8 * width as u32;
        let n = if width == 0 {
            0
        } else {
            (n << unused).cast_signed() >> unused
        };
        self.push(Node::Int(n));
        Ok(())
    }

    fn str(&self, id: usize) -> Result<&str, Refused> {
        match &self.nodes[id] {
            Node::Str(text) => Ok(text),
            other => Err(format!("a {} in the place of text", other.kind())),
        }
    }

    /// Text that is short, as names are.
    fn name(&self, id: usize) -> Result<&str, Refused> {
        let text = self.str(id)?;
        if text.len() > 256 {
            return Err(format!("a name of {} bytes", text.len()));
        }
        Ok(text)
    }

    fn count(&self, id: usize) -> Result<u64, Refused> {
        match &self.nodes[id] {
            Node::Int(n) => u64::try_from(*n).map_err(|_| format!("the length {n}")),
            other => Err(format!("a {} in the place of a length", other.kind())),
        }
    }

    fn tuple(&self, id: usize) -> Result<&[usize], Refused> {
        match &self.nodes[id] {
            Node::Tuple(items) => Ok(items),
            other => Err(format!("a {} in the place of a tuple", other.kind())),
        }
    }

    /// `("storage", class, key, device, count)`.
    fn storage(&self, id: usize) -> Result<Storage, Refused> {
        let &[kind, class, key, _, count] = self.tuple(id)? else {
            return Err("a storage of another form".into());
        };
        let Node::Global(class) = &self.nodes[class] else {
            return Err("a storage without a class".into());
        };
        if self.name(kind)? != "storage" {
            return Err(format!("a stored {}", self.name(kind)?));
        }
        Ok(Storage {
            class: class.rsplit(' ').next().unwrap_or_default().to_string(),
            key: self.name(key)?.to_string(),
            count: self.count(count)?,
        })
    }

    fn call(&mut self, callable: usize, args: usize) -> Result<Node, Refused> {
        let Node::Global(name) = &self.nodes[callable] else {
            return Ok(Node::Other("object".into()));
        };
        let name = Arc::clone(name);
        match &*name {
            "collections OrderedDict" => self.ordered_dict(args),
            "torch._utils _rebuild_tensor_v2" => self.tensor(args).map(Node::Tensor),
            "torch._utils _rebuild_parameter" => match self.tuple(args)? {
                [data, ..] => match &self.nodes[*data] {
                    Node::Tensor(tensor) => Ok(Node::Tensor(tensor.clone())),
                    other => Err(format!("a parameter of a {}", other.kind())),
                },
                [] => Err("a parameter of nothing".into()),
            },
            "torch._tensor _rebuild_from_type_v2" => match *self.tuple(args)? {
                [function, _, args, _]
                    if matches!(&self.nodes[function], Node::Global(name)
                        if &**name == "torch._utils _rebuild_tensor_v2") =>
                {
                    self.tensor(args).map(Node::Tensor)
                }
                _ => Ok(Node::Other(name)),
            },
            _ => Ok(Node::Other(name)),
        }
    }

    fn ordered_dict(&mut self, args: usize) -> Result<Node, Refused> {
        let Some(pairs) = self.tuple(args)?.first() else {
            return Ok(Node::Dict(Vec::new()));
        };
        let Node::List(pairs) = &self.nodes[*pairs] else {
            return Err("an ordered dict of something else than a list".into());
        };
        self.copies_left = self
            .copies_left
            .checked_sub(pairs.len())
            .ok_or("a pickle that copies more than it holds")?;
        let entries = pairs.iter().map(|pair| match self.nodes[*pair] {
            Node::Tuple(ref pair) | Node::List(ref pair) if pair.len() == 2 => {
                Ok((pair[0], pair[1]))
            }
            _ => Err("an ordered dict of something else than pairs".to_string()),
        });
        Ok(Node::Dict(entries.collect::<Result<_, _>>()?))
    }

    /// `(storage, offset, shape, strides, …)`.
    fn tensor(&self, args: usize) -> Result<Stored, Refused> {
        let &[storage, offset, shape, strides, ..] = self.tuple(args)? else {
            return Err("a tensor of another form".into());
        };
        let Node::Storage(storage) = &self.nodes[storage] else {
            return Err("a tensor without a storage".into());
        };
        let rank = self.tuple(shape)?.len();
        if rank != self.tuple(strides)?.len() || rank > 8 {
            return Err("a tensor whose shape and strides do not fit".into());
        }
        let counts = |id| -> Result<Vec<u64>, Refused> {
            self.tuple(id)?.iter().map(|n| self.count(*n)).collect()
        };
        let (shape, strides) = (counts(shape)?, counts(strides)?);
        let shape = shape
            .into_iter()
            .map(|n| usize::try_from(n).map_err(|e| e.to_string()))
            .collect::<Result<_, _>>()?;
        Ok(Stored {
            storage: Arc::clone(storage),
            offset: self.count(offset)?,
            shape,
            strides,
        })
    }
}

impl Node {
    pub(super) fn kind(&self) -> String {
        match self {
            Self::None => "None".into(),
            Self::Int(_) => "number".into(),
            Self::Str(_) => "text".into(),
            Self::Tuple(_) => "tuple".into(),
            Self::List(_) => "list".into(),
            Self::Dict(_) => "dict".into(),
            Self::Global(name) => format!("class {name}"),
            Self::Storage(_) => "storage".into(),
            Self::Tensor(_) => "tensor".into(),
            Self::Other(class) => class.to_string(),
        }
    }
}
