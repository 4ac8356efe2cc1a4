"""Reading, checking, lowering and writing a model opens, runs, imports and connects to nothing that its file names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHARED

ROOT = Path(__file__).parents[2]
WATCHED = """
import json, sys
import spec_compiler as sc
from spec_compiler.dialects.write import to_dict
from spec_compiler.source import load

def use(text):
    sc.validate_text(text)
    try:
        spec = sc.parse_spec(text)
        for dialect in ("keras3", "keras2", "short"):
            try:
                to_dict(spec, dialect)
            except sc.SpecError:
                pass
        sc.lower(spec)
        sc.emit(spec)
    except sc.SpecError:
        pass

texts = [open(path).read() for path in sys.argv[1:]]
decoy = '{"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "Dense", "config": {"units": 1}}]}}'
texts += [decoy, decoy.replace("Sequential", "Nope"), "layers: [Dense: {units: 1}, Densee]"]
hostile = ["posix.system", "os", "/etc/passwd", "http://127.0.0.1:1/x", "../x", "keras.saving.load_model", "numpy.load", "pickle.loads",
           "exec", "lambda: 1", "${__import__('os')}", "__import__('os').system('true')", "file:///etc/passwd", "\\\\\\\\host\\\\share"]
CLASSES = ["Lambda", "TorchModuleWrapper", "TFSMLayer", "StringLookup", "TFOpLambda", "TensorFlowOpLayer", "Functional", "Dense"]
for word in hostile:
    for name in [*CLASSES, word]:
        for module in ("keras.layers", "os", word):
            arguments = dict.fromkeys(["function", "module", "filepath", "vocabulary", "class_name", "kernel_initializer", "units",
                                       "activation", "custom_objects", "node_def", "constants", "arguments", "name", "dtype"], word)
            layer = {"class_name": name, "module": module, "registered_name": word, "config": arguments}
            first = {"class_name": "InputLayer", "config": {"batch_shape": [None, 4]}}
            texts.append(json.dumps({"class_name": "Sequential", "config": {"name": word, "layers": [first, layer]}}))
    texts.append(f'layers: [!!python/object/apply:{word} ["true"]]')
    texts.append(f"inputs: {{x: [4]}}\\nlayers: [Dense: {{units: '{word}'}}]".replace("'true'", "true"))
for text in texts[:1] + texts:  # the first time, what is needed is imported
    if text is texts[0]:
        for warm in texts:
            use(warm)
        seen = []
        ours = ("open", "os.", "subprocess.", "socket.", "import", "pickle.", "ctypes.dlopen", "shutil.", "tempfile.", "glob.", "ftplib.", "urllib.")
        modules = set(sys.modules)
        sys.addaudithook(lambda event, args: event.startswith(ours) and seen.append((event, args)))
        open(sys.argv[1]).close()
        assert seen.pop()[0] == "open" and not seen
        break
for text in texts:
    use(text)
found = {(event, str(args[0])[:80]) for event, args in seen if not (event == "import" and args[0] in modules)}
print(*sorted(found), sep="\\n")
"""


def test_nothing_is_opened_imported_run_or_connected_to() -> None:
    if not SHARED.exists():
        pytest.skip("needs the corpus")
    paths = [str(path) for path in sorted((SHARED / "corpus").glob("*.json")) if path.stat().st_size < 6_000]
    run = subprocess.run([sys.executable, "-c", WATCHED, *paths], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.strip() == ""
