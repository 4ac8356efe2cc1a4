"""How a weight starts: constants, random draws, and draws scaled to the weight's fans.

What each draws is in `lowering/initializers.py`.
"""

from __future__ import annotations

from spec_compiler.specs.families import families

__all__, __getattr__ = families(
    __name__,
    {
        "constant": "Zeros Ones Constant",
        "random": "RandomNormal TruncatedNormal RandomUniform",
        "fans": "GlorotUniform GlorotNormal",
        "scaling": "VarianceScaling HeUniform HeNormal LecunUniform LecunNormal",
        "matrices": "Identity Orthogonal",
        "spectral": "STFT",
    },
    bases={"base": "Initializer"},
)

SHORT_NAMES = {
    "IdentityInitializer": "Identity",
    "OrthogonalInitializer": "Orthogonal",
    "STFTInitializer": "STFT",
    "normal": "RandomNormal",
    "one": "Ones",
    "uniform": "RandomUniform",
    "zero": "Zeros",
}
