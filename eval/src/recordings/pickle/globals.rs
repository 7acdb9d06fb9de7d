//! The names that a pickle may use.

/// What stands behind an allowed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Set,
    FrozenSet,
    ByteArray,
    Bytes,
    Complex,
    Slice,
    Partial,
    Encode,
    Reconstruct,
    Scalar,
    FromBuffer,
    NdArray,
    Dtype,
    DataFrame,
    Series,
    BlockManager,
    SingleBlockManager,
    NewBlock,
    NewIndex,
    Index,
    RangeIndex,
}

/// Module, name and meaning. Old and new places of the same thing stand side by side.
const ALLOWED: &[(&str, &str, Global)] = &[
    ("collections", "OrderedDict", Global::OrderedDict),
    ("builtins", "set", Global::Set),
    ("builtins", "frozenset", Global::FrozenSet),
    ("builtins", "bytearray", Global::ByteArray),
    ("builtins", "bytes", Global::Bytes),
    ("builtins", "complex", Global::Complex),
    ("builtins", "slice", Global::Slice),
    ("__builtin__", "set", Global::Set),
    ("__builtin__", "frozenset", Global::FrozenSet),
    ("__builtin__", "bytearray", Global::ByteArray),
    ("__builtin__", "bytes", Global::Bytes),
    ("__builtin__", "complex", Global::Complex),
    ("__builtin__", "slice", Global::Slice),
    ("_codecs", "encode", Global::Encode),
    ("functools", "partial", Global::Partial),
    ("numpy", "ndarray", Global::NdArray),
    ("numpy", "dtype", Global::Dtype),
    ("numpy.core.multiarray", "_reconstruct", Global::Reconstruct),
    (
        "numpy._core.multiarray",
        "_reconstruct",
        Global::Reconstruct,
    ),
    ("numpy.core.multiarray", "scalar", Global::Scalar),
    ("numpy._core.multiarray", "scalar", Global::Scalar),
    ("numpy.core.numeric", "_frombuffer", Global::FromBuffer),
    ("numpy._core.numeric", "_frombuffer", Global::FromBuffer),
    ("pandas.core.frame", "DataFrame", Global::DataFrame),
    ("pandas.core.series", "Series", Global::Series),
    (
        "pandas.core.internals.managers",
        "BlockManager",
        Global::BlockManager,
    ),
    (
        "pandas.core.internals.managers",
        "SingleBlockManager",
        Global::SingleBlockManager,
    ),
    (
        "pandas.core.internals.blocks",
        "new_block",
        Global::NewBlock,
    ),
    (
        "pandas._libs.internals",
        "_unpickle_block",
        Global::NewBlock,
    ),
    ("pandas.core.indexes.base", "_new_Index", Global::NewIndex),
    ("pandas.core.indexes.base", "Index", Global::Index),
    (
        "pandas.core.indexes.range",
        "RangeIndex",
        Global::RangeIndex,
    ),
    ("pandas.core.indexes.numeric", "Int64Index", Global::Index),
    ("pandas.core.indexes.numeric", "UInt64Index", Global::Index),
    ("pandas.core.indexes.numeric", "Float64Index", Global::Index),
];

/// The names that a pickle may use, as `module.name`. `functools.partial` is read only around pandas' `new_block`.
pub fn allowed_names() -> impl Iterator<Item = String> {
    ALLOWED
        .iter()
        .map(|(module, name, _)| format!("{module}.{name}"))
}

pub(super) fn find(module: &str, name: &str) -> Option<Global> {
    ALLOWED
        .iter()
        .find(|(m, n, _)| *m == module && *n == name)
        .map(|&(_, _, global)| global)
}
