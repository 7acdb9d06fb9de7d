//! The names that a pickle may use.

use super::machine::Dialect;

/// What stands behind an allowed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
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
    Missing,
    GetAttr,
    ArrowType,
    ArrowBuffer,
    ArrowArray,
    ArrowChunks,
    Backed,
    StringArray,
    Categorical,
    CategoricalType,
    RebuildTensor,
    RebuildParameter,
    RebuildFromType,
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
    ("pandas", "DataFrame", Global::DataFrame),
    ("pandas", "Series", Global::Series),
    ("pandas", "Index", Global::Index),
    ("pandas", "RangeIndex", Global::RangeIndex),
    ("pandas", "NA", Global::Missing),
    ("pandas._libs.missing", "NA", Global::Missing),
    // Attributes of what is not read anyway.
    ("builtins", "getattr", Global::GetAttr),
    ("pyarrow.lib", "type_for_alias", Global::ArrowType),
    ("pyarrow.lib", "py_buffer", Global::ArrowBuffer),
    ("pyarrow.lib", "_restore_array", Global::ArrowArray),
    ("pyarrow.lib", "chunked_array", Global::ArrowChunks),
    (
        "pandas._libs.arrays",
        "__pyx_unpickle_NDArrayBacked",
        Global::Backed,
    ),
    ("pandas.arrays", "ArrowStringArray", Global::StringArray),
    ("pandas.arrays", "StringArray", Global::StringArray),
    (
        "pandas.core.arrays.string_",
        "StringArray",
        Global::StringArray,
    ),
    (
        "pandas.core.arrays.string_",
        "StringArrayNumpySemantics",
        Global::StringArray,
    ),
    (
        "pandas.core.arrays.string_arrow",
        "ArrowStringArray",
        Global::StringArray,
    ),
    (
        "pandas.core.arrays.string_arrow",
        "ArrowStringArrayNumpySemantics",
        Global::StringArray,
    ),
    ("pandas", "Categorical", Global::Categorical),
    (
        "pandas.core.arrays.categorical",
        "Categorical",
        Global::Categorical,
    ),
    ("pandas", "CategoricalDtype", Global::CategoricalType),
    (
        "pandas.core.dtypes.dtypes",
        "CategoricalDtype",
        Global::CategoricalType,
    ),
    ("pandas.core.indexes.numeric", "Int64Index", Global::Index),
    ("pandas.core.indexes.numeric", "UInt64Index", Global::Index),
    ("pandas.core.indexes.numeric", "Float64Index", Global::Index),
];

/// The names that a pickle may use, as `module.name`. `functools.partial` is read only around pandas' `new_block`,
/// `builtins.getattr` only of what is not read.
pub fn allowed_names() -> impl Iterator<Item = String> {
    ALLOWED
        .iter()
        .map(|(module, name, _)| format!("{module}.{name}"))
}

/// PyTorch's own, and what it keeps tensors in.
const TORCH: &[(&str, &str, Global)] = &[
    ("collections", "OrderedDict", Global::OrderedDict),
    ("torch._utils", "_rebuild_tensor_v2", Global::RebuildTensor),
    (
        "torch._utils",
        "_rebuild_parameter",
        Global::RebuildParameter,
    ),
    (
        "torch._tensor",
        "_rebuild_from_type_v2",
        Global::RebuildFromType,
    ),
];

/// Libraries of tables whose other objects may stand in a data frame: such a column is not read, and named.
const TABLE_LIBRARIES: [&str; 8] = [
    "pandas", "pyarrow", "datetime", "pytz", "zoneinfo", "dateutil", "decimal", "uuid",
];

pub(super) fn find(dialect: Dialect, module: &str, name: &str) -> Option<Global> {
    match dialect {
        Dialect::Tables => ALLOWED,
        Dialect::Torch => TORCH,
    }
    .iter()
    .find(|(m, n, _)| *m == module && *n == name)
    .map(|&(_, _, global)| global)
}

/// Whether an object of a module is kept as its name, and not refused at once.
pub(super) fn may_be_unread(dialect: Dialect, module: &str) -> bool {
    let library = module.split('.').next().unwrap_or_default();
    dialect == Dialect::Torch || TABLE_LIBRARIES.contains(&library)
}
