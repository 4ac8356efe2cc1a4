"""Diagnostics: what can be wrong with a model file, and how it is said.

The table below is the list of all codes. A code's text is its page in `spec-compiler explain`; a new kind of
finding is one more entry. Ids never change their meaning and are never used again.

SC0xx source text, SC1xx names and structure, SC2xx graph, SC3xx shapes, SC4xx short-form blocks,
SC5xx training, SC6xx weights, SC9xx spec_compiler itself.
"""

from __future__ import annotations

from spec_compiler.diagnostics.report import Code as Code
from spec_compiler.diagnostics.report import Diagnostic as Diagnostic
from spec_compiler.diagnostics.report import Located as Located
from spec_compiler.diagnostics.report import Path as Path
from spec_compiler.diagnostics.report import Report as Report
from spec_compiler.diagnostics.report import Reporter as Reporter
from spec_compiler.diagnostics.report import Severity as Severity
from spec_compiler.diagnostics.report import Span as Span
from spec_compiler.diagnostics.report import SpecError as SpecError
from spec_compiler.diagnostics.report import format_path as format_path
from spec_compiler.diagnostics.text import did_you_mean as did_you_mean
from spec_compiler.diagnostics.text import plain as plain
from spec_compiler.diagnostics.text import show as show

CODES: dict[str, Code] = {}


def find_code(name: str) -> Code | None:
    """The code with this id or slug, in any case: `SC101`, `unknown-layer`."""
    by_name = {**CODES, **{code.slug.upper(): code for code in CODES.values()}}
    return by_name.get(name.upper())


def _code(entry: str) -> Code:
    """The code whose id and slug are the first line of `entry`, and whose page is the rest."""
    id, slug, *words = entry.split()
    CODES[id] = code = Code(id, slug, " ".join(words))
    return code


SYNTAX_ERROR = _code("""SC001 syntax-error
    The text is not well-formed JSON or YAML. A bracket or quote is missing, a comma is too many, or a YAML
    line is indented with a tab or by the wrong number of spaces: `{"units": 10,}`. Mend the text at the
    place given; the fault is there or just before it.""")
LIMIT_EXCEEDED = _code("""SC002 limit-exceeded
    The file is larger, more deeply nested or more numerous in values than a model can be. The limits keep a
    hostile file from taking time and memory without bound. If the file is honest, keep weights and data out
    of it.""")
UNSAFE_TAG = _code("""SC003 unsafe-tag
    A YAML tag asks for an object to be constructed. Tags such as `!!python/object/apply:os.system` run code
    in careless loaders, so every tag is refused but those of plain data and `!!python/tuple`, which old
    Keras wrote. Remove the tag and write the value as plain data.""")
DUPLICATE_KEY = _code("""SC004 duplicate-key
    A mapping holds the same key twice. Other readers silently keep the last value, which hides slips such
    as two `units:` in one layer. Remove one of the two.""")
NON_FINITE_NUMBER = _code("""SC005 non-finite-number
    A number is NaN or infinite, written so (`NaN`, `Infinity`, `.inf`) or too large for a float (`1e999`).
    No part of a model takes such a number, and JSON forbids it. Write a finite number, or null where "none"
    is meant.""")
ENCODING = _code(r"""SC006 encoding
    The bytes are not text. Model files are UTF-8 (UTF-16 with a byte order mark is read too), without
    control characters and without lone surrogates such as `"\ud800"`. Save the file as UTF-8.""")
ALIAS_LIMIT = _code("""SC007 alias-limit
    YAML aliases (`*name`) and merge keys (`<<`) repeat so much that the document would grow out of bounds,
    or an alias stands inside the very value it names. This is how a "billion laughs" file takes all memory.
    Write the repeated values out.""")
COMPLEX_KEY = _code("""SC008 complex-key
    A YAML mapping key is a list or a mapping, as in `? [a, b]`. Keys of a model file are words or whole
    numbers. Often braces were forgotten or doubled: `{{units}: 3}`.""")
MULTIPLE_DOCUMENTS = _code("""SC009 multiple-documents
    The YAML file holds several documents, divided by `---`. A model file is one document; split the file.""")
UNREADABLE_FILE = _code("""SC010 unreadable-file
    The file cannot be read: it is missing, is a folder or a device, or permission is denied.""")
EMPTY_DOCUMENT = _code("""SC011 empty-document
    The file holds nothing but white space or comments, so there is no model to read. Was the file saved?""")
BAD_ARCHIVE = _code("""SC012 bad-archive
    A `.keras` or HDF5 file, or a SavedModel's `keras_metadata.pb`, is damaged or is built like none that
    Keras writes: a member named twice, encrypted, linked, compressed by an unusual method, or larger than
    it says. Save the model again from Keras.""")

