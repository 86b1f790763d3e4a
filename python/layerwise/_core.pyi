# The compiled module. Private: layerwise.ops documents these functions and calls them.
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

class _BitMatrix(Protocol):
    @property
    def words(self) -> Any: ...
    @property
    def shape(self) -> tuple[int, int]: ...

_Array: TypeAlias = Any  # __array_interface__, __cuda_array_interface__ or __dlpack__
_Matrix: TypeAlias = Any  # _Array, _BitMatrix or CSR
_Call = TypeVar("_Call")
_Activation: TypeAlias = Literal["none", "sigmoid", "relu", "softplus", "tanh"]
_Noise: TypeAlias = Literal["none", "bernoulli", "gaussian"]
_Dtype: TypeAlias = Literal["float32", "float64"]
# Threads on the CPU, None for the default; or number and stream of a GPU.
_Where: TypeAlias = int | tuple[int, int] | None

def activation_dx(
    dy: _Array, y: _Array, out: _Array, activation: _Activation, num_threads: _Where = None
) -> None: ...
def config() -> dict[str, Any]: ...
def dense_db(dz: _Array, out: _Array, alpha: float = 1.0, num_threads: _Where = None) -> None: ...
def dictionary_statistics(
    codes: _Matrix,
    x: _Matrix,
    a: _Array,
    b: _Array,
    *,
    keep: float = 0.0,
    num_threads: _Where = None,
) -> None: ...
def dictionary_update(
    dictionary: _Array,
    a: _Array,
    b: _Array,
    *,
    nonnegative: bool = False,
    sweeps: int = 1,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def dictionary_update_workspace(
    atoms: int, features: int, dtype: _Dtype, num_threads: _Where = None
) -> int: ...
def dropout(
    x: _Array,
    out: _Array,
    rate: float,
    seed: int = 0,
    step: int = 0,
    layer: int = 0,
    rows: int | _Array = 0,
    num_threads: _Where = None,
) -> None: ...
def gemm(
    a: _Matrix,
    b: _Matrix,
    alpha: float = 1.0,
    beta: float = 0.0,
    c: _Array | None = None,
    bias: _Array | None = None,
    activation: _Activation = "none",
    gate: _Array | None = None,
    noise: _Noise = "none",
    noise_scale: float = 1.0,
    seed: int = 0,
    step: int = 0,
    purpose: int = 0,
    rows: int | _Array = 0,
    mean: _Array | None = None,
    sample: _Array | None = None,
    sample_bits: _BitMatrix | None = None,
    workspace: _Array | None = None,
    num_threads: _Where = None,
    step_w: _Array | None = None,
    step_velocity: _Array | None = None,
    rate: float = 0.0,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    *,
    a_tail: _Matrix | None = None,
    b_tail: _Matrix | None = None,
    tail_scale: float = 1.0,
) -> None: ...
def gemm_min_workspace(
    m: int,
    n: int,
    k: int,
    dtype: _Dtype,
    num_threads: _Where = None,
    max_workspace: int = 0,
) -> int: ...
def gemm_workspace(
    m: int,
    n: int,
    k: int,
    dtype: _Dtype,
    num_threads: _Where = None,
    max_workspace: int = 0,
) -> int: ...
def get_num_threads() -> int: ...
def gibbs_cd(
    v: _Matrix,
    w: _Array,
    b: _Array,
    a: _Array,
    dw: _Array,
    db: _Array,
    da: _Array,
    k: int = 1,
    visible_means: bool = False,
    bfloat16: bool = False,
    chains: _BitMatrix | None = None,
    seed: int = 0,
    step: int = 0,
    layer: int = 0,
    rows: int | _Array = 0,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def gibbs_cd_update(
    v: _Matrix,
    w: _Array,
    b: _Array,
    a: _Array,
    w_velocity: _Array,
    b_velocity: _Array,
    a_velocity: _Array,
    rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    k: int = 1,
    visible_means: bool = False,
    bfloat16: bool = False,
    chains: _BitMatrix | None = None,
    seed: int = 0,
    step: int = 0,
    layer: int = 0,
    rows: int | _Array = 0,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def gibbs_cd_workspace(
    batch: int,
    chains: int,
    visible: int,
    hidden: int,
    dtype: _Dtype,
    num_threads: _Where = None,
    bfloat16: bool = False,
) -> int: ...
def gibbs_free_energy(
    v: _Matrix,
    w: _Array,
    b: _Array,
    a: _Array,
    *,
    out: _Array,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def gibbs_free_energy_workspace(
    batch: int, visible: int, hidden: int, dtype: _Dtype, num_threads: _Where = None
) -> int: ...
def gibbs_pseudo_likelihood(
    v: _Matrix,
    w: _Array,
    b: _Array,
    a: _Array,
    *,
    out: _Array,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def gibbs_pseudo_likelihood_workspace(
    batch: int, visible: int, hidden: int, dtype: _Dtype, num_threads: _Where = None
) -> int: ...
def isa() -> str: ...
def last_team_size() -> int: ...
def recycle_arrays() -> None: ...
def wait_for_full_teams(wait: bool) -> None: ...
def lars(
    x: _Matrix,
    dictionary: _Array,
    alpha: float,
    *,
    nonnegative: bool = False,
    path: bool = False,
    max_active: int,
    max_steps: int,
    codes: _Array | None = None,
    gap: _Array | None = None,
    alphas: _Array | None = None,
    knots: _Array | None = None,
    counts: _Array | None = None,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def lars_compact(
    knot_ends: _Array,
    code_ends: _Array,
    *,
    features: int,
    atoms: int,
    max_active: int,
    kept: int,
    alphas: _Array,
    gap: _Array,
    sizes: _Array,
    indices: _Array,
    values: _Array,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def lars_workspace(
    signals: int,
    features: int,
    atoms: int,
    dtype: _Dtype,
    max_active: int,
    kept: int = 0,
    num_threads: _Where = None,
) -> int: ...
def lasso(
    x: _Matrix,
    dictionary: _Array,
    alpha: float,
    *,
    weights: _Array | None = None,
    ridge: _Array | None = None,
    nonnegative: bool = False,
    start: _Matrix | None = None,
    gram: _Array | None = None,
    missing: _Array | None = None,
    nan_missing: bool = False,
    tolerance: float = 1e-4,
    max_iterations: int = 1000,
    method: Literal["auto", "active_set", "coordinate_descent"] = "auto",
    codes: _Array | None = None,
    counts: _Array | None = None,
    gap: _Array,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def lasso_compact(
    indptr: _Array,
    *,
    features: int,
    atoms: int,
    indices: _Array,
    values: _Array,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def lasso_path(
    columns: _Matrix,
    y: _Array,
    penalty: _Array,
    ridge: _Array,
    *,
    sample_weights: _Array | None = None,
    weights: _Array | None = None,
    start: _Array | None = None,
    intercept: bool = True,
    nonnegative: bool = False,
    tolerance: float = 1e-4,
    max_iterations: int = 1000,
    codes: _Array,
    intercepts: _Array,
    gap: _Array,
    iterations: _Array,
    workspace: _Array | None = None,
    num_threads: int | None = None,
) -> None: ...
def lasso_path_workspace(
    samples: int,
    features: int,
    dtype: _Dtype,
    copied: bool = False,
    num_threads: int | None = None,
) -> int: ...
def lasso_workspace(
    signals: int,
    features: int,
    atoms: int,
    dtype: _Dtype,
    slabs: bool = False,
    max_active: int = 0,
    missing: bool = False,
    num_threads: _Where = None,
) -> int: ...
def omp(
    x: _Matrix,
    dictionary: _Array,
    *,
    max_active: int,
    tolerance: float = 0.0,
    codes: _Array | None = None,
    counts: _Array | None = None,
    residual: _Array,
    workspace: _Array | None = None,
    num_threads: _Where = None,
) -> None: ...
def set_num_threads(num_threads: int | None) -> None: ...
def sgd_momentum(
    w: _Array,
    velocity: _Array,
    dw: _Array,
    rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    num_threads: _Where = None,
) -> None: ...
def signature(
    op: str,
    operands: Sequence[tuple[tuple[str, ...], str, bool]],
    bit_matrix: type,
    call: Callable[[str, tuple[Any, ...], dict[str, Any], _Dtype], _Call],
) -> Callable[[tuple[Any, ...]], _Call | None]: ...
def softmax(z: _Array, out: _Array, num_threads: _Where = None) -> None: ...
def softmax_cross_entropy(
    z: _Array,
    labels: _Array,
    weight: _Array | None,
    loss: _Array,
    dz: _Array,
    num_threads: _Where = None,
) -> None: ...
