"""Nothing runs where a part of the confinement is missing; older Landlocks are enough."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from byzer_lab.sandbox import landlock, sandbox, seccomp, syscalls
from byzer_lab.sandbox.limits import SandboxError
from byzer_lab.sandbox.sandbox import Sandbox
from byzer_lab.sandbox.support import missing

if lacks := missing():
    pytest.skip(lacks, allow_module_level=True)

BEFORE = "zygote.main("
FAIL = "(lambda *_: (_ for _ in ()).throw(OSError(1, 'not here')))"

Changed = Callable[[str], Sandbox]


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Changed]:
    """A sandbox whose warm process runs some code first."""
    made: list[Sandbox] = []

    def make(code: str) -> Sandbox:
        imports = "from byzer_lab.sandbox import confine, landlock, seccomp; "
        first = imports + code + "; zygote.main("
        monkeypatch.setattr(sandbox, "PROGRAM", sandbox.PROGRAM.replace(BEFORE, first))
        made.append(Sandbox())
        return made[-1]

    assert BEFORE in sandbox.PROGRAM
    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    "part",
    [
        "landlock.restrict",
        "landlock._allow",
        "seccomp.load_filter",
        "seccomp.forbid_new_rights",
        "confine._drop_capabilities",
    ],
)
def test_nothing_runs_where_a_part_fails(changed: Changed, tmp_path: Path, part: str) -> None:
    proof = tmp_path / "ran"
    own = changed(f"{part} = {FAIL}")
    with pytest.raises(SandboxError, match=r"was not run.*not here.*unsafe=True"):
        own.run(f"open({str(proof)!r}, 'w')\ndef f(): return 1", "f")
    assert not proof.exists()


def test_nothing_runs_without_limits(changed: Changed) -> None:
    own = changed(f"import byzer_lab.sandbox.confined as c; c.limit = {FAIL}")
    with pytest.raises(SandboxError, match="not here"):
        own.run("def f(): return 1", "f")


def test_a_failure_of_the_supervisor_is_told(changed: Changed) -> None:
    own = changed("import os; os.mkdir = lambda *_: open('/not/here')")
    with pytest.raises(SandboxError, match=r"sandbox failed: FileNotFoundError.*/not/here"):
        own.run("def f(): return 1", "f")


ATTACKS = {
    "read": "open('/etc/passwd')",
    "write": "open({file!r}, 'w')",
    "truncate by path": "os.truncate({file!r}, 0)",
    "truncate while reading": "os.open({file!r}, os.O_RDONLY | os.O_TRUNC)",
    "truncate the library": "os.open(os.__file__, os.O_RDONLY | os.O_TRUNC)",
    "open for neither": "os.open({file!r}, 3)",
    "link": "os.link({file!r}, 'mine')",
    "rename": "os.rename({file!r}, 'mine')",
    "TCP": "__import__('socket').socket()",
    "signal": "os.kill(os.getppid(), 9)",
    "ioctl": "__import__('fcntl').ioctl(0, 0x5412, b'x')",
}


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_older_versions_of_landlock(changed: Changed, tmp_path: Path, version: int) -> None:
    """What they can't guard, the filter of system calls does."""
    if version > landlock.version():
        pytest.skip(f"this kernel has version {landlock.version()}")
    file = tmp_path / "precious"
    file.write_text("precious")
    own = changed(f"landlock.version = lambda: {version}")
    for name, attack in ATTACKS.items():
        code = attack.format(file=str(file))
        outcome = own.run(f"import os\ndef f(): return repr({code})", "f")
        assert outcome.error is not None, name
        assert "Error" in outcome.error, name
    body = "open('a', 'w').write('x'); os.makedirs('b'); os.unlink('a'); return os.listdir()"
    assert own.run(f"import os\ndef f():\n    {body}", "f").value == ["b"]
    assert file.read_text() == "precious"


@pytest.mark.parametrize("machine", syscalls.ARCHITECTURES)
def test_the_filters_jumps_land_inside(machine: str) -> None:
    code = seccomp.program(machine)
    assert len(code) < 4096  # what the kernel takes
    for place, (operation, if_true, if_false, value) in enumerate(code):
        jumps = operation in (seccomp.EQUAL, seccomp.ANY_BIT, seccomp.SKIP)
        steps = (if_true, if_false) if operation != seccomp.SKIP else (value,)
        assert all(place + 1 + step < len(code) for step in steps) or not jumps
        assert 0 <= max(if_true, if_false) < 256
    assert code[-1] == (seccomp.RETURN, 0, 0, seccomp.REFUSE)


@pytest.mark.parametrize("machine", syscalls.ARCHITECTURES)
def test_no_number_stands_twice(machine: str) -> None:
    names = {**syscalls.NUMBERS, **syscalls.ALSO_NUMBERED}
    known = [number for name in names if (number := syscalls.number(name, machine)) is not None]
    assert len(known) == len(set(known))


def test_a_child_without_a_request_ends(tmp_path: Path) -> None:
    """The spare one, when its owner is gone."""
    program = (
        "import os, sys\n"
        "from byzer_lab.sandbox.confined import Confined\n"
        "child = Confined(sys.argv[1], [])\n"
        "assert os.read(child.result, 1) == b'+'\n"
        "os.close(child._request)\n"
        "_, status = os.waitpid(child.pid, 0)\n"
        "print(os.waitstatus_to_exitcode(status))\n"
    )
    run = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "0\n"


def test_a_forked_owner_leaves_the_sandbox_alone() -> None:
    program = (
        "import os, sys\n"
        "from byzer_lab.sandbox.sandbox import shared\n"
        "run = lambda: shared().run('def f(): return 1', 'f').value\n"
        "assert run() == 1\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    assert run() == 1\n"
        "    sys.exit(0)\n"  # runs what is registered for the end
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "zygote = shared()._zygote._process\n"
        "assert run() == 1 and zygote is shared()._zygote._process\n"
        "print('whole')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("whole\n", "")


def test_no_folder_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Sandbox() as own:
        own.run("import os\ndef f():\n    os.mkdir('a', 0)\n    open('b', 'w')", "f")
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []
