"""What `fit`, `evaluate` and `predict` take, as batches of tensors: checked once, then one view or gather a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from spec_compiler.ir import Value
from spec_compiler.runtime.data_arrays import Columns, Faults, collect, is_array, is_structure, mismatch

BATCH_SIZE = 32
"""Samples a step where none are asked for: Keras's number."""
_CAST_AT_ONCE = 2**28
_MOVED_AT_ONCE = 2**30
_BLOCK = 2**20
"""Bytes that are gathered at a time: little enough to stay in the cache until the steps use them."""


class Batch(NamedTuple):
    """The samples of one step."""

    inputs: list[Tensor]
    """In the order of the graph's inputs, each of its input's dtype."""
    targets: list[Tensor | None]
    """In the order of the outputs; floats are float32, integers as they came."""
    weights: list[Tensor | None] | None
    """The weights of each output's samples, float32."""
    size: int
    """Number of samples."""


class Batches:
    """Data as batches. Each iteration is one epoch; where an iterator is behind it, it goes on where it was."""

    steps: int | None = None
    """Batches an epoch; None where only the end tells."""
    samples: int | None = None
    """Samples an epoch, likewise."""

    def __iter__(self) -> Iterator[Batch]:
        raise NotImplementedError


def adapt(
    inputs: Sequence[Value],
    outputs: Sequence[str],
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool = False,
    class_weight: Mapping[int, float] | None = None,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    targets_needed: bool = True,
    keys: Sequence[Sequence[str] | None] = (None, None),
    where: str = "",
) -> Batches:
    """The batches of any data that Keras takes: arrays, lists and dicts of them, datasets, loaders and generators.

    Args:
        inputs: The model's inputs; where a shape is None, it is not checked.
        outputs: The names of the model's outputs.
        x: An array; a list or tuple of them in the order of `inputs`, or a dict by name; or batches, `x`, `(x, y)` or
            `(x, y, sample_weight)`, from a DataLoader, a generator, any iterable, or by `[index]`; or a torch Dataset
            of samples.
        y: Targets likewise, in the order of `outputs`; None where `x` is batches. Outputs without a loss need none.
        sample_weight: Weights of samples, one array for all outputs, or a list or dict of them.
        batch_size: Samples a step, for arrays and Datasets; None: 32. The last batch holds what is left.
        shuffle: Whether each epoch has a new order.
        class_weight: Weight of each class's samples, multiplied with `sample_weight`.
        generator: Where the order comes from; None: torch's own.
        device: Where batches are wanted; None: where the first array is.
        targets_needed: False for `predict`: targets are neither asked for nor read.
        where: What stands before each message.
        keys: What dicts of inputs and of outputs are keyed by, where the model's are dicts, beside the names.

    Raises SpecError, naming every array that does not fit; for batches, when the batch comes.
    https://keras.io/api/models/model_training_apis/#fit-method
    """
    convert = partial(
        collect, inputs, outputs, class_weight=class_weight, targets_needed=targets_needed, keys=keys, where=where
    )
    dtypes = [getattr(torch, value.dtype) for value in inputs]
    size = _batch_size(batch_size)
    if x is None or isinstance(x, (list, tuple, Mapping)) or is_array(x):
        columns = convert(x, y, sample_weight)
        return ArrayBatches(columns, dtypes, size, shuffle, generator, device)
    if isinstance(x, (str, bytes)) or np.isscalar(x):
        mismatch(f"x is {x!r:.60}, not data", "give arrays, a torch Dataset or DataLoader, or an iterable of batches")
    kind = type(x).__name__
    faults = Faults()
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        if given is not None:
            faults.add(f"{name} is given beside a {kind}", f"let the {kind} yield (x, y) or (x, y, sample_weight)")
    faults.raise_if_any()
    source = _source(x, size, shuffle, generator)
    return StreamBatches(source, convert, dtypes, device)


def _batch_size(given: int | None) -> int:
    if given is None:
        return BATCH_SIZE
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < 1:
        mismatch(f"batch_size is a whole number of at least 1, got {given!r}")
    return int(given)


def split(x: Any, y: Any, sample_weight: Any, fraction: float) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """`(x, y, sample_weight)` for training, and the last `fraction` of the samples for validation, in their order.

    Raises SpecError for data that are no arrays, arrays of different lengths, and where one part would be empty.
    """
    given = (x, y, sample_weight)
    arrays = list(_arrays_in(given))
    if not arrays or not all(isinstance(array, (list, tuple)) or is_array(array) for array in arrays):
        kind = type(x).__name__
        mismatch(f"validation_split needs arrays, and x is a {kind}", "give validation_data, or arrays")
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        mismatch(f"the arrays have different numbers of samples: {', '.join(str(len(array)) for array in arrays)}")
    (samples,) = lengths
    at = math.floor(samples * (1.0 - fraction))
    if not 0 < at < samples:
        help = "give more data, or another fraction between 0 and 1"
        mismatch(f"validation_split={fraction} of {samples} samples leaves nothing for one of the parts", help)
    train = _map_arrays(lambda array: array[:at], given)
    held_out = _map_arrays(lambda array: array[at:], given)
    return train, held_out


