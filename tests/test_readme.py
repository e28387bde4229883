"""Every command of the README runs: `make` targets in CI, all others here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text()
COMMANDS = [
    line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line
]


def test_make_targets_of_the_readme_run_in_ci() -> None:
    targets = [command for command in COMMANDS if command.startswith("make ")]
    ci = (REPOSITORY / ".ci" / "run").read_text().splitlines()
    assert targets
    assert all(target in ci for target in targets)


def test_every_file_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_the_readme_lists_every_sweep() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    assert listed == {path.stem for path in (REPOSITORY / "sweeps").glob("*.yaml")}


# They train on Ray; whatever else needs no process of its own.
TRAINING = [f"python -m mflab.sweep +sweep={name}" for name in ("smoke", "facelift_sample")]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_commands_of_the_readme_succeed(tmp_path: Path) -> None:
    shared = Path(os.environ.get("MFLAB_SHARED", REPOSITORY.parent / "shared")).resolve()
    (tmp_path / "analysis").symlink_to(REPOSITORY / "analysis")
    environment = {**os.environ, "MFLAB_SHARED": str(shared), "PYTHONPATH": str(REPOSITORY)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    commands = [command for command in COMMANDS if command.startswith("python ")]
    assert len(commands) > 10
    with (
        open(tmp_path / "log.txt", "w+") as log,
        subprocess.Popen(
            [sys.executable, REPOSITORY / "tests" / "preloaded.py"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as preloaded,
    ):
        assert preloaded.stdin is not None and preloaded.stdout is not None
        for command in commands:
            if "facelift_sample" in command and not shared.is_dir():
                continue
            if any(command.startswith(start) for start in TRAINING) and "dry_run" not in command:
                status = subprocess.run(
                    command, shell=True, cwd=tmp_path, env=environment, stdout=log, stderr=log, check=False
                ).returncode
            else:
                preloaded.stdin.write(f"{command}\n")
                preloaded.stdin.flush()
                status = int(preloaded.stdout.readline())
            assert status == 0, f"{command}\n{(tmp_path / 'log.txt').read_text()}"
        preloaded.stdin.close()
    assert (tmp_path / "reports" / "smoke" / "index.html").is_file()
