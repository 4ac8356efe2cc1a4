"""A model that Keras 2.2.5 wrote in 2019, as a torch module and as its source. Today's Keras refuses the file."""

import torch

from spec_compiler import emit, lower, parse_spec

KERAS_2_JSON = """
{"class_name": "Sequential", "config": {"name": "sequential_1", "layers": [
  {"class_name": "Conv2D", "config": {"name": "conv2d_1", "trainable": true, "batch_input_shape": [null, 28, 28, 1],
    "dtype": "float32", "filters": 16, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same",
    "data_format": "channels_last", "dilation_rate": [1, 1], "activation": "relu", "use_bias": true,
    "kernel_initializer": {"class_name": "VarianceScaling", "config":
      {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": null}},
    "bias_initializer": {"class_name": "Zeros", "config": {}}, "kernel_regularizer": null, "bias_regularizer": null,
    "activity_regularizer": null, "kernel_constraint": null, "bias_constraint": null}},
  {"class_name": "Flatten", "config": {"name": "flatten_1", "trainable": true, "data_format": "channels_last"}},
  {"class_name": "Dense", "config": {"name": "dense_1", "trainable": true, "units": 10, "activation": "softmax",
    "use_bias": true, "kernel_initializer": {"class_name": "VarianceScaling", "config":
      {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": null}},
    "bias_initializer": {"class_name": "Zeros", "config": {}}, "kernel_regularizer": null, "bias_regularizer": null,
    "activity_regularizer": null, "kernel_constraint": null, "bias_constraint": null}}]},
 "keras_version": "2.2.5", "backend": "tensorflow"}
"""

spec = parse_spec(KERAS_2_JSON)
module = lower(spec)
print(module(torch.zeros(1, 28, 28, 1)).shape)
print(emit(spec))
