"""A recurrent layer of whichever cells it is given."""

from collections.abc import Iterator
from typing import Any

from pydantic import field_validator

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.recurrent import BaseCell, Sequence, VectorSequence, check_states, flat_shapes
from spec_compiler.specs.shapes import Shape, Shapes, require_rank
from spec_compiler.specs.types import LayerField
from spec_compiler.specs.variable import Variable


def _cell(value: Any) -> Any:
    if isinstance(value, (BaseCell, StackedRNNCells)) and not isinstance(value, Sequence):
        return value
    raise ValueError(f"expected a recurrent cell (LSTMCell, GRUCell, SimpleRNNCell), got {type(value).__name__}")


def _cells(cells: list[Any]) -> list[Any]:
    if not cells:
        raise ValueError("expected at least one cell")
    return [_cell(cell) for cell in cells]


class StackedRNNCells(LayerSpec):
    """Several cells as one: each takes the output of the one before."""

    cells: list[LayerField]
    """The cells, first to last."""

    layer_fields = ("cells",)

    @field_validator("cells")
    @classmethod
    def _each_a_cell(cls, cells: list[Any]) -> list[Any]:
        return _cells(cells)

    def flat(self) -> Iterator[BaseCell]:
        """The cells, those of nested stacks in their place."""
        for cell in self.cells:
            if isinstance(cell, StackedRNNCells):
                yield from cell.flat()
            else:
                yield cell

    def infer_shape(self, x: Shape, states: Any) -> Shapes:
        require_rank(x, 2, "StackedRNNCells")
        cells = list(self.flat())
        kept = [shape for cell in cells for shape in cell.state_shapes(x[0])]
        check_states(flat_shapes(states), kept, "StackedRNNCells")
        return [(x[0], cells[-1].units), *kept]

    def variables(self, x: Shape, *_: Any, **__: Any) -> list[Variable]:
        return cell_variables(list(self.flat()), x)


class RNN(VectorSequence):
    """Run a cell, or several on top of each other, over the steps of a sequence."""

    cell: LayerField
    """The cell, or a list of cells."""

    layer_fields = ("cell",)
    positional = (
        "cell", "return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask",
    )  # fmt: skip

    @field_validator("cell", mode="before")
    @classmethod
    def _stacked(cls, cell: Any) -> Any:
        return StackedRNNCells(cells=_cells(list(cell))) if isinstance(cell, (list, tuple)) else _cell(cell)

    @property
    def cells(self) -> list[BaseCell]:
        return list(self.cell.flat()) if isinstance(self.cell, StackedRNNCells) else [self.cell]

    def variables(self, sequences: Shape, *_: Any, **__: Any) -> list[Variable]:
        return cell_variables(self.cells, sequences)


def cell_variables(cells: list[BaseCell], x: Shape) -> list[Variable]:
    """The cells' weights, each cell on the outputs of the one before; a cell of several under its number."""
    found = []
    for i, cell in enumerate(cells):
        prefix = f"cell_{i}" if len(cells) > 1 else ""
        found += [v.inside(cell, prefix, dtype=v.dtype or cell.variable_dtype) for v in cell.variables(x)]
        x = (*x[:-1], cell.units)
    return found