UNKNOWN_LAYER = _code("""SC101 unknown-layer
    No layer has this name. Layers are looked up in a closed table by their Keras class name (`Dense`,
    `Conv2D`); nothing is ever imported because a file names it. Correct the spelling; for a layer of your
    own, register its spec class with `register_layer`, in code that you import or that
    `spec-compiler --plugin mylayers.py validate net.yaml` loads.""")
UNKNOWN_ARGUMENT = _code("""SC102 unknown-argument
    The layer, or other object, takes no argument of this name, as in `Dense: {unit: 10}`. An argument that
    is ignored would build another model than the one meant. Correct the spelling or remove the argument.""")
MISSING_ARGUMENT = _code("""SC103 missing-argument
    A required argument is left out: `Dense: {}` does not say how many `units`. Add it.""")
INVALID_VALUE = _code("""SC104 invalid-value
    The value is of the wrong type or outside what the field allows, such as `units: -1`, `padding: sane`,
    or `!!int _`. The message says what is allowed.""")
DUPLICATE_NAME = _code("""SC105 duplicate-name
    Two layers of one model have the same name, so references and weights cannot tell them apart. Rename
    one. To call one layer twice, write `{call: name, from: ...}` in the short form.""")
UNKNOWN_FORMAT = _code("""SC106 unknown-format
    The document is not recognisable as a model. A Keras model has `class_name` and `config` at its top; a
    short form has `layers`. A file of weights or of training history is no model file.""")
UNSAFE_LAYER = _code("""SC107 unsafe-layer
    The layer carries code or loads other files: `Lambda` with bytecode, `TorchModuleWrapper` with a pickle,
    `TFSMLayer` with a path. Nothing of it is run or opened. Replace the layer by one registered in your own
    code under the same name.""")
UNSAFE_PATH = _code("""SC108 unsafe-path
    A value would make the model read another file or an address on the network, or a name holds `..`, `/`
    or `\\` where it could become a path. Vocabularies are given inline, as lists.""")
UNKNOWN_OBJECT = _code("""SC109 unknown-object
    No initializer, activation, regularizer, constraint, loss, metric or optimizer has this name. They are
    looked up in closed tables under Keras's names. Correct the spelling.""")
CUSTOM_LAYER = _code("""SC110 custom-layer
    The layer is not one of Keras's; whoever wrote the file had it in their own code. What it computes is
    not in the file. Register a spec class and a lowering for it (`register_layer`, `lowers`), in code that
    you import or that `spec-compiler --plugin mylayers.py validate net.yaml` loads; or replace it.""")
MISSING_SECTION = _code("""SC111 missing-section
    A part that every model has is missing, such as `layers`, or a layer's `class_name` or `config`. Add
    it.""")
TRIMMED_NAME = _code("""SC113 trimmed-name
    A name was changed while reading because no layer can bear it as written, or while writing because the
    Keras written for takes none such. Weights and references follow the name in the message. Rename the
    layer in the file to silence this.""")
THEANO_PADDING = _code("""SC114 theano-padding
    Keras 0 and 1 ran on Theano or on TensorFlow, and their files do not say on which. With padding `same` the two
    lay the windows of even kernels, of strides and of pooling otherwise: here they lie as TensorFlow's. Where
    Theano trained a convolution of odd kernel, ZeroPadding of half the kernel, rounded down, before it, and padding
    `valid`, give Theano's numbers.""")
MOVING_DEVIATION = _code("""SC115 moving-deviation
    The last of a BatchNormalization's weights was a moving standard deviation in Keras 0 and in Keras 1.0 up to 1.0.5
    (under Theano up to 1.0.6), which divided by it and epsilon; since then it is a moving variance, of the same shape.
    From weights of that time, set `(deviation + epsilon) ** 2 - epsilon` in its place: that gives the same numbers.""")
TRAINS_OTHERWISE = _code("""SC116 trains-otherwise
    The layer started or did in training what none of today's does, and is built without it, as an Embedding of Keras 1
    with dropout, which dropped whole words. With weights that are given, its numbers outside of training are the
    same.""")

CYCLE = _code("""SC201 cycle
    Layers feed each other in a circle, so none of them can come first. The message names the circle.
    Recurrent state belongs inside a recurrent layer; elsewhere, cut the circle.""")
MISSING_REFERENCE = _code("""SC202 missing-reference
    A layer or output refers to a layer that does not exist, or to a call of it that was never made. Correct
    the name; in Keras JSON, `["dense_1", 0, 0]` is layer, call, and which of its outputs.""")
UNREACHABLE_OUTPUT = _code("""SC203 unreachable-output
    No input of the model leads to this output, so it cannot be computed. Connect it, or remove it.""")
WRONG_OUTPUT_INDEX = _code("""SC204 wrong-output-index
    A reference asks for an output that the layer does not have, as in `dense[1]`. Most layers have one
    output, number 0; a recurrent layer with `return_state` has more.""")
UNUSED_LAYER = _code("""SC205 unused-layer
    No output of the model needs the layer, so it is neither run nor trained, and has no weights. Connect it or remove
    it.""")
