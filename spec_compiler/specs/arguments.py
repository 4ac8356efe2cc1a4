"""Objects whose class's own arguments precede the ones they share with their kind, as in Keras's signatures."""

from inspect import get_annotations
from typing import Any, ClassVar

from spec_compiler.specs.base import FrozenSpec
from spec_compiler.specs.serialization import config_of


class ArgumentsSpec(FrozenSpec):
    """A loss, metric, optimizer or schedule: `Huber(2.0)` sets `delta`, not a field of the base class."""

    unstated: ClassVar[tuple[str, ...]] = ()
    """Fields that Keras's `get_config()` leaves out; written only where they differ from the default."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        # pydantic puts inherited fields first; the order is that of arguments by position, and of the schema.
        order: dict[str, None] = {}
        for base in cls.__mro__:
            order.update(dict.fromkeys(get_annotations(base)))
        fields = cls.__pydantic_fields__
        cls.__pydantic_fields__ = {name: fields[name] for name in order if name in fields}

    def get_config(self) -> dict[str, Any]:
        """The arguments as Keras 3 writes them."""
        config = config_of(self)
        for name in self.unstated:
            if getattr(self, name) == type(self).model_fields[name].default:
                del config[name]
        return config
