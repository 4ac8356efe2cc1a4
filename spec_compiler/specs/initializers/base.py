"""What every initializer is."""

from spec_compiler.specs.base import FrozenSpec


class Initializer(FrozenSpec):
    """Gives a weight its first values, from its shape in Keras's layout."""

    kind = "initializer"
    trusts_defaults = True

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ShapeError when a weight of this shape cannot start so."""