WRONG_INPUT_COUNT = _code("""SC206 wrong-input-count
    The layer is given more or fewer inputs than it takes: `Add` wants at least two, `Dense` exactly one.""")
AMBIGUOUS_REFERENCE = _code("""SC207 ambiguous-reference
    A reference fits more than one layer. Give the layer that is meant a `name` of its own and refer to
    that.""")
NO_INPUT = _code("""SC208 no-input
    The model does not say what goes into it: there is no input layer and no input shape. Add `inputs`, or
    an input shape on the first layer.""")
NO_OUTPUT = _code("""SC209 no-output
    The model has no output, because it has no layers or its list of outputs is empty. Name at least one.""")

SHAPE_MISMATCH = _code("""SC301 shape-mismatch
    Shapes that meet here do not fit, such as `Add` of (None, 8) and (None, 16). The message shows them,
    batch axis first. Change the layer that makes the wrong size.""")
BAD_RANK = _code("""SC302 bad-rank
    The input has too many or too few axes: `Conv2D` wants (batch, height, width, channels). Often a
    `Flatten` or a `Reshape` is missing, or the input shape lacks its channels.""")
UNKNOWN_DIMENSION = _code("""SC303 unknown-dimension
    A size must be known here and is None: weights cannot be made for an axis of unknown length. State the
    size in the input shape.""")
NEGATIVE_SIZE = _code("""SC304 negative-size
    Nothing is left of an axis: the kernel, pool or crop is larger than its input, as a kernel of 5 over 3
    pixels. Use a smaller one, `padding: same`, or fewer layers that shrink.""")
BUDGET_EXCEEDED = _code("""SC305 budget-exceeded
    The model would need more parameters or activations than the budget allows; nothing was allocated. If it
    is meant, raise `--max-params` or `--max-activations`.""")
WRONG_DTYPE = _code("""SC306 wrong-dtype
    The data type does not suit the layer or operation, such as `ops.fft` of whole numbers, or random initial
    weights in a layer of whole numbers. Cast to another dtype first.""")

BAD_PARAMETER = _code("""SC401 bad-parameter
    A block is called with a parameter it does not have, or `params` is not a mapping of names to defaults.
    Declare the parameter under the block's `params`, or correct its name.""")
BAD_EXPRESSION = _code("""SC402 bad-expression
    `${...}` holds a parameter, or arithmetic on whole numbers and parameters with `+ - * //` and
    parentheses, and nothing else. No code is evaluated.""")
MISSING_PARAMETER = _code("""SC403 missing-parameter
    A block is used without a parameter that has no default (its default is null). Give it: `residual:
    {filters: 32}`.""")
BLOCK_RECURSION = _code("""SC404 block-recursion
    A block or nested model contains itself, directly or through others, so it would never end. The message
    names the circle.""")
BAD_REPEAT = _code("""SC405 bad-repeat
    `repeat` is a whole number of at least one, and the repetitions together stay within the limit on
    layers.""")

BAD_TRAINING = _code("""SC501 bad-training
    The training section, or a compile config, is not built as expected: it holds `optimizer`, `loss`,
    `metrics`, `fit` and their like, each a name, a mapping, or one of these an output.""")
UNKNOWN_OUTPUT = _code("""SC502 unknown-output
    A loss, metric or weight is given for an output that the model does not have. Use the names in
    `outputs`.""")
MISSING_LOSS = _code("""SC503 missing-loss
    Training needs a loss for at least one output, and none is given. Add `loss` to the training section.""")
DATA_MISMATCH = _code("""SC504 data-mismatch
    The data do not fit the model: wrong number of arrays, wrong shape, or lengths that differ.""")

MISSING_WEIGHTS = _code("""SC601 missing-weights
    The weight file lacks variables that the model has. Is it from another model, or from before a change?""")
UNEXPECTED_WEIGHTS = _code("""SC602 unexpected-weights
    The weight file holds variables that the model does not have. Is it from another model?""")
WEIGHT_SHAPE = _code("""SC603 weight-shape
    A stored array has another shape than the variable it is for. Shapes are compared before any data are
    read.""")
WEIGHT_FORMAT = _code("""SC605 weight-format
    The file is no weight file of a known kind, is damaged, or declares sizes that its bytes do not bear
    out. Known are Keras HDF5, `.keras` and safetensors.""")
WEIGHT_DTYPE = _code("""SC606 weight-dtype
    A stored array has a data type that the variable cannot take, such as strings or complex numbers.""")

INTERNAL_ERROR = _code("""SC901 internal-error
    spec_compiler itself failed, which is a bug whatever the file holds. Please report it with the file.""")
UNSUPPORTED = _code("""SC902 unsupported
    The file is sound and Keras would take it, but spec_compiler cannot run this yet, or cannot write it in
    the form asked for. The message says what exactly, and what can be used in its stead.""")
