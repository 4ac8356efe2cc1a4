"""JSON Schemas of the short form and of Keras files, made from the spec classes.

An editor completes and checks a YAML file that begins with
`# yaml-language-server: $schema=../schemas/model.schema.json`. `python -m spec_compiler.schema` writes both files.
"""

from __future__ import annotations

from spec_compiler.schema.keras import keras_schema
from spec_compiler.schema.short import model_schema

__all__ = ["keras_schema", "model_schema"]
