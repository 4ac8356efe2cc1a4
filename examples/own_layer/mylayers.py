"""Layers of one's own: `spec-compiler --plugin mylayers validate net.yaml` reads a file that uses them."""

from spec_compiler import LayerSpec, Variable, lowers, register_layer
from spec_compiler.fields import InitializerField


@register_layer
class Scale(LayerSpec):
    """Multiply by a constant."""

    factor: float = 1.0
    """What to multiply by."""


@lowers(Scale)
def scale(layer, call, x):
    return x * layer.factor


@register_layer
class Gain(LayerSpec):
    """Multiply each channel by a weight: (..., n) -> (..., n)."""

    initializer: InitializerField = "ones"
    """What the weights start from."""

    supports_masking = True

    def variables(self, x):
        return [Variable("gain", (x[-1],), self.initializer)]


@lowers(Gain)
def gain(layer, call, x):
    # What needs torch is imported here: to check a file, nothing is lowered, and torch stays unloaded.
    import mylayers_torch

    from spec_compiler import ModuleExpr, Rule

    module = call.module(ModuleExpr(mylayers_torch.Gain, call.shapes[0][-1]), [Rule("gain", "weight")])
    return module(x)


@register_layer
class Lambda(LayerSpec):
    """What the `Lambda` layers in our old files computed: a square. Their code is in the files, and is never run."""


@lowers(Lambda)
def square(layer, call, x):
    return x.square()
