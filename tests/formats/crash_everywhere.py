"""A program killed (SIGKILL) before each of its changes to the file system, one after the other.

Between two such changes nothing that another process could see happens, so that these are all moments there are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_DRIVER = '''
import json, os, pathlib, shutil, signal, sys

root = sys.argv[1]
{program}
EVENTS = {{"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "shutil.rmtree"}}

def child(action, folder, moment=None):
    """Whether the action came to its end."""
    process = os.fork()
    if not process:
        passed = 0
        def hook(event, arguments):
            nonlocal passed
            if event in EVENTS and root in str(arguments):
                if passed == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
                passed += 1
        sys.addaudithook(hook)
        code = 1
        try:
            action(folder)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(process, 0)[1] == 0

def content(folder):
    return {{str(path.relative_to(folder)): path.read_text("latin-1") for path in pathlib.Path(folder).rglob("*") if path.is_file()}}

prepare_first = os.path.join(root, "warm")
os.mkdir(prepare_first); prepare(prepare_first); run(prepare_first); shutil.rmtree(prepare_first)
outcomes = []
for moment in range(1000):
    folder = os.path.join(root, str(moment))
    os.mkdir(folder)
    prepare(folder)
    done = child(run, folder, moment)
    after = content(folder)
    again = done or child(again_after, folder)
    outcomes.append({{"after": after, "again": content(folder) if again else None}})
    if done:
        break
print(json.dumps(outcomes))
'''


@dataclass(frozen=True)
class Outcome:
    """The files after a crash, and after the next run; None if that failed. The last outcome is that of a run without a crash."""

    after: dict[str, str]
    again: dict[str, str] | None


def crashed_everywhere(folder: Path, program: str) -> list[Outcome]:
    """`program` defines `prepare(folder)`, `run(folder)` and `again(folder)`, each given a folder of its own below `folder`."""
    code = _DRIVER.format(program=program.replace("def again(", "def again_after("))
    tests = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (tests.parents[1], tests)))}
    command = [sys.executable, "-c", code, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    outcomes = [Outcome(**outcome) for outcome in json.loads(result.stdout)]
    assert len(outcomes) > 3
    return outcomes
