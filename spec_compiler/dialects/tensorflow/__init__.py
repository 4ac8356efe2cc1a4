"""TensorFlow's functions in a graph, as tf.keras wrote them before Keras 3: to the operations of `keras.ops`.

A file of tf.keras holds a layer for each call of a function of TensorFlow's: TFOpLambda and SlicingOpLambda name the
function (`math.reduce_mean`), TensorFlowOpLayer the raw operation (`Mean`). `table` finds the function, `raw` what the
operation's inputs are, and `translate` puts the operations of `keras.ops` in their place that compute the same. What was
read is kept beside the model (`written_as`), so that Keras 2's writer gives it back word for word. Operations that were not
read so it writes by the same table, turned round (`inverted`).
"""

from __future__ import annotations

from spec_compiler.dialects.tensorflow.inverse import inverted
from spec_compiler.dialects.tensorflow.layers import TensorFlowCall, read_layer, written
from spec_compiler.dialects.tensorflow.translate import translate, written_as

__all__ = ["TensorFlowCall", "inverted", "read_layer", "translate", "written", "written_as"]
