"""Keras 0's `Graph`, which Keras 1.0 had still: named nodes, each a layer that is called on other nodes by their names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from spec_compiler.diagnostics import (
    DUPLICATE_NAME,
    INVALID_VALUE,
    MISSING_REFERENCE,
    MISSING_SECTION,
    Path,
    did_you_mean,
    show,
)
from spec_compiler.dialects.arguments import Arguments
from spec_compiler.dialects.items import Item
from spec_compiler.dialects.keras1_several import layers_of
from spec_compiler.dialects.layers import LayerReader
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref

ReadAny = Callable[..., LayerSpec | None]
Entry = dict[str, Any]

_DTYPES = {"float": "float32", "int": "int32"}
_MERGE = {"merge_mode": "mode", "concat_axis": "concat_axis", "dot_axes": "dot_axes"}


class GraphReader(NamedTuple):
    """Reads the nodes of one Graph, each after those it is called on, into the model that they make."""

    reader: LayerReader
    item: Item
    read_any: ReadAny
    spec: FunctionalSpec
    nodes: dict[str, Ref]
    """What inputs and nodes give, by the names that the graph has for it; for faulty ones too."""

    def read(self) -> bool:
        """Read it all; False when a fault was reported."""
        before = self.reader.reporter.error_count
        entering, between, leaving = (self._section(f"{part}_config") for part in ("input", "node", "output"))
        inputs = [ref for entry, path in entering if (ref := self._input(entry, path)) is not None]
        for entry, path in between:
            self._node(entry, path)
        outputs = [ref for entry, path in leaving if (ref := self._output(entry, path)) is not None]
        self.spec.inputs = inputs[0] if len(inputs) == 1 else inputs
        self.spec.outputs = outputs[0] if len(outputs) == 1 else outputs
        return self.reader.reporter.error_count == before

    def _report(self, message: str, path: Path) -> None:
        self.reader.reporter.report(INVALID_VALUE, message, path)

    def _section(self, key: str) -> list[tuple[Entry, Path]]:
        """The named entries of a part of the graph, and their places."""
        config: Any = self.item.config
        entries, path = config.get(key), (*self.item.config_path, key)
        if not isinstance(entries, list) or not entries:
            self.reader.reporter.report(MISSING_SECTION, f"a Graph without `{key}`", self.item.path)
            return []
        found = []
        for i, entry in enumerate(entries):
            if isinstance(entry, dict) and isinstance(entry.get("name"), str) and entry["name"].strip():
                self.reader.taken.add(entry["name"])
                found.append((entry, (*path, i)))
            else:
                self._report(f"expected a mapping with a `name`, got {show(entry)}", (*path, i))
        return found

    def _name(self, name: str, ref: Ref, path: Path) -> None:
        """Have `ref` be known by a name, which must be new."""
        if name in self.nodes:
            message = f"two nodes of the graph have the name {show(name)}"
            self.reader.reporter.report(DUPLICATE_NAME, message, path)
        self.nodes[name] = ref

    def _input(self, entry: Entry, path: Path) -> Ref | None:
        name, dtype = entry["name"], entry.get("dtype", "float")
        shape, key = entry.get("batch_input_shape"), "batch_input_shape"
        if shape is None:
            shape, key = entry.get("input_shape"), "input_shape"
            shape = [None, *shape] if isinstance(shape, (list, tuple)) else shape
        dtype = _DTYPES.get(dtype, dtype) if isinstance(dtype, str) else dtype
        args = Arguments("InputLayer", {"name": name, "batch_shape": shape, "dtype": dtype}, {"batch_shape": key})
        layer = self.reader.validated(InputLayer, args, self.item._replace(path=path, config_path=path))
        self._name(name, Ref(name), path)
        if layer is None:
            return None
        self.spec.placed.append(Placed(layer, []))
        return Ref(name)

    def _node(self, entry: Entry, path: Path) -> None:
        name = entry["name"]
        data, place = self._layer_of(entry, path)
        if isinstance(data, dict) and data.get("name") == "SiameseHead":
            return  # Keras 0 has an entry for each call of a shared node, which named them
        shared = data is not None and data is not self._stored(name)
        called_on = self._refs(entry, path) if shared else self._called_on(entry, path)
        item = None if data is None else self.reader.item(data, place)
        if shared:
            layer = None if item is None else self.read_any(self.reader, item, name)
            layers = [] if layer is None else [layer]
        else:
            read = partial(self.read_any, self.reader, name=name)
            layers = [] if item is None else layers_of(self.reader, item, read)
        self._name(name, Ref(name), path)
        if not layers or not called_on:
            return
        if shared:
            self.spec.placed.append(Placed(layers[0], [CallSpec((ref,), {}, path) for ref in called_on]))
            self._share(entry, path, [Ref(name, i) for i in range(len(called_on))])
            return
        for one in layers:
            self.spec.placed.append(Placed(one, [CallSpec((called_on,), {}, path)]))
            self.nodes[name] = called_on = Ref(str(one.name))

    def _stored(self, name: str) -> Any:
        config: Any = self.item.config
        nodes = config.get("nodes")
        return nodes.get(name) if isinstance(nodes, dict) else None

    def _layer_of(self, entry: Entry, path: Path) -> tuple[Any, Path]:
        """The layer at a node and its place; that of a shared one is stated elsewhere."""
        place = (*self.item.config_path, "nodes", entry["name"])
        data = self._stored(entry["name"])
        if "layer" in entry:
            return entry["layer"], (*path, "layer")
        if isinstance(data, dict) and data.get("name") == "Siamese" and "layer" in data:
            return data["layer"], (*place, "layer")
        if data is None:
            message = f"the node {show(entry['name'])} has no layer under `nodes`"
            self.reader.reporter.report(MISSING_SECTION, message, path)
        return data, place

    def _share(self, entry: Entry, path: Path, calls: list[Ref]) -> None:
        """Name what the calls of a shared node give: merged, by its own name, or each on its own."""
        name = entry["name"]
        if entry.get("merge_mode"):
            merged = self._merged(entry, calls, None, path)
            self.nodes[name] = merged or Ref(name)
            return
        heads = entry.get("outputs")
        if heads is None:
            config: Any = self.item.config
            calling = [one for one in config["node_config"] if isinstance(one, dict) and one.get("inputs") == [name]]
            heads = [one.get("name") for one in calling]
        for head, ref in zip(heads if isinstance(heads, list) else [], calls, strict=False):
            if isinstance(head, str):
                self._name(head, ref, path)

    def _output(self, entry: Entry, path: Path) -> Ref | None:
        name = entry["name"]
        if entry.get("inputs"):
            refs = self._refs(entry, path)
            self._name(name, Ref(name), path)
            return None if refs is None else self._merged(entry, refs, name, path)
        found = self._called_on(entry, path)
        if found is None or name == entry.get("input"):
            return found
        self._name(name, Ref(name), path)
        # The output's own name, by which losses go, on what computes nothing.
        return self._placed("Activation", {"activation": "linear"}, name, found, path)

    def _called_on(self, entry: Entry, path: Path) -> Ref | None:
        """The one tensor that a node or output takes, merged where there are several."""
        if not entry.get("inputs"):
            return self._ref(entry.get("input"), (*path, "input"))
        refs = self._refs(entry, path)
        return None if refs is None else self._merged(entry, refs, None, path)

    def _refs(self, entry: Entry, path: Path) -> list[Ref] | None:
        """The tensors under `inputs`; None when one is not there, which is reported."""
        names = entry.get("inputs")
        if not isinstance(names, list) or not names:
            self._report(f"expected a list of nodes, got {show(names)}", (*path, "inputs"))
            return None
        found = [self._ref(name, (*path, "inputs", i)) for i, name in enumerate(names)]
        refs = [ref for ref in found if ref is not None]
        return refs if len(refs) == len(found) else None

    def _ref(self, name: Any, path: Path) -> Ref | None:
        if isinstance(name, str) and name in self.nodes:
            return self.nodes[name]
        hint = partial(did_you_mean, name, self.nodes) if isinstance(name, str) else None
        self.reader.reporter.report(
            MISSING_REFERENCE, f"there is no node {show(name)} before this one", path, help=hint
        )
        return None

    def _merged(self, entry: Entry, refs: list[Ref], name: str | None, path: Path) -> Ref | None:
        return self._placed("Merge", {new: entry[old] for old, new in _MERGE.items() if old in entry}, name, refs, path)

    def _placed(self, class_name: str, config: Entry, name: str | None, called_on: Any, path: Path) -> Ref | None:
        """The output of a layer that the graph implies, called on what is given."""
        inline = {"name": class_name, **config}
        item = self.reader.item(inline if self.reader.inline else {"class_name": class_name, "config": config}, path)
        layer = None if item is None else self.reader.read(item._replace(config_path=path), name)
        if layer is None:
            return None
        layer.name = name or self.reader.new_name(type(layer).__name__)
        self.spec.placed.append(Placed(layer, [CallSpec((called_on,), {}, path)]))
        return Ref(layer.name)
