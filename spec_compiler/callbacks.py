"""Keras's callbacks, under Keras's names."""

from __future__ import annotations

from spec_compiler.runtime import callbacks as _callbacks
from spec_compiler.runtime.callbacks import *  # noqa: F403
from spec_compiler.runtime.callbacks import Callback as Callback
from spec_compiler.runtime.callbacks import CallbackList as CallbackList
from spec_compiler.runtime.callbacks import History as History
from spec_compiler.runtime.callbacks import LambdaCallback as LambdaCallback
from spec_compiler.runtime.callbacks import LearningRateScheduler as LearningRateScheduler

__all__ = [*_callbacks.__all__, "Callback", "CallbackList", "History", "LambdaCallback", "LearningRateScheduler"]
