"""Which dialect a document is in, by its structure; what version it states is a hint only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from spec_compiler.diagnostics import UNKNOWN_FORMAT, Path, Reporter, SpecError, show
from spec_compiler.dialects.known import words
from spec_compiler.specs.model import Origin

KERAS = ("keras0", "keras1", "keras2", "keras3", "tfjs")

_WRAPPINGS = ("model_config", "modelTopology", "model", "architecture")
_SHORT_KEYS = frozenset(("layers", "inputs", "blocks", "models"))
_MOST_WRAPPINGS = 8

_KERAS1_ARGUMENTS = words(
    """
    U_regularizer W_constraint W_regularizer b_constraint b_regularizer border_mode concat_axis consume_less
    dim_ordering dropout_U dropout_W filter_length init inner_activation inner_init input_dtype nb_col nb_filter
    nb_row p pool_length sigma subsample subsample_length
    """
)
_ARGUMENTS_SINCE_2 = words(
    """
    filters kernel_initializer kernel_size rate units use_bias
    """
)
_KERAS1_CLASSES = words(
    """
    AtrousConvolution2D Convolution1D Convolution2D Convolution3D Deconvolution2D Merge SeparableConvolution2D
    """
)
_HELP = (
    "a Keras model holds `class_name` and `config`, a TensorFlow.js file `modelTopology`, the short form `layers`; "
    "files of weights, of training history and of other frameworks are no model files"
)


class Detected(NamedTuple):
    """A model inside its document."""

    dialect: str
    """`keras0`, `keras1`, `keras2`, `keras3`, `tfjs` or `short`."""
    data: dict[str, Any]
    """The model, without what it was wrapped in."""
    path: Path
    """Where in the document the model stands."""
    bare: bool
    """Whether the document holds the model's config alone, without the mapping that names its class."""
    origin: Origin
    around: tuple[dict[str, Any], ...]
    """The mappings around the model, outermost first, and the model itself."""


def detect(data: Any, reporter: Reporter) -> Detected | None:
    """The model in `data` and its dialect; None where there is nothing recognisable, which is reported."""
    around: list[dict[str, Any]] = []
    path: Path = ()
    for _ in range(_MOST_WRAPPINGS):
        if not isinstance(data, str):
            break
        data = _opened(data)  # dumped as text, and that as text again
    while (kind := _kind(data)) is None:
        key = next((key for key in _WRAPPINGS if key in data), None) if isinstance(data, dict) else None
        if key is None or len(around) == _MOST_WRAPPINGS:
            reporter.report(UNKNOWN_FORMAT, _why(data), path, help=_HELP)
            return None
        around.append(data)
        data, path = _opened(data[key]), (*path, key)
    bare = kind == "keras" and not _is_object(data)
    if bare:
        graph = isinstance(data, dict) and "input_layers" in data
        data = {"class_name": "Functional" if graph else "Sequential", "config": data}
    around.append(data)
    if kind == "keras":
        kind = "tfjs" if "modelTopology" in path else _version(data, around)
    origin = Origin(
        kind,
        _stated(around, "keras_version"),
        _stated(around, "backend"),
        document=data if kind == "keras3" and "module" in data else None,
    )
    return Detected(kind, data, path, bare, origin, tuple(around))


def _kind(data: Any) -> str | None:
    """`short`, `keras0`, `keras` for any later one, or None for what is no model."""
    if isinstance(data, list):
        return "keras" if data and all(_is_object(item) for item in data) else None
    if not isinstance(data, dict):
        return None
    if _is_object(data):
        return "keras"
    layers = data.get("layers")
    if isinstance(layers, list):
        if "input_layers" in data or any(_is_object(item) for item in layers):
            return "keras"
        if data.get("name") == "Sequential" and all(_is_inline(item) for item in layers):
            return "keras0"
    if data.get("name") == "Graph" and "node_config" in data:
        return "keras0"
    return "short" if _SHORT_KEYS & data.keys() else None


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("class_name"), str) and "config" in value


def _is_inline(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str) and "class_name" not in value


def _opened(value: Any) -> Any:
    """A wrapped model; HDF5 files and their copies hold it as text."""
    if not isinstance(value, str):
        return value
    from spec_compiler.source import parse

    try:
        return parse(value).data
    except SpecError:
        return value


def _why(data: Any) -> str:
    if isinstance(data, dict):
        keys = ", ".join(show(key, 30) for key in list(data)[:6])
        return f"this is not recognisable as a model: a mapping with {keys or 'nothing in it'}"
    return f"this is not recognisable as a model: {show(data)}"


def _version(data: dict[str, Any], around: list[dict[str, Any]]) -> str:
    """Keras's generation, by what more of the layers say; where none says anything, by the version stated."""
    if data.get("class_name") == "Graph":
        return "keras1"  # no other had it in this form
    marks = Counter(_marks(data))
    if marks["keras3"] > marks["before 3"]:
        return "keras3"
    if marks["keras1"] > marks["after 1"]:
        return "keras1"
    if not marks.total():
        stated = (_stated(around, "keras_version") or "")[:1]
        if stated in ("1", "2", "3"):
            return f"keras{stated}"
    return "keras3" if "module" in data and not marks["before 3"] else "keras2"


def _marks(data: Any) -> Iterator[str]:
    """What speaks for one generation or another, in every layer of the model."""
    pending = [data]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += [one for one in item if isinstance(one, (dict, list))]
        elif isinstance(item, dict):
            config = item.get("config")
            if isinstance(config, dict) and isinstance(item.get("class_name"), str):
                yield from _layer_marks(item, config)
            inner = config if isinstance(config, (dict, list)) else item
            nested = [inner.get("layers"), inner.get("layer")] if isinstance(inner, dict) else inner
            pending += nested


def _layer_marks(layer: dict[str, Any], config: dict[str, Any]) -> Iterator[str]:
    nodes = layer.get("inbound_nodes")
    if isinstance(nodes, list) and nodes:
        yield "keras3" if isinstance(nodes[0], dict) else "before 3"
    if "batch_shape" in config or _is_policy3(config.get("dtype")):
        yield "keras3"
    if "batch_input_shape" in config:
        yield "before 3"
    if layer["class_name"] in _KERAS1_CLASSES or _KERAS1_ARGUMENTS & config.keys():
        yield "keras1"
    elif _ARGUMENTS_SINCE_2 & config.keys():
        yield "after 1"


def _is_policy3(dtype: Any) -> bool:
    return isinstance(dtype, dict) and "DTypePolicy" in str(dtype.get("class_name"))


def _stated(around: list[dict[str, Any]], key: str) -> str | None:
    """What the innermost mapping that states `key` says."""
    for mapping in reversed(around):
        for value in (mapping.get(key), _inside(mapping, key)):
            if isinstance(value, str) and value.strip():
                return value.strip()
    return None


def _inside(mapping: dict[str, Any], key: str) -> Any:
    # Keras 1 wrote the version of a functional model into its config.
    config = mapping.get("config")
    return config.get(key) if isinstance(config, dict) else None
