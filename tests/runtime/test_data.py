"""Batches of everything that fit, evaluate and predict take, against Keras's data adapters."""

from __future__ import annotations

from collections import UserDict
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from spec_compiler.ir import Value
from spec_compiler.runtime.data import adapt, split
from spec_compiler.runtime.data_arrays import class_weights

IMAGE = Value("image", shape=(None, 4, 3))
IDS = Value("ids", shape=(None, 5), dtype="int32")
COLUMN = Value("column", shape=(None, 1))
UNKNOWN = Value("input")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def same(tensor: torch.Tensor | None, array: object) -> bool:
    return tensor is not None and np.array_equal(tensor.numpy(), np.asarray(array))


@pytest.mark.parametrize("batch_size", [None, 1, 7, 10, 64])
@pytest.mark.parametrize("samples", [1, 10, 33])
@pytest.mark.parametrize("with_weights", [False, True])
def test_arrays_are_cut_as_keras_cuts_them(
    rng: np.random.Generator, samples: int, batch_size: int | None, with_weights: bool
) -> None:
    from keras.src.trainers.data_adapters import get_data_adapter

    x = rng.random((samples, 4, 3))
    y = rng.integers(0, 5, (samples, 1))
    w = rng.random(samples) if with_weights else None
    ours = adapt([IMAGE], ["out"], x, y, w, batch_size=batch_size)
    keras = get_data_adapter(x, y, w, batch_size=batch_size)
    theirs = list(keras.get_torch_dataloader())
    batches = list(ours)
    assert ours.steps == len(batches) == len(theirs) == keras.num_batches
    assert ours.samples == samples
    for batch, expected in zip(batches, theirs, strict=True):
        held = [batch.inputs[0], batch.targets[0], *((batch.weights or [])[:1])]
        assert [t.dtype for t in held] == [e.dtype for e in expected]
        assert all(same(t, e) for t, e in zip(held, expected, strict=True))
        assert batch.size == len(expected[0])


@pytest.mark.parametrize("y", [[0, 1, 2, 1, 7], [[0], [1], [2], [1], [7]], [0.0, 1.0, 1.6, 2.4, 1.0], "one-hot"])
@pytest.mark.parametrize("weights", [{0: 0.5, 1: 2.0, 2: 3.0}, {7: 4.0}, {}])
def test_class_weights_match_keras(y: object, weights: dict[int, float]) -> None:
    from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

    array = np.eye(8, dtype="float32")[[0, 3, 7, 7, 2]] if y == "one-hot" else np.asarray(y)
    expected = class_weight_to_sample_weights(array, weights)
    assert same(class_weights(torch.from_numpy(array), weights), expected)
    (batch,) = adapt([UNKNOWN], ["out"], np.zeros((5, 2)), array, class_weight=weights)
    assert batch.weights is not None
    assert same(batch.weights[0], expected)
    assert batch.weights[0].dtype == torch.float32


def test_class_weights_multiply_sample_weights() -> None:
    y = np.array([0, 1, 1])
    weights = {0: 2.0, 1: 3.0}
    (batch,) = adapt([UNKNOWN], ["out"], np.zeros((3, 2)), y, [0.5, 1.0, 2.0], class_weight=weights)
    assert batch.weights is not None
    assert same(batch.weights[0], [1.0, 3.0, 6.0])
    (batch,) = adapt([UNKNOWN], ["out"], np.zeros((3, 2)), y, np.ones((3, 4)), class_weight=weights)
    assert batch.weights is not None
    assert same(batch.weights[0], [[2.0] * 4, [3.0] * 4, [3.0] * 4])


@pytest.mark.parametrize("samples", [2, 3, 10, 97])
@pytest.mark.parametrize("fraction", [0.1, 0.25, 1 / 3, 0.5, 0.9])
def test_split_is_keras_split(rng: np.random.Generator, samples: int, fraction: float) -> None:
    from keras.src.trainers.data_adapters.array_slicing import train_validation_split

    x, y = rng.random((samples, 2), np.float32), rng.integers(0, 9, samples)
    try:
        (kx, ky), (kvx, kvy) = train_validation_split((x, y), fraction)
    except ValueError:
        with pytest.raises(Exception, match="leaves nothing"):
            split(x, y, None, fraction)
        return
    (tx, ty, tw), (vx, vy, vw) = split(x, y, None, fraction)
    assert (tw, vw) == (None, None)
    assert np.array_equal(tx, kx[:])
    assert np.array_equal(ty, ky[:])
    assert np.array_equal(vx, kvx[:])
    assert np.array_equal(vy, kvy[:])