def _arrays_in(given: Any) -> Iterator[Any]:
    if isinstance(given, Mapping):
        for item in given.values():
            yield from _arrays_in(item)
    elif isinstance(given, (list, tuple)) and is_structure(given):
        for item in given:
            yield from _arrays_in(item)
    elif given is not None:
        yield given


def _map_arrays(f: Callable[[Any], Any], given: Any) -> Any:
    """`f` of every array; what is neither a tensor nor a list becomes a numpy array first."""
    if isinstance(given, Mapping):
        return {key: _map_arrays(f, item) for key, item in given.items()}
    if isinstance(given, (list, tuple)) and is_structure(given):
        return [_map_arrays(f, item) for item in given]
    if given is None:
        return None
    return f(given if isinstance(given, (list, tuple, Tensor)) else np.asarray(given))


class ArrayBatches(Batches):
    """Batches of arrays in memory."""

    def __init__(
        self,
        columns: Columns,
        dtypes: Sequence[torch.dtype],
        batch_size: int,
        shuffle: bool,
        generator: torch.Generator | None,
        device: torch.device | str | None,
    ) -> None:
        self.samples: int = len(columns.inputs[0])
        self.steps: int = math.ceil(self.samples / batch_size)
        self._batch_size = min(batch_size, self.samples)
        self._shuffle = shuffle
        self._generator = generator
        self._device = torch.device(device) if device is not None else columns.inputs[0].device
        at_once = sum(tensor.nbytes for tensor in columns.tensors()) <= _MOVED_AT_ONCE
        wanted = [*dtypes, *[None] * (len(columns.tensors()) - len(dtypes))]
        self._columns = [
            _settled(t, dtype, self._device if at_once else t.device)
            for t, dtype in zip(columns.tensors(), wanted, strict=True)
        ]
        self._finish = [_finisher(t, dtype, self._device) for t, dtype in zip(self._columns, wanted, strict=True)]
        bytes_a_batch = sum(column.nbytes for column in self._columns) * self._batch_size // self.samples
        self._block_size = self._batch_size * max(1, _BLOCK // max(1, bytes_a_batch))
        self._layout = _Layout(columns)

    def __iter__(self) -> Iterator[Batch]:
        step = self._batch_size
        make = self._layout.batch
        for tensors, samples in self._blocks():
            for start in range(0, samples, step):
                size = min(step, samples - start)
                yield make([tensor.narrow(0, start, size) for tensor in tensors], size)

    def _blocks(self) -> Iterator[tuple[list[Tensor], int]]:
        """Tensors of several batches each, in the epoch's order, so that a step is left with taking views."""
        order = self._order() if self._shuffle else None
        if order is None and not any(self._finish):
            yield self._columns, self.samples
            return
        for start in range(0, self.samples, self._block_size):
            size = min(self._block_size, self.samples - start)
            if order is None:
                tensors = [column.narrow(0, start, size) for column in self._columns]
            else:
                index = order.narrow(0, start, size)
                tensors = [column.index_select(0, index) for column in self._columns]
            yield [f(t) if f is not None else t for f, t in zip(self._finish, tensors, strict=True)], size

    def _order(self) -> Tensor:
        where = self._generator.device if self._generator is not None else "cpu"
        order = torch.randperm(self.samples, generator=self._generator, device=where)
        return order.to(self._columns[0].device)


class _Layout:
    """Which of a flat list of tensors is what."""

    def __init__(self, columns: Columns) -> None:
        self.inputs = len(columns.inputs)
        places = iter(range(self.inputs, len(columns.tensors())))
        self.targets = [None if t is None else next(places) for t in columns.targets]
        weights = columns.weights
        self.weights = None if weights is None else [None if w is None else next(places) for w in weights]

    def batch(self, tensors: list[Tensor], size: int) -> Batch:
        """The batch made of `tensors`."""
        targets = [None if at is None else tensors[at] for at in self.targets]
        weights = None if self.weights is None else [None if at is None else tensors[at] for at in self.weights]
        return Batch(tensors[: self.inputs], targets, weights, size)


def _settled(tensor: Tensor, dtype: torch.dtype | None, device: torch.device) -> Tensor:
    """`tensor` on `device` and of `dtype`; a cast that needs much more memory is left to each batch."""
    tensor = tensor.to(device)
    if dtype is None or tensor.dtype is dtype:
        return tensor
    grows = dtype.itemsize > tensor.dtype.itemsize
    return tensor if grows and tensor.numel() * dtype.itemsize > _CAST_AT_ONCE else tensor.to(dtype)


def _finisher(tensor: Tensor, dtype: torch.dtype | None, device: torch.device) -> Callable[[Tensor], Tensor] | None:
    """What each batch of `tensor` still needs: moving, casting; None where nothing is left."""
    moves = tensor.device != device
    casts = dtype is not None and tensor.dtype is not dtype
    if not moves and not casts:
        return None

    def finish(t: Tensor) -> Tensor:
        # Only from pinned memory does a copy not wait for the device.
        t = t.pin_memory().to(device, non_blocking=True) if moves and device.type == "cuda" else t.to(device)
        return t.to(dtype) if casts else t

    return finish


class StreamBatches(Batches):
    """Batches that come ready made, each checked as it comes."""

    def __init__(
        self,
        source: _Source,
        convert: partial[Columns],
        dtypes: Sequence[torch.dtype],
        device: torch.device | str | None,
    ) -> None:
        self._source = source
        self._convert = convert
        self._dtypes = dtypes
        self._device = torch.device(device) if device is not None else None
        self._seen = 0

    @property
    def steps(self) -> int | None:  # type: ignore[override]
        """Batches an epoch; asked anew, as some data sets change their length between epochs."""
        return self._source.steps()

    def __iter__(self) -> Iterator[Batch]:
        start = self._seen if self._source.resumes else 0
        for number, given in enumerate(self._source.epoch(), start + 1):
            self._seen = number
            yield self._batch(given, number)

    def _batch(self, given: Any, number: int) -> Batch:
        x, y, sample_weight = _unpacked(given, number)
        columns = self._convert(x, y, sample_weight, where=f"{self._convert.keywords['where']}batch {number}: ")
        inputs = [_onto(t, self._device, dtype) for t, dtype in zip(columns.inputs, self._dtypes, strict=True)]
        targets = [None if t is None else _onto(t, self._device) for t in columns.targets]
        weights = columns.weights and [None if w is None else _onto(w, self._device) for w in columns.weights]
        return Batch(inputs, targets, weights, len(inputs[0]))


def _onto(tensor: Tensor, device: torch.device | None, dtype: torch.dtype | None = None) -> Tensor:
    if device is None or tensor.device == device:
        return tensor if dtype is None else tensor.to(dtype)
    return tensor.to(device, dtype or tensor.dtype, non_blocking=tensor.is_pinned())


def _unpacked(given: Any, number: int) -> tuple[Any, Any, Any]:
    if not isinstance(given, (list, tuple)):
        return given, None, None
    if 1 <= len(given) <= 3:
        x, y, sample_weight = (*given, None, None)[:3]
        return x, y, sample_weight
    return mismatch(f"batch {number} is x, (x, y) or (x, y, sample_weight), got {len(given)} items")


class _Source(NamedTuple):
    """Where batches come from."""

    epoch: Callable[[], Iterable[Any]]
    steps: Callable[[], int | None]
    resumes: bool = False
    """Whether an epoch goes on where the one before it stopped."""


def _source(x: Any, batch_size: int, shuffle: bool, generator: torch.Generator | None) -> _Source:
    if isinstance(x, Dataset):
        shuffled = shuffle and not isinstance(x, IterableDataset)
        x = DataLoader(x, batch_size, shuffle=shuffled, generator=generator if shuffled else None)
    if isinstance(x, Iterator):
        return _Source(lambda: x, lambda: None, resumes=True)
    counted = hasattr(x, "num_batches") or hasattr(x, "__len__")
    if counted and hasattr(x, "__getitem__") and not isinstance(x, DataLoader):
        return _Source(partial(_indexed, x, shuffle, generator), partial(_count, x))
    if isinstance(x, Iterable):
        return _Source(lambda: x, partial(_length, x))
    return mismatch(
        f"x is a {type(x).__name__}, which is no data",
        "give arrays, a torch Dataset or DataLoader, or an iterable of batches",
    )


def _indexed(x: Any, shuffle: bool, generator: torch.Generator | None) -> Iterator[Any]:
    """The batches `x[0]`, `x[1]`, … of what Keras calls a PyDataset; without end where it has no count."""
    steps = _count(x)
    order: Iterable[int] = count() if steps is None else range(steps)
    if shuffle and steps is not None:
        order = torch.randperm(steps, generator=generator).tolist()
    if hasattr(x, "on_epoch_begin"):
        x.on_epoch_begin()
    for i in order:
        yield x[i]
    if hasattr(x, "on_epoch_end"):
        x.on_epoch_end()


def _count(x: Any) -> int | None:
    counted = x.num_batches if hasattr(x, "num_batches") else len(x)
    return None if counted is None else int(counted)


def _length(x: Any) -> int | None:
    try:
        return len(x)
    except TypeError:
        return None
