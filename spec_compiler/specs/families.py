"""Closed tables of classes, by family: a family is a module, imported when the first of its classes is asked for.

Making a pydantic class costs about half a millisecond, so a check of three layers pays for their three families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

ERRORS = {
    "mse": "MeanSquaredError",
    "MSE": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
    "MAE": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError",
    "MAPE": "MeanAbsolutePercentageError",
    "msle": "MeanSquaredLogarithmicError",
    "MSLE": "MeanSquaredLogarithmicError",
    "bce": "BinaryCrossentropy",
    "BCE": "BinaryCrossentropy",
}
"""Keras's short names of errors, which losses and metrics share."""


def families(
    package: str, table: Mapping[str, str], bases: Mapping[str, str] | None = None
) -> tuple[list[str], Callable[[str], Any]]:
    """`__all__` and `__getattr__` of a package whose modules, the keys of `table`, hold the classes named in its values.

    `bases`, likewise, are those that the package has and no file may name.
    """
    public = {name: family for family, names in table.items() for name in names.split()}
    homes = public | {name: family for family, names in (bases or {}).items() for name in names.split()}

    def getattribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return list(public), getattribute
