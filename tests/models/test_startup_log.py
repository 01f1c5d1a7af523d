"""TensorFlow's start-up log is held back, and nothing else is: with a package of that name that writes as TensorFlow does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

QUIETLY = """
import os
from migspec.models.startup_log import tensorflow_starts_quietly
with tensorflow_starts_quietly():
    import users_model
os.write(2, b"after\\n")
"""


def run(folder: Path, tensorflow: str, code: str = QUIETLY, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "tensorflow").mkdir()
    (folder / "tensorflow" / "__init__.py").write_text(tensorflow)
    (folder / "users_model.py").write_text(
        "import os\nos.write(2, b'before\\n')\nimport tensorflow\nos.write(2, b'users own\\n')\n"
    )
    paths = os.pathsep.join([str(folder), *(path for path in sys.path if path)])
    inherited = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code], env={**inherited, **environment, "PYTHONPATH": paths}, capture_output=True, text=True
    )


def test_only_tensorflows_own_lines_are_left_out(tmp_path: Path) -> None:
    done = run(tmp_path, "import os; os.write(2, b'I0000 oneDNN custom operations are on\\n')")
    assert (done.returncode, done.stderr) == (0, "before\nusers own\nafter\n")


def test_all_of_it_is_shown_if_the_import_fails(tmp_path: Path) -> None:
    done = run(tmp_path, "import os; os.write(2, b'no such instruction: AVX\\n'); raise ImportError('broken')")
    assert done.returncode == 1
    assert done.stderr.startswith("before\nno such instruction: AVX\nTraceback")
    assert done.stderr.endswith("ImportError: broken\n")


def test_all_of_it_is_shown_to_who_asks(tmp_path: Path) -> None:
    done = run(tmp_path, "import os; os.write(2, b'I0000 hello\\n')", TF_CPP_MIN_LOG_LEVEL="0")
    assert done.stderr == "before\nI0000 hello\nusers own\nafter\n"


def test_the_module_is_as_python_would_have_loaded_it(tmp_path: Path) -> None:
    code = QUIETLY + (
        "import sys, tensorflow, importlib.resources\n"
        "from importlib.machinery import SourceFileLoader\n"
        "assert type(tensorflow.__loader__) is type(tensorflow.__spec__.loader) is SourceFileLoader\n"
        "assert importlib.resources.files(tensorflow).joinpath('__init__.py').is_file()\n"
        "assert not any(type(finder).__module__.startswith('migspec') for finder in sys.meta_path)\n"
    )
    done = run(tmp_path, "", code)
    assert (done.returncode, done.stderr) == (0, "before\nusers own\nafter\n")


def test_nothing_stays_behind_where_tensorflow_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom migspec.models.startup_log import tensorflow_starts_quietly\nbefore = list(sys.meta_path)\n"
        "with tensorflow_starts_quietly():\n    import json\nassert sys.meta_path == before\n"
    )
    assert run(tmp_path, "", code).returncode == 0
