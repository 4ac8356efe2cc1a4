"""The table of lowerings: a spec class, and the function that says it in PyTorch.

```python
@lowers(Dense)
def dense(layer: Dense, call: Call, x: Proxy) -> Proxy:
    n = call.shapes[0][-1]
    linear = call.module(ModuleExpr(nn.Linear, n, layer.units, bias=layer.use_bias), KERNEL_AND_BIAS)
    return call.activate(layer.activation, linear(x))
```
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from spec_compiler.diagnostics import UNSUPPORTED, Diagnostic, SpecError
from spec_compiler.specs.base import LayerSpec

F = TypeVar("F", bound=Callable[..., Any])

_lowerings: dict[type[LayerSpec], Callable[..., Any]] = {}
_masks: dict[type[LayerSpec], Callable[..., Any]] = {}


def lowers(*specs: type[LayerSpec]) -> Callable[[F], F]:
    """Register the function that lowers layers of these classes.

    It is called with the layer, the `Call`, and the layer's call arguments, tensors as torch.fx proxies; it returns the
    output, or a tuple of outputs. A subclass without a lowering of its own takes its parent's.
    """

    def register(function: F) -> F:
        _lowerings.update(dict.fromkeys(specs, function))
        return function

    return register


def lowers_mask(*specs: type[LayerSpec]) -> Callable[[F], F]:
    """Register the function that computes the output mask of layers whose `output_mask` says `computed`.

    It is called like the layer's lowering; it returns a boolean tensor, true where there is something.
    """

    def register(function: F) -> F:
        _masks.update(dict.fromkeys(specs, function))
        return function

    return register


def lowering_of(spec: type[LayerSpec]) -> Callable[..., Any]:
    """The function that lowers layers of this class; SpecError where there is none."""
    return _find(_lowerings, spec, "lowers")


def mask_lowering_of(spec: type[LayerSpec]) -> Callable[..., Any]:
    """The function that computes the output mask of layers of this class."""
    return _find(_masks, spec, "lowers_mask")


def _find(table: dict[type[LayerSpec], Callable[..., Any]], spec: type[LayerSpec], by: str) -> Callable[..., Any]:
    _load(spec.__module__)
    for cls in spec.__mro__:
        if cls in table:
            return table[cls]
    what = spec.__name__ if by == "lowers" else f"the mask of {spec.__name__}"
    message = f"nothing says how {what} is computed"
    raise SpecError([Diagnostic(UNSUPPORTED, message, help=f"register a function with @{by}({spec.__name__})")])


@cache
def _load(module: str) -> None:
    # The folder tells the stage and the file the family: specs/layers/conv.py is lowered by lowering/conv.py.
    package, _, family = module.rpartition(".")
    if package == "spec_compiler.specs.layers":
        import_module(f"spec_compiler.lowering.{family}")
