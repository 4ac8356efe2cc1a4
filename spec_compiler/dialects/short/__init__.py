"""The short form: a model in as few lines of YAML as say what it is.

    inputs:
      image: [28, 28, 1]                # or {shape: [28, 28, 1], dtype: uint8}
    layers:
      - Conv2D: {filters: 32, kernel_size: 3, activation: relu}
        name: stem
      - residual: {filters: 32}         # a block, below
        repeat: 3
      - GlobalAveragePooling2D          # no arguments: the name alone
      - {Dense: {units: 10, activation: softmax}, name: digit}
    outputs: [digit]                    # left out: what the last item gives
    blocks:
      residual:
        params: {filters: null, kernel: 3}      # null: must be given
        layers:
          - Conv2D: {filters: "${filters}", kernel_size: "${kernel}", padding: same}
          - BatchNormalization
          - {Add: {}, from: [input, BatchNormalization]}

An item is a class name, or a mapping with one class key and beside it:

- `name`: unique in its model or block. An unnamed layer is named after its class, `conv2d`, `conv2d_1`, counted in the
  order of the document, and on from a layer that is named so; inside a block the block's name comes first, `residual_1_conv2d`.
- `from`: what it takes; left out, the item before, or the block's `input` where the item is the first of a block. A
  name, or the class key of the one unnamed item above that has it; `name[1]` is a second output; a list is several
  inputs: one list for layers that merge, else arguments by position, so that `from: [x, [h, c]]` gives an LSTM its
  initial state.
- `with`: keyword arguments of the call, plain values or `{from: name}`: `with: {use_causal_mask: true}`.
- `repeat`: how often it stands in a row.

`ops.concatenate: {axis: 1}` is an operation of `keras.ops`; what it takes besides the outputs of layers stands under
`with`, by the names of Keras's arguments: `with: {x2: 0.5}`, `with: {key: [":", "1:4"]}` for `x[:, 1:4]`.

`{call: name, from: …}` calls a layer again, sharing its weights. `models` holds nested models, each with `inputs`,
`layers` and `outputs`, used like a class; `call` shares them too. `${…}` in a block is a parameter or arithmetic on
parameters. `training` says how to train: see TrainingSpec.

A document with at most one input, whose items each take the one before, and without `outputs`, is a SequentialSpec; any
other is a FunctionalSpec.
"""

from __future__ import annotations

from spec_compiler.dialects.short.reader import read as read

__all__ = ["read"]
