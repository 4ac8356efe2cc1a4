"""Arrays as users give them to tensors as the model takes them, and what is said when they do not fit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from torch import Tensor

from spec_compiler.diagnostics import DATA_MISMATCH, Diagnostic, SpecError, did_you_mean, show
from spec_compiler.ir import Value

# numpy's kinds of numbers: bool, signed, unsigned, float.
_NUMBERS = "biuf"
_KINDS = {"O": "objects", "U": "strings", "S": "bytes", "c": "complex numbers", "M": "dates", "m": "time spans"}
# Where torch lacks kernels, or arithmetic on targets would surprise.
_WIDENED = {torch.bool, torch.uint16, torch.uint32, torch.uint64}


class Columns(NamedTuple):
    """One data set, or one batch: every tensor has the samples along its first axis."""

    inputs: list[Tensor]
    targets: list[Tensor | None]
    weights: list[Tensor | None] | None

    def tensors(self) -> list[Tensor]:
        """All of them, in order."""
        return [t for t in (*self.inputs, *self.targets, *(self.weights or ())) if t is not None]


class Faults:
    """What does not fit, collected so that all of it is said at once; `where` stands before each message."""

    def __init__(self, where: str = "") -> None:
        self.where = where
        self.found: list[Diagnostic] = []

    def add(self, message: str, help: str | None = None) -> None:
        """Note a fault."""
        self.found.append(Diagnostic(DATA_MISMATCH, self.where + message, help=help))

    def raise_if_any(self) -> None:
        """Raise what was noted as a SpecError."""
        if self.found:
            raise SpecError(self.found)


def mismatch(message: str, help: str | None = None) -> NoReturn:
    """Raise a SpecError of one fault."""
    raise SpecError(Diagnostic(DATA_MISMATCH, message, help=help))


def is_array(x: Any) -> bool:
    """Whether `x` holds samples along its first axis: a numpy array, a tensor, a pandas table and the like."""
    if isinstance(x, Tensor):
        return x.dim() > 0
    return (hasattr(x, "__array__") and np.ndim(x) > 0) or hasattr(x, "toarray")


def is_structure(x: Any) -> bool:
    """Whether `x` is a dict, list or tuple of arrays, rather than numbers in lists."""
    if isinstance(x, Mapping):
        return True
    if not isinstance(x, (list, tuple)):
        return False
    return any(item is None or isinstance(item, Mapping) or is_array(item) for item in x)


def collect(
    inputs: Sequence[Value],
    outputs: Sequence[str],
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    targets_needed: bool,
    where: str = "",
    keys: Sequence[Sequence[str] | None] = (None, None),
) -> Columns:
    """The tensors of `x`, `y` and the weights, one an input and an output; raises SpecError with all that is wrong."""
    faults = Faults(where)
    x = _renamed(x, [value.name for value in inputs], keys[0])
    y, sample_weight = (_renamed(given, outputs, keys[1]) for given in (y, sample_weight))
    lengths: dict[str, int] = {}

    def tensor(given: Any, label: str) -> Tensor | None:
        found = _to_tensor(given, label, faults)
        if found is not None:
            lengths[label] = len(found)
        return found

    taken = _by_name(x, [value.name for value in inputs], "x", "input", faults)
    columns = Columns([], [None] * len(outputs), None)
    for value, given in zip(inputs, taken, strict=True):
        label = f"input '{value.name}'"
        if given is None:
            faults.add(f"{label} is missing" + ("" if x is not None else ": x is None"))
        elif (found := tensor(given, label)) is not None:
            columns.inputs.append(_fitted(found, value, label, faults))
    if targets_needed:
        if y is None:
            faults.add("y is missing", f"give a target for {_listed('output', outputs)}")
        else:
            targets = _by_name(y, outputs, "y", "output", faults)
            for i, (name, given) in enumerate(zip(outputs, targets, strict=True)):
                if given is not None:
                    columns.targets[i] = _as_target(tensor(given, f"target '{name}'"))
        weights = _sample_weights(outputs, sample_weight, tensor, faults)
        columns = columns._replace(weights=weights)
    _check_lengths(lengths, faults)
    faults.raise_if_any()
    if class_weight is not None and targets_needed:
        columns = columns._replace(weights=_with_class_weights(columns, outputs, class_weight, where))
    return columns


def _listed(kind: str, names: Sequence[str]) -> str:
    quoted = ", ".join(f"'{name}'" for name in names)
    return f"{kind} {quoted}" if len(names) == 1 else f"{kind}s {quoted}"


def _renamed(given: Any, names: Sequence[str], keys: Sequence[str] | None) -> Any:
    """A dict by the keys of the model's own structure as one by names."""
    if keys is None or not isinstance(given, Mapping):
        return given
    table = dict(zip(keys, names, strict=False))
    return {table.get(key, key): item for key, item in given.items()}


