"""Every layer, by family. This table is the closed registry that names in a file are looked up in."""

from __future__ import annotations

from spec_compiler.specs.families import families

_FAMILIES = {
    "core": "InputLayer Dense Identity Masking",
    "embedding": "Embedding ReversibleEmbedding",
    "einsum": "EinsumDense",
    "conv": "Conv1D Conv2D Conv3D Convolution1D Convolution2D Convolution3D",
    "conv_transpose": "Conv1DTranspose Conv2DTranspose Conv3DTranspose "
    "Convolution1DTranspose Convolution2DTranspose Convolution3DTranspose",
    "conv_depthwise": "DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D "
    "SeparableConvolution1D SeparableConvolution2D",
    "locally_connected": "LocallyConnected1D LocallyConnected2D",
    "pooling": "MaxPooling1D MaxPooling2D MaxPooling3D MaxPool1D MaxPool2D MaxPool3D",
    "pooling_average": "AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D",
    "pooling_global": "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
    "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D "
    "GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D",
    "pooling_adaptive": "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
    "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D",
    "padding": "ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D",
    "upsampling": "UpSampling1D UpSampling2D UpSampling3D",
    "recurrent": "LSTM GRU SimpleRNN LSTMCell GRUCell SimpleRNNCell",
    "recurrent_cells": "RNN StackedRNNCells",
    "conv_lstm": "ConvLSTM1D ConvLSTM2D ConvLSTM3D",
    "attention": "MultiHeadAttention GroupQueryAttention GroupedQueryAttention",
    "attention_unprojected": "Attention AdditiveAttention",
    "wrappers": "Bidirectional TimeDistributed",
    "flatten": "Flatten",
    "reshaping": "Reshape Permute RepeatVector",
    "activation": "Activation ReLU LeakyReLU ELU Softmax PReLU",
    "preprocessing": "Rescaling Normalization",
    "images": "Resizing CenterCrop RandomFlip RandomRotation",
    "normalization": "BatchNormalization",
    "normalization_samples": "LayerNormalization GroupNormalization",
    "normalization_norms": "RMSNormalization UnitNormalization SpectralNormalization",
    "merging": "Add Subtract Multiply Average Maximum Minimum Concatenate Dot",
    "regularization": "Dropout ActivityRegularization",
    "regularization_spatial": "SpatialDropout1D SpatialDropout2D SpatialDropout3D",
    "regularization_noise": "GaussianNoise GaussianDropout AlphaDropout",
    "legacy": "Highway MaxoutDense ThresholdedReLU ParametricSoftplus SReLU Deconvolution2D",
    "applications": "LayerScale CustomScaleLayer",
}

__all__, __getattr__ = families(__name__, _FAMILIES)


def __dir__() -> list[str]:
    return __all__
