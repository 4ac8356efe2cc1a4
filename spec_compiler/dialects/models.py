"""Models of a Keras file, of any generation: layers in a row, or a graph of calls; nested as deep as they are."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from spec_compiler.diagnostics import DUPLICATE_NAME, INVALID_VALUE, LIMIT_EXCEEDED, MISSING_SECTION, Path, show
from spec_compiler.dialects import classes, known
from spec_compiler.dialects.calls import with_keyword
from spec_compiler.dialects.graphs import Entry, wire
from spec_compiler.dialects.inputs import implied_input
from spec_compiler.dialects.items import Item
from spec_compiler.dialects.keras1_several import layers_of
from spec_compiler.dialects.layers import LayerReader
from spec_compiler.dialects.merged import join, starts_with_merge
from spec_compiler.dialects.operations import is_operation, settled
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.faults import report_faults
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import FunctionalSpec, ModelSpec, Ref, SequentialSpec

MAX_DEPTH = 48
"""Models inside each other. Files nest two or three deep."""

_MODEL_FIELDS = ("name", "trainable", "dtype")

M = TypeVar("M", bound=ModelSpec)


def is_model(item: Item) -> bool:
    """Whether the item is one of Keras's own model classes."""
    return item.named.own_name in known.MODELS and classes.registered(item.named) is None


def read_any(reader: LayerReader, item: Item, name: str | None = None) -> LayerSpec | None:
    """The layer or nested model that `item` states; None when a fault was reported."""
    return read_model(reader, item, name) if is_model(item) else reader.read(item, name)


def read_model(reader: LayerReader, item: Item, name: str | None = None) -> ModelSpec | None:
    """The model that `item` states, called `name` or as its config says; None when a fault was reported."""
    if sum(step in ("layers", "nodes") for step in item.path) > MAX_DEPTH:
        reader.reporter.report(LIMIT_EXCEEDED, f"more than {MAX_DEPTH} models inside each other", item.path)
        return None
    if not is_model(item) or item.named.is_custom:
        classes.report_unknown(item.named, item.named.own_name, item.path, reader.reporter, "model")
        return None
    if classes.report_mismatch(item.named, item.path, reader.reporter):
        return None
    read = {"Sequential": _sequential, "Graph": _graph}.get(item.named.own_name, _functional)
    return read(reader, item, name)


def _sequential(reader: LayerReader, item: Item, name: str | None) -> ModelSpec | None:
    # Until Keras 2.2 the config was the list of layers itself.
    config = {"layers": item.config} if isinstance(item.config, list) else item.config
    path = item.config_path if isinstance(item.config, list) else (*item.config_path, "layers")
    items = _items(reader, item, config, path)
    if items is None:
        return None
    before = reader.reporter.error_count
    spec = _model(reader, SequentialSpec, item, config, name)
    branches = _branches(reader, items)
    in_a_row = partial(_in_a_row, reader)
    layers = [layer for one in items if one is not None for layer in layers_of(reader, one, in_a_row)]
    if layers and items[0] is not None and layers[0].path == items[0].path and not branches:
        first = implied_input(reader, items[0], layers[0])
        layers[:0] = [first] if first is not None else []
    _check_names([(str(layer.name), layer.path) for layer in layers], reader)
    shape = _build_input_shape(reader, item, config)
    if spec is None or reader.reporter.error_count > before:
        return None
    if branches:
        return _joined(reader, spec, branches, layers)
    spec.layers = layers
    spec._build_input_shape = shape
    return spec


def _in_a_row(reader: LayerReader, item: Item) -> LayerSpec | None:
    layer = read_any(reader, item)
    if layer is not None:
        name = reader.trimmed(layer.name, (*item.config_path, "name"))
        layer.name = name or reader.new_name(type(layer).__name__)
    return layer


def _branches(reader: LayerReader, items: list[Item | None]) -> list[LayerSpec]:
    """The models that the first layer merges, if it does."""
    first = items[0] if items else None
    if first is None or not isinstance(first.config, dict):
        return []
    if not starts_with_merge(first.named.class_name, first.config):
        return []
    path = (*first.config_path, "layers")
    inner = _items(reader, first, first.config, path) or []
    read = [read_any(reader, one) for one in inner if one is not None]
    return [branch for branch in read if branch is not None]


def _joined(
    reader: LayerReader, sequential: SequentialSpec, branches: list[LayerSpec], layers: list[LayerSpec]
) -> ModelSpec | None:
    spec = join(branches, layers, sequential.path, reader)
    if spec is None:
        return None
    _check_names([(str(placed.layer.name), placed.layer.path) for placed in spec.placed], reader)
    spec.name, spec.trainable, spec._path = sequential.name, sequential.trainable, sequential.path
    return spec


def _functional(reader: LayerReader, item: Item, name: str | None) -> ModelSpec | None:
    config = item.config
    if not isinstance(config, dict):
        message = f"expected a functional model's config, a mapping, got {show(config)}"
        reader.reporter.report(INVALID_VALUE, message, item.config_path)
        return None
    items = _items(reader, item, config, (*item.config_path, "layers"))
    if items is None:
        return None
    before = reader.reporter.error_count
    spec = _model(reader, FunctionalSpec, item, config, name)
    entries = [_entry(reader, one) for one in items if one is not None]
    _check_names([(entry.name, entry.path) for entry in entries], reader)
    wiring = wire(entries, config, item.config_path, reader.reporter)
    if spec is None or wiring is None or reader.reporter.error_count > before:
        return None
    spec.placed, spec.inputs, spec.outputs = wiring.placed, wiring.inputs, wiring.outputs
    if not _is_since_keras3(entries):
        spec.inputs, spec.outputs = _single(spec.inputs), _single(spec.outputs)
    return spec if not any(entry.kind == "operation" for entry in entries) or _translated(spec, reader) else None