def _by_name(given: Any, names: Sequence[str], argument: str, kind: str, faults: Faults) -> list[Any]:
    """What is given for each name, None where nothing is: `given` is one array, or a dict, list or tuple of them."""
    nothing: list[Any] = [None] * len(names)
    if given is None:
        return nothing
    if isinstance(given, Mapping):
        for key in given:
            if key not in names:
                message = f"{argument}: the model has no {kind} {show(key)}, only {_listed(kind, names)}"
                faults.add(message, did_you_mean(key, names))
        return [given.get(name) for name in names]
    if len(names) == 1 and not is_structure(given):
        return [given]
    items = _flat(given) if isinstance(given, (list, tuple)) else [given]
    if len(items) == len(names):
        return items
    help = f"give them in the order {', '.join(names)}, or as a dict by name"
    if len(names) == 1:
        help = "stack the samples into one array, as numpy.stack does"
    got = f"{len(items)} arrays" if len(items) != 1 else f"one, {_described(items[0])}"
    faults.add(f"{argument}: the model takes {_number(len(names))} for {_listed(kind, names)}, got {got}", help)
    # A placeholder that is silent: one fault is enough.
    return [_UNUSABLE] * len(names)


_UNUSABLE = object()


def _number(n: int) -> str:
    return "one array" if n == 1 else f"{n} arrays"


def _flat(items: Iterable[Any]) -> list[Any]:
    """The arrays of nested lists, tuples and dicts in order; numbers in lists stay whole."""
    found: list[Any] = []
    for item in items:
        inner = item.values() if isinstance(item, Mapping) else item
        found += _flat(inner) if is_structure(item) else [item]
    return found


def _described(x: Any) -> str:
    if isinstance(x, (np.ndarray, Tensor)):
        return f"an array of shape {tuple(x.shape)}"
    return f"a {type(x).__name__}"


def _to_tensor(given: Any, label: str, faults: Faults) -> Tensor | None:
    """`given` as a tensor of numbers with an axis of samples, sharing its memory where it can."""
    if given is _UNUSABLE:
        return None
    found = given if isinstance(given, Tensor) else _from_numpy(given, label, faults)
    if found is None:
        return None
    if found.is_complex():
        faults.add(f"{label} holds {_KINDS['c']}, not real ones")
    elif found.layout is not torch.strided:
        faults.add(f"{label} is a sparse tensor", "give .to_dense() of it")
    elif found.dim() == 0:
        faults.add(f"{label} is a single number, without an axis of samples", "wrap it in a list")
    elif len(found) == 0:
        faults.add(f"{label} is empty: its shape is {tuple(found.shape)}")
    else:
        return found
    return None


def _from_numpy(given: Any, label: str, faults: Faults) -> Tensor | None:
    if hasattr(given, "toarray"):
        faults.add(f"{label} is a sparse {type(given).__name__}", "give .toarray() of it")
        return None
    try:
        array = np.asarray(given)
    except (ValueError, TypeError) as error:
        faults.add(f"{label} cannot be made an array: {str(error).rstrip('.')}", "rows must have one length")
        return None
    if array.dtype.kind not in _NUMBERS:
        if array.dtype.kind == "c":
            faults.add(f"{label} holds {_KINDS['c']}, not real ones")
            return None
        held = _KINDS.get(array.dtype.kind, str(array.dtype))
        help = 'convert it, for example with astype("float32")' if array.dtype.kind in "OUS" else None
        faults.add(f"{label} holds {held}, not numbers" if array.ndim else f"{label} is {_described(given)}", help)
        return None
    if array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array)
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        # Arrays mapped from a file are read-only, which torch warns of; nothing here writes to them.
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


