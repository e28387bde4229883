"""A command that ends at once leaves nothing undone."""

import os
import subprocess
import sys


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_imports_leave_collection_on_and_what_they_made_out_of_it() -> None:
    done = run(
        "import gc\n"
        "from mflab.launch import quick_imports\n"
        "with quick_imports():\n"
        "    print(gc.isenabled())\n"
        "    import json\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 0)\n"
    )
    assert done.stdout.split() == ["False", "True", "True"], done.stderr


def test_collection_is_on_again_after_an_import_that_fails() -> None:
    done = run(
        "import gc\n"
        "from mflab.launch import quick_imports\n"
        "try:\n"
        "    with quick_imports():\n"
        "        import no_such_module\n"
        "except ImportError:\n"
        "    print(gc.isenabled())\n"
    )
    assert done.stdout.split() == ["True"], done.stderr


def test_leaving_keeps_status_output_and_what_was_registered_for_the_end() -> None:
    done = run(
        "import atexit, sys\n"
        "from mflab.launch import leave\n"
        "atexit.register(print, 'last')\n"
        "sys.stdout.write('first\\n')\n"
        "sys.stderr.write('aside')\n"
        "leave(3)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "first\nlast\n", "aside")


def test_leaving_bears_a_reader_that_left() -> None:
    code = "import sys\nfrom mflab.launch import leave\nsys.stdout.write('x' * 100)\nleave(0)\n"
    # Unbuffered, the write itself would fail.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.wait(60), process.stderr.read()) == (0, b"")
    process.stderr.close()
