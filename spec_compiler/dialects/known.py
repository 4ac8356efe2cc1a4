"""What Keras itself has: the names that a file may use, whether or not they can be built here."""

from __future__ import annotations

import sys


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


MODELS = words("Sequential Functional Model Container Network Graph")
"""Classes that hold layers; all but Sequential hold a graph."""

UNSAFE = {
    "Lambda": "holds Python code",
    "TorchModuleWrapper": "holds a pickled module",
    "TFSMLayer": "loads a TensorFlow SavedModel from a path",
    "JaxLayer": "holds Python code",
    "FlaxLayer": "holds Python code",
    "__lambda__": "holds Python code",
}
"""Layers that carry code or open files, and which of the two."""

OPERATIONS = words("TFOpLambda SlicingOpLambda TensorFlowOpLayer")
"""Layers that tf.keras puts in a graph for a call of a TensorFlow function."""

KERAS_LAYERS = words(
    """
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
    AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention
    AugMix AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization
    Bidirectional CategoryEncoding CenterCrop Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D
    Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D
    Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU
    EinsumDense Embedding Equalization Flatten FlaxLayer GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
    GlobalMaxPooling3D GroupNormalization GroupQueryAttention HashedCrossing Hashing Identity InputLayer
    IntegerLookup JaxLayer LSTM LSTMCell Lambda LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes
    MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp MultiHeadAttention Multiply
    Normalization PReLU Permute Pipeline RMSNormalization RNN RandAugment RandomBrightness
    RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing
    RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization
    RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom ReLU RepeatVector
    Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D SimpleRNN
    SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization
    StackedRNNCells StringLookup Subtract TFSMLayer TextVectorization TimeDistributed TorchModuleWrapper
    UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """
)
"""The layers of Keras 3.15.1, by the names it writes."""

OF_APPLICATIONS = words("LayerScale CustomScaleLayer")
"""Layers that architectures in `keras.applications` define: without their module, the name may be anybody's."""

GONE = {
    "ConvRecurrent2D": "Keras 2 dropped it",
    "DenseFeatures": "Keras 3 dropped it",
}
"""Layers of older Keras that have no equal in Keras 3, and what became of them."""

_ROOTS = words("keras tf_keras keras_core")
_STANDARD_LIBRARY = sys.stdlib_module_names - {"this"}


def is_keras(module: str) -> bool:
    """Whether the module is one of Keras's own: `keras.layers`, `tf_keras.src.engine.functional`, …"""
    root, _, rest = module.partition(".")
    return root in _ROOTS or (root == "tensorflow" and "keras" in rest.split("."))


def holds_layers(module: str) -> bool:
    """Whether it is among those of Keras's modules that layers and models come from."""
    parts = module.split(".")
    homes = ("layers", "models", "engine", "applications")
    return parts in (["keras"], ["tf_keras"]) or any(part in homes for part in parts)


def holds_operations(module: str) -> bool:
    """Whether it is one of Keras's modules of operations: `keras.src.ops.numpy`."""
    return is_keras(module) and "ops" in module.split(".")


def is_standard_library(module: str) -> bool:
    """Whether the module comes with Python, so that no layer can come from it."""
    return module.partition(".")[0] in _STANDARD_LIBRARY