def _fitted(x: Tensor, value: Value, label: str, faults: Faults) -> Tensor:
    """`x` with the rank of the input: Keras adds or removes a last axis of length 1. Other differences are faults."""
    expected = value.shape
    if expected is None:
        return x
    fitted = x
    if x.dim() == len(expected) - 1 and expected[-1] == 1:
        fitted = x.unsqueeze(-1)
    elif x.dim() == len(expected) + 1 and x.shape[-1] == 1:
        fitted = x.squeeze(-1)
    wanted, got = tuple(expected[1:]), tuple(fitted.shape[1:])
    if len(wanted) != len(got) or any(want not in (None, size) for want, size in zip(wanted, got, strict=True)):
        message = f"{label} takes arrays of shape {(None, *wanted)}, got {tuple(x.shape)}"
        faults.add(message, _shape_help(tuple(x.shape), wanted))
    return fitted


def _shape_help(got: tuple[int, ...], wanted: tuple[int | None, ...]) -> str | None:
    if got == wanted:
        return "the first axis counts samples: for a single one, give x[None]"
    known = [size for size in wanted if size is not None]
    if len(known) < len(wanted):
        return None
    if len(wanted) > 1 and got[1:] == (wanted[-1], *wanted[:-1]):
        return "channels come last: give numpy.moveaxis(x, 1, -1)"
    return f"give x.reshape{(-1, *known)}" if math.prod(known) == math.prod(got[1:]) else None


def _as_target(found: Tensor | None) -> Tensor | None:
    """Floats as float32, integers as they are."""
    if found is None:
        return None
    if found.is_floating_point():
        return found.to(torch.float32)
    return found.to(torch.int64) if found.dtype in _WIDENED else found


def _check_lengths(lengths: Mapping[str, int], faults: Faults) -> None:
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{label} {length:,}" for label, length in lengths.items())
        faults.add(f"the arrays have different numbers of samples: {counts}")


def _sample_weights(
    outputs: Sequence[str], given: Any, tensor: Callable[[Any, str], Tensor | None], faults: Faults
) -> list[Tensor | None] | None:
    """The weights of each output's samples; one array serves all outputs, and then weighs whole samples."""
    if given is None:
        return None
    if is_structure(given):
        items = _by_name(given, outputs, "sample_weight", "output", faults)
        labels = [f"sample_weight of '{name}'" for name in outputs]
        found = [None if item is None else tensor(item, label) for item, label in zip(items, labels, strict=True)]
    else:
        one = tensor(given, "sample_weight")
        if len(outputs) > 1 and one is not None and not (one.dim() == 1 or (one.dim() == 2 and one.shape[1] == 1)):
            faults.add(
                f"sample_weight for several outputs has one number a sample, got shape {tuple(one.shape)}",
                "give a list of weights, or a dict by output name",
            )
        found = [one] * len(outputs)
    return [None if w is None else w.to(torch.float32) for w in found]


def _with_class_weights(
    columns: Columns, outputs: Sequence[str], class_weight: Mapping[int, float], where: str
) -> list[Tensor | None]:
    """`weights` times the weight of each sample's class; as in Keras, only for models of one output."""
    if len(outputs) != 1:
        mismatch(f"{where}class_weight is for models with one output, and this one has {_listed('output', outputs)}")
    (target,) = columns.targets
    assert target is not None
    held = columns.weights[0] if columns.weights is not None else None
    weights = class_weights(target, class_weight, f"{where}target '{outputs[0]}'")
    return [weights if held is None else held * weights.reshape(-1, *[1] * (held.dim() - 1))]


def class_weights(target: Tensor, class_weight: Mapping[int, float], label: str = "y") -> Tensor:
    """The weight of each sample's class, (samples,); 1 for classes that `class_weight` leaves out.

    `target` holds class numbers, (samples,) or (samples, 1), or one-hot rows, (samples, classes).
    """
    if target.dim() > 2:
        mismatch(f"class_weight needs one class a sample, but {label} has shape {tuple(target.shape)}")
    classes = target.reshape(len(target), -1)
    classes = classes.argmax(-1) if classes.shape[1] > 1 else classes[:, 0]
    if classes.is_floating_point():
        classes = classes.round()
    try:
        table = sorted((int(key), float(weight)) for key, weight in class_weight.items())
    except (TypeError, ValueError, AttributeError):
        mismatch(f"class_weight maps class numbers to weights, got {show(class_weight)}")
    weights = torch.ones(len(classes), dtype=torch.float32, device=classes.device)
    if not table:
        return weights
    keys = torch.tensor([key for key, _ in table], device=classes.device)
    values = torch.tensor([weight for _, weight in table], dtype=torch.float32, device=classes.device)
    classes = classes.to(torch.int64)
    at = torch.searchsorted(keys, classes).clamp_(max=len(table) - 1)
    return torch.where(keys[at] == classes, values[at], weights)
