"""What lowerings compute with: proxies, each the place of a tensor in the graph that is being built.

Whatever a tensor takes, operators and functions of torch, a proxy takes and records; so to a type checker it is one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from torch import fx

if TYPE_CHECKING:
    from torch import Tensor as Proxy
else:
    from torch.fx import Proxy

__all__ = ["Proxy", "call_function", "node_of"]


def node_of(x: Proxy) -> fx.Node:
    """The step of the graph that gives `x`."""
    return cast(fx.Proxy, x).node


def call_function(x: Proxy, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A call of `function` as one step of the graph that `x` is in, not traced into."""
    return cast(fx.Proxy, x).tracer.create_proxy("call_function", function, args, kwargs)