def test_split_keeps_structure(rng: np.random.Generator) -> None:
    image, ids = rng.random((10, 4, 3)), torch.arange(50).reshape(10, 5)
    train, held_out = split({"image": image, "ids": ids}, [list(range(10)), None], None, 0.3)
    assert train[0]["image"].shape == (7, 4, 3)
    assert isinstance(held_out[0]["ids"], torch.Tensor)
    assert held_out[0]["ids"].tolist() == ids[7:].tolist()
    assert held_out[1] == [[7, 8, 9], None]


def test_unshuffled_batches_are_views_of_the_users_array() -> None:
    x = np.arange(24, dtype=np.float32).reshape(12, 2)
    y = np.arange(12)
    for batch in adapt([UNKNOWN], ["out"], x, y, batch_size=5):
        assert np.shares_memory(batch.inputs[0].numpy(), x)
        assert np.shares_memory(batch.targets[0].numpy(), y)  # type: ignore[union-attr]


def test_every_epoch_has_every_sample_once_in_a_new_order() -> None:
    # Larger than one block of the gather.
    x = np.arange(3000, dtype=np.float32)[:, None] * np.ones((1, 200), np.float32)
    batches = adapt([UNKNOWN], ["out"], x, np.arange(3000), batch_size=32, shuffle=True)
    epochs = []
    for _ in range(2):
        order: list[int] = []
        sizes = []
        for batch in batches:
            assert same(batch.targets[0], batch.inputs[0][:, 7])
            order += batch.targets[0].tolist()  # type: ignore[union-attr]
            sizes.append(batch.size)
        assert sorted(order) == list(range(3000))
        assert sizes == [32] * 93 + [24]
        epochs.append(order)
    assert epochs[0] != epochs[1] != list(range(3000))


def test_a_generator_fixes_the_order() -> None:
    def order(seed: int) -> list[int]:
        batches = adapt(
            [UNKNOWN],
            ["out"],
            np.zeros((50, 1)),
            range(50),
            shuffle=True,
            generator=torch.Generator().manual_seed(seed),
        )
        return [int(i) for batch in batches for i in batch.targets[0]]  # type: ignore[union-attr]

    assert order(1) == order(1)
    assert order(1) != order(2)
    torch.manual_seed(3)
    first = [b.targets[0].tolist() for b in adapt([UNKNOWN], ["out"], np.zeros((50, 1)), range(50), shuffle=True)]  # type: ignore[union-attr]
    torch.manual_seed(3)
    assert first == [
        b.targets[0].tolist() for b in adapt([UNKNOWN], ["out"], np.zeros((50, 1)), range(50), shuffle=True)
    ]  # type: ignore[union-attr]


@pytest.mark.parametrize("samples", [5, 100])
def test_what_would_grow_is_cast_batch_by_batch(monkeypatch: pytest.MonkeyPatch, samples: int) -> None:
    from spec_compiler.runtime import data

    monkeypatch.setattr(data, "_CAST_AT_ONCE", 1000)
    monkeypatch.setattr(data, "_BLOCK", 64)
    x = np.arange(samples * 12, dtype=np.uint8).reshape(samples, 4, 3)
    for shuffle in (False, True):
        batches = adapt([IMAGE], ["out"], x, np.arange(samples), batch_size=3, shuffle=shuffle)
        assert batches._columns[0].dtype == (torch.uint8 if samples == 100 else torch.float32)  # type: ignore[attr-defined]
        for batch in batches:
            assert batch.inputs[0].dtype == torch.float32
            assert same(batch.inputs[0], x[batch.targets[0].numpy()])  # type: ignore[union-attr]