def _graph(reader: LayerReader, item: Item, name: str | None) -> ModelSpec | None:
    from spec_compiler.dialects.keras0_graph import GraphReader

    config = item.config
    if not isinstance(config, dict):
        reader.reporter.report(INVALID_VALUE, f"expected a graph, a mapping, got {show(config)}", item.config_path)
        return None
    spec = _model(reader, FunctionalSpec, item, config, name)
    nodes: dict[str, Ref] = {}
    return spec if spec is not None and GraphReader(reader, item, read_any, spec, nodes).read() else None


def _translated(spec: FunctionalSpec, reader: LayerReader) -> bool:
    from spec_compiler.dialects.tensorflow import translate

    return translate(spec, reader.reporter)


def _items(reader: LayerReader, item: Item, config: dict[str, Any], path: Path) -> list[Item | None] | None:
    """The model's layers taken apart, None for each that cannot be; None when there is no list of them."""
    layers = config.get("layers")
    if not isinstance(layers, list):
        if "layers" in config:
            reader.reporter.report(INVALID_VALUE, f"expected a list of layers, got {show(layers)}", path)
        else:
            reader.reporter.report(MISSING_SECTION, f"a {item.named.class_name} model without `layers`", item.path)
        return None
    items = [reader.item(layer, (*path, i)) for i, layer in enumerate(layers)]
    for one in items:
        if one is not None and isinstance(one.config, dict) and isinstance(one.config.get("name"), str):
            reader.taken.add(one.config["name"].strip())
    return items


def _model(reader: LayerReader, cls: type[M], item: Item, config: dict[str, Any], name: str | None) -> M | None:
    """The model without its layers."""
    fields = {key: config[key] for key in _MODEL_FIELDS if key in config}
    if name is not None:
        fields["name"] = name
    fields["name"] = reader.trimmed(fields.get("name"), (*item.config_path, "name"))
    try:
        spec = cls.model_validate(fields)
    except ValidationError as error:
        report_faults(error, cls, item.config_path, reader.reporter)
        return None
    spec._path = item.path
    if spec.name is None:
        spec.name = reader.new_name(cls.__name__.removesuffix("Spec"))
    return spec


def _entry(reader: LayerReader, item: Item) -> Entry:
    # A layer's name stands beside its config, and in it; references go by the first.
    outer = item.data.get("name")
    inner = item.config.get("name") if isinstance(item.config, dict) else None
    path = (*item.path, "name") if isinstance(outer, str) else (*item.config_path, "name")
    name = reader.trimmed(outer if isinstance(outer, str) else inner, path)
    if not isinstance(name, str) or not name:
        name = reader.new_name(item.named.own_name)
    nodes = item.data.get("inbound_nodes")
    if _is_causal(item):
        assert isinstance(item.config, dict)
        item = item._replace(config={key: value for key, value in item.config.items() if key != "causal"})
        nodes = with_keyword(nodes, "use_causal_mask", True)
    if is_operation(item.named):
        item, nodes = settled(item, nodes)
    layer = read_any(reader, item, name)
    if is_model(item):
        kind = "sequential" if item.named.own_name == "Sequential" else "functional"
        return Entry(name, layer, kind, None, nodes, item.path)
    # How a layer that has faults is called is checked all the same.
    cls = reader.class_of(item) if layer is None else type(layer)
    kind = "operation" if is_operation(item.named) else "input" if cls is InputLayer else "layer"
    return Entry(name, layer, kind, cls, nodes, item.path)


def _is_causal(item: Item) -> bool:
    """Whether it is attention that says itself, as until Keras 2.9, what its calls say since then."""
    attends = item.named.own_name in ("Attention", "AdditiveAttention")
    return attends and isinstance(item.config, dict) and item.config.get("causal") is True


def _check_names(names: list[tuple[str, Path]], reader: LayerReader) -> None:
    seen: set[str] = set()
    for name, path in names:
        if name in seen:
            reader.reporter.report(DUPLICATE_NAME, f"two layers of the model have the name {show(name)}", path)
        seen.add(name)


def _build_input_shape(reader: LayerReader, item: Item, config: dict[str, Any]) -> tuple[int | None, ...] | None:
    shape = config.get("build_input_shape")
    if shape is None:
        return None
    if isinstance(shape, (list, tuple)) and all(n is None or (type(n) is int and n > 0) for n in shape):
        return tuple(shape)
    path = (*item.config_path, "build_input_shape")
    reader.reporter.report(INVALID_VALUE, f"expected an input's shape, got {show(shape)}", path)
    return None


def _is_since_keras3(entries: list[Entry]) -> bool:
    return any(isinstance(node, dict) for entry in entries if isinstance(entry.nodes, list) for node in entry.nodes)


def _single(structure: Any) -> Any:
    # Until Keras 2 a single input or output stood in a list of one.
    return structure[0] if isinstance(structure, list) and len(structure) == 1 else structure