DTYPES = ["bool", "uint8", "int8", "int32", "int64", "uint16", "uint32", "float16", "float32", "float64", ">f4", ">i2"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_take_the_inputs_dtype_and_targets_float32_or_integers(dtype: str) -> None:
    array = np.array([[0, 1, 1, 0, 1]] * 3).astype(dtype)
    (batch,) = adapt([IDS], ["out"], array, array)
    assert batch.inputs[0].dtype == torch.int32
    assert same(batch.inputs[0], array)
    (target,) = batch.targets
    assert same(target, array)
    assert target is not None
    if np.dtype(dtype).kind == "f":
        assert target.dtype == torch.float32
    else:
        assert not target.is_floating_point()
        assert target.dtype not in (torch.bool, torch.uint16, torch.uint32)


def test_structures_find_their_inputs_and_outputs(rng: np.random.Generator) -> None:
    image, ids = rng.random((6, 4, 3)).astype("float32"), rng.integers(0, 9, (6, 5))
    a, b = rng.random(6).astype("float32"), rng.random((6, 2)).astype("float32")
    inputs, outputs = [IMAGE, IDS], ["a", "b"]
    for x in (
        [image, ids],
        (image, torch.from_numpy(ids)),
        {"ids": ids, "image": image},
        [image.tolist(), ids.tolist()],
    ):
        for y in ([a, b], (a, b), {"b": b, "a": a}, [a.tolist(), b.tolist()]):
            (batch,) = adapt(inputs, outputs, x, y)
            assert same(batch.inputs[0], image)
            assert same(batch.inputs[1], ids)
            assert same(batch.targets[0], a)
            assert same(batch.targets[1], b)
            assert batch.weights is None
    (batch,) = adapt(inputs, outputs, UserDict(image=image, ids=ids), {"b": b})
    assert batch.targets[0] is None
    assert same(batch.targets[1], b)
    (batch,) = adapt(inputs, outputs, [image, ids], [None, b], {"b": a})
    assert batch.weights is not None
    assert batch.weights[0] is None
    assert same(batch.weights[1], a)
    (batch,) = adapt(inputs, outputs, [image, ids], [a, b], a[:, None])
    assert batch.weights is not None
    assert same(batch.weights[0], a[:, None])
    assert same(batch.weights[1], a[:, None])


def test_one_input_may_come_in_a_list_or_as_numbers_in_lists(rng: np.random.Generator) -> None:
    x = rng.random((2, 4, 3)).astype("float32")
    rows = [[list(map(np.float32, row)) for row in sample] for sample in x]
    for given in (x, [x], (x,), {"image": x}, x.tolist(), rows, tuple(x.tolist())):
        (batch,) = adapt([IMAGE], ["out"], given, [1, 2])
        assert same(batch.inputs[0], x)
    (batch,) = adapt([COLUMN], ["out"], [1, 2, 3], [[1], [2], [3]])
    assert same(batch.inputs[0], [[1], [2], [3]])


@pytest.mark.parametrize(
    ("expected", "given"), [((None, 1), (6,)), ((None,), (6, 1)), ((None, 4, 1), (6, 4)), ((None, 4), (6, 4, 1))]
)
def test_a_last_axis_of_one_comes_and_goes_as_in_keras(expected: tuple[int, ...], given: tuple[int, ...]) -> None:
    import keras

    x = np.arange(np.prod(given), dtype=np.float32).reshape(given)
    (batch,) = adapt([Value("x", shape=expected)], ["out"], x, np.zeros(6))
    inner = keras.Input(batch_shape=expected)
    model = keras.Model(inner, keras.layers.Identity()(inner))
    assert same(batch.inputs[0], model.predict(x, verbose=0))


def test_objects_that_become_arrays(rng: np.random.Generator) -> None:
    class Table:
        """What pandas' DataFrame shows of itself here."""

        def __init__(self, values: np.ndarray) -> None:
            self.values = values

        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return self.values

        def __len__(self) -> int:
            return len(self.values)

        def __getitem__(self, key: object) -> object:
            raise KeyError(key)

    x = rng.random((6, 5))
    (batch,) = adapt([UNKNOWN], ["out"], Table(x), Table(x[:, 0]))
    assert same(batch.inputs[0], x.astype("float32"))
    train, _ = split(Table(x), Table(x[:, 0]), None, 0.5)
    assert train[0].shape == (3, 5)


def test_odd_arrays_are_read(rng: np.random.Generator) -> None:
    x = rng.random((6, 5)).astype("float32")
    frozen = x.copy()
    frozen.flags.writeable = False
    for given in (x[::-1], x[:, ::-1], x.T.copy().T, x[::2], frozen, x.astype(np.longdouble)):
        (batch,) = adapt([UNKNOWN], ["out"], given, np.zeros(len(given)))
        assert same(batch.inputs[0], given.astype("float32"))


def test_read_only_arrays_raise_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    x = np.zeros((3, 5))
    x.flags.writeable = False
    list(adapt([UNKNOWN], ["out"], x, [1, 2, 3]))
    assert not recwarn.list


class Samples(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 7

    def __getitem__(self, i: int) -> object:
        return np.full((4, 3), i, np.float32), i


class Counting(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> object:
        return ((np.full((4, 3), i, np.float32), i) for i in range(7))


class ByIndex:
    """What Keras calls a PyDataset."""

    def __init__(self) -> None:
        self.ended = 0

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> object:
        return tuple(a[i * 3 : i * 3 + 3] for a in (X, Y))

    def on_epoch_end(self) -> None:
        self.ended += 1


X = np.arange(7, dtype=np.float64)[:, None, None] * np.ones((1, 4, 3))
Y = np.arange(7)
CUT = [(X[i : i + 3], Y[i : i + 3]) for i in range(0, 7, 3)]
STREAMS = {
    "dataset": Samples,
    "iterable dataset": Counting,
    "tensor dataset": lambda: TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),
    "loader": lambda: DataLoader(Samples(), batch_size=3),
    "generator": lambda: (batch for batch in CUT),
    "lists": lambda: (list(batch) for batch in CUT),
    "iterable": lambda: UserBatches(),
    "by index": ByIndex,
}


class UserBatches:
    def __iter__(self) -> object:
        return iter(CUT)


@pytest.mark.parametrize("kind", STREAMS)
def test_streams_give_the_batches_of_the_arrays(kind: str) -> None:
    batches = adapt([IMAGE], ["out"], STREAMS[kind](), batch_size=3)
    assert batches.steps in (3, None)
    for epoch in range(2):
        found = list(batches)
        if epoch and kind in ("generator", "lists"):
            assert not found
            continue
        assert [batch.size for batch in found] == [3, 3, 1]
        for batch, (x, y) in zip(found, CUT, strict=True):
            assert same(batch.inputs[0], x.astype("float32"))
            assert same(batch.targets[0], y)


def test_a_generator_goes_on_where_it_was() -> None:
    def forever() -> object:
        i = 0
        while True:
            yield np.full((2, 3), i), np.full(2, i)
            i += 1

    batches = adapt([UNKNOWN], ["out"], forever())
    assert batches.steps is None
    seen = [int(b.targets[0][0]) for _ in range(3) for b in islice(batches, 2)]  # type: ignore[index]
    assert seen == [0, 1, 2, 3, 4, 5]


def test_indexed_batches_shuffle_and_hear_of_epochs() -> None:
    data = ByIndex()
    batches = adapt([IMAGE], ["out"], data, shuffle=True, generator=torch.Generator().manual_seed(0))
    orders = [[b.targets[0].tolist() for b in batches] for _ in range(6)]  # type: ignore[union-attr]
    assert data.ended == 6
    assert all(sorted(order) == [[0, 1, 2], [3, 4, 5], [6]] for order in orders)
    assert len(set(map(str, orders))) > 1


def test_datasets_shuffle_samples() -> None:
    torch.manual_seed(0)
    batches = adapt([IMAGE], ["out"], Samples(), batch_size=3, shuffle=True)
    orders = [[i for b in batches for i in b.targets[0].tolist()] for _ in range(2)]  # type: ignore[union-attr]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert orders[0] != orders[1]


def test_prediction_neither_needs_nor_reads_targets() -> None:
    (batch,) = adapt([IMAGE], ["out"], X, targets_needed=False)
    assert batch.targets == [None]
    assert batch.weights is None
    for batch in adapt([IMAGE], ["out"], iter([(X, np.array(["a"] * 7))]), targets_needed=False):
        assert batch.targets == [None]
    for batch in adapt([IMAGE], ["out"], iter([X, X]), targets_needed=False):
        assert same(batch.inputs[0], X)
