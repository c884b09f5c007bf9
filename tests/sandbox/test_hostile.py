"""Code that means harm. Each test asserts that nothing outside the call was touched."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.sandbox.limits import Limits
from byzer_lab.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Run

SHORT = Limits(time_s=1, cpu_s=20)
LONG = Limits(time_s=60, cpu_s=60)


class Outside:
    """What hostile code would like to reach: a file, a folder, listening sockets, this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "precious.txt"
        self.file.write_text("precious")
        self.unix = str(folder / "line.sock")
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.line = socket.socket(socket.AF_UNIX)
        self.line.bind(self.unix)
        self.line.listen()
        self.datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagrams.bind(self.unix + "d")
        self.signals: list[int] = []
        self._before = self._facts()

    def _facts(self) -> Any:
        files = {
            str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_uid)
            for path in [self.folder, *self.folder.rglob("*")]
        }
        return files, self.file.read_text(), sorted(os.listdir(Path.home()))

    def untouched(self) -> None:
        """Assert that nothing was reached."""
        assert self._facts() == self._before
        for server in (self.tcp, self.udp, self.line, self.datagrams):
            server.setblocking(False)
            with pytest.raises(BlockingIOError):
                server.accept() if server in (self.tcp, self.line) else server.recv(9)
        assert self.signals == []

    def close(self) -> None:
        for server in (self.tcp, self.udp, self.line, self.datagrams):
            server.close()


@pytest.fixture
def outside(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    sandbox.start()
    assert sandbox._zygote is not None
    zygote = sandbox._zygote._process.pid
    monkeypatch.setenv("PRECIOUS_KEY", "sk-precious")
    with tempfile.TemporaryDirectory() as folder:
        found = Outside(Path(folder))
        handlers = {
            number: signal.signal(number, lambda number, _: found.signals.append(number))
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGIO)
        }
        try:
            yield found
            found.untouched()
            assert sandbox._zygote is not None
            assert sandbox._zygote._process.pid == zygote, "the warm process was replaced"
            assert sandbox._zygote._process.poll() is None
            _gone(zygote)
        finally:
            found.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _gone(zygote: int) -> None:
    """Assert that after a call only the warm process, its spare and the spare's child are left."""
    deadline = time.monotonic() + 10
    while (left := _below(zygote)) and len(left) > 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(left) <= 2


def _below(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(fields[1])
    found = [pid]
    for above in found:
        found += [child for child, parent in parents.items() if parent == above]
    return found[1:]


REFUSED = {
    "read a system's file": "open('/etc/passwd').read()",
    "read a precious file": "open(a['file']).read()",
    "list a folder": "os.listdir(a['folder'])",
    "list the home folder": "os.listdir(os.path.expanduser('~root'))",
    "write beside": "open(a['folder'] + '/new', 'w')",
    "append to a file": "open(a['file'], 'a')",
    "truncate by path": "os.truncate(a['file'], 0)",
    "truncate while opening to read": "os.open(a['file'], os.O_RDONLY | os.O_TRUNC)",
    "open for neither": "os.open(a['file'], 3)",
    "truncate the library": "os.open(os.__file__, os.O_RDONLY | os.O_TRUNC)",
    "write the library": "open(os.__file__, 'r+')",
    "write site-packages": "open(a['site'] + '/evil.pth', 'w')",
    "unlink": "os.unlink(a['file'])",
    "rename": "os.rename(a['file'], a['file'] + 'x')",
    "rename into scratch": "os.rename(a['file'], 'x')",
    "mkdir": "os.mkdir(a['folder'] + '/new')",
    "rmdir the scratch's parent": "os.rmdir(os.path.dirname(os.getcwd()))",
    "rmdir the scratch folder": "os.rmdir(os.getcwd())",
    "list other scratch folders": "os.listdir(os.path.dirname(os.getcwd()))",
    "chmod": "os.chmod(a['file'], 0o777)",
    "chown": "os.chown(a['file'], 12345, 12345)",
    "utime": "os.utime(a['file'], (1, 1))",
    "setxattr": "os.setxattr(a['file'], 'user.x', b'1')",
    "hard link into scratch": "os.link(a['file'], 'mine')",
    "hard link of the library": "os.link(os.__file__, 'mine')",
    "symbolic link": "(os.symlink(a['file'], 'mine'), open('mine', 'w'))",
    "symbolic link, read": "(os.symlink('/etc', 'etc'), open('etc/passwd').read())",
    "dot dot": "open('../../../../../../etc/passwd')",
    "a device": "os.mknod('disk', 0o600 | 0o060000, os.makedev(8, 0))",
    "a FIFO": "os.mkfifo(a['folder'] + '/fifo')",
    "by a handle of the folder": (
        "os.open('precious.txt', 0, dir_fd=os.open(a['folder'], os.O_PATH))"
    ),
    "from another working folder": "(os.chdir(a['folder']), open('precious.txt'))",
    "/dev/shm": "open('/dev/shm/x', 'w')",
    "/dev/mem": "open('/dev/mem', 'rb')",
    "/tmp": "open('/tmp/x-from-the-sandbox', 'w')",
    "/proc/self/environ": "open('/proc/self/environ').read()",
    "/proc/self/mem": "open('/proc/self/mem', 'r+b')",
    "/proc/self/fd": "os.listdir('/proc/self/fd')",
    "/proc of the owner": "open(f\"/proc/{a['pid']}/environ\").read()",
    "memory of the owner": "open(f\"/proc/{a['pid']}/mem\", 'r+b')",
    "executable of the owner": "os.readlink(f\"/proc/{a['pid']}/exe\")",
    "/proc of the supervisor": "open(f'/proc/{os.getppid()}/environ').read()",
    "working folder of the supervisor": "os.readlink(f'/proc/{os.getppid()}/cwd')",
    "/proc/sys": "open('/proc/sys/kernel/core_pattern', 'w')",
    "/sys": "open('/sys/kernel/mm/ksm/run', 'w')",
    "TCP": "__import__('socket').create_connection(('127.0.0.1', a['tcp']))",
    "TCP, IPv6": "__import__('socket').socket(10, 1)",
    "UDP": "__import__('socket').socket(2, 2).sendto(b'x', ('127.0.0.1', a['udp']))",
    "raw sockets": "__import__('socket').socket(2, 3, 1)",
    "packet sockets": "__import__('socket').socket(17, 3)",
    "netlink": "__import__('socket').socket(16, 3, 0)",
    "vsock": "__import__('socket').socket(40, 1, 0)",
    "unix": "__import__('socket').socket(1, 1).connect(a['unix'])",
    "bind": "__import__('socket').create_server(('127.0.0.1', 0))",
    "look a name up": "__import__('socket').getaddrinfo('example.com', 80)",
    "urllib": "__import__('urllib.request').request.urlopen(f\"http://127.0.0.1:{a['tcp']}\")",
    "a pair's datagram to somebody else": (
        "__import__('socket').socketpair(1, 2)[0].sendto(b'x', a['unix'] + 'd')"
    ),
    "a pair's message to somebody else": (
        "__import__('socket').socketpair(1, 2)[0].sendmsg([b'x'], [], 0, a['unix'] + 'd')"
    ),
    "fork": "os.fork()",
    "subprocess": "__import__('subprocess').run(['/bin/true'])",
    "system": "1 / (os.system('true') == 0)",
    "exec": "os.execv('/bin/true', ['true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "multiprocessing": "__import__('multiprocessing').Process(target=int).start()",
    "process pool": (
        "__import__('concurrent.futures').futures.ProcessPoolExecutor(1).submit(int).result()"
    ),
    "setsid": "os.setsid()",
    "kill the owner": "os.kill(a['pid'], 9)",
    "terminate the owner": "os.kill(a['pid'], 15)",
    "kill the supervisor": "os.kill(os.getppid(), 9)",
    "kill everybody": "os.kill(-1, 9)",
    "kill the group": "os.killpg(0, 9)",
    "signal by a handle": ("__import__('signal').pidfd_send_signal(os.pidfd_open(a['pid']), 15)"),
    "raise limits": "__import__('resource').setrlimit(7, (4096, 4096))",
    "limits of the owner": "__import__('resource').prlimit(a['pid'], 7, (3, 3))",
    "affinity of the owner": "os.sched_setaffinity(a['pid'], {0})",
    "priority of the owner": "os.setpriority(os.PRIO_PROCESS, a['pid'], 19)",
    "become somebody else": "os.setuid(0)",
    "chroot": "os.chroot('.')",
    "memfd": "os.memfd_create('x')",
    "the owner's signals by fcntl": "__import__('fcntl').fcntl(1, 8, a['pid'])",
    "a terminal's input": "__import__('fcntl').ioctl(1, 0x5412, b'x')",
    "shared memory": (
        "__import__('multiprocessing.shared_memory').shared_memory.SharedMemory('x', True, 9)"
    ),
}


def _targets(outside: Outside) -> dict[str, Any]:
    return {
        "file": str(outside.file),
        "folder": str(outside.folder),
        "unix": outside.unix,
        "tcp": outside.tcp.getsockname()[1],
        "udp": outside.udp.getsockname()[1],
        "pid": os.getpid(),
        "site": str(Path(pytest.__file__).parent.parent),
    }


@pytest.mark.parametrize("attack", REFUSED.values(), ids=REFUSED)
def test_refused(run: Run, outside: Outside, attack: str) -> None:
    outcome = run(f"import os\nreturn repr({attack})", _targets(outside))
    assert outcome.value is None, outcome
    assert outcome.error is not None
    assert outcome.limit is None


CALLS = {
    "ptrace": "101, 16, a['pid'], 0, 0",
    "process_vm_readv": "310, a['pid'], 0, 0, 0, 0, 0",
    "process_vm_writev": "311, a['pid'], 0, 0, 0, 0, 0",
    "io_uring_setup": "425, 8, buffer",
    "userfaultfd": "323, 0",
    "bpf": "321, 0, buffer, 64",
    "perf_event_open": "298, buffer, 0, -1, -1, 0",
    "mount": "165, b'none', b'.', b'tmpfs', 0, 0",
    "unshare": "272, 0x10000000",
    "clone of a process": "56, 17, 0, 0, 0, 0",
    "clone into namespaces": "56, 0x7e020000 | 17, 0, 0, 0, 0",
    "clone3": "435, buffer, 64",
    "vfork": "58",
    "setns": "308, 0, 0",
    "keyctl": "250, 0, -3, 1",
    "add_key": "248, b'user', b'x', b'y', 1, -3",
    "shmget": "29, 0x1234, 4096, 0o1666",
    "msgget": "68, 0x1234, 0o1666",
    "semget": "64, 0x1234, 1, 0o1666",
    "name_to_handle_at": "303, -100, b'/etc/passwd', buffer, buffer, 0",
    "open_by_handle_at": "304, -100, buffer, 0",
    "openat2": "437, -100, b'/etc/passwd', buffer, 24",
    "creat": "85, a['file'].encode(), 0o600",
    "tkill": "200, a['pid'], 15",
    "pidfd_getfd": "438, 1, 0, 0",
    "prctl": "157, 1, 0, 0, 0, 0",
    "seccomp": "317, 1, 0, buffer",
    "landlock": "444, buffer, 8, 0",
    "execveat": "322, -100, b'/bin/true', 0, 0, 0",
    "fchmodat2": "452, -100, a['file'].encode(), 0o777, 0",
    "kexec_load": "246, 0, 0, 0, 0",
    "init_module": "175, buffer, 64, b''",
    "reboot": "169, 0, 0, 0, 0",
    "inotify_init": "253",
    "fanotify_init": "300, 0, 0",
    "a call of the future": "999",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86_64's")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_raw_system_calls(run: Run, outside: Outside, call: str) -> None:
    """Whatever Python does in between: the kernel refuses."""
    body = f"""
        import ctypes
        library = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(256)
        return [library.syscall({call}), ctypes.get_errno()]
    """
    outcome = run(body, _targets(outside))
    assert outcome.value in ([-1, 1], [-1, 38]), outcome


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86's other calling conventions")
def test_other_calling_conventions(run: Run, outside: Outside) -> None:
    x32 = "import ctypes\nreturn ctypes.CDLL(None).syscall(0x40000000 + 2, b'/etc/passwd', 0)"
    assert "SIGSYS" in str(run(x32).error)
    i386 = """
        import ctypes, mmap
        # mov eax, 20 (getpid for i386); int 0x80; ret
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(bytes.fromhex("b814000000cd80c3"))
        at = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return ctypes.CFUNCTYPE(ctypes.c_int)(at)()
    """
    error = str(run(i386).error)
    assert "SIGSYS" in error or "SIGSEGV" in error  # a kernel without that convention


LIMITED: dict[str, tuple[str, Limits, str]] = {
    "a loop": ("while True: pass", SHORT, "time"),
    "a sleep": ("import time; time.sleep(100)", SHORT, "time"),
    "a regular expression": ("import re; re.match('(a+)+$', 'a' * 40 + 'b')", SHORT, "time"),
    "a large power": ("return len(str(9 ** 9 ** 9))", SHORT, "time"),
    "processor time": ("while True: pass", Limits(cpu_s=1, time_s=30), "cpu"),
    "processor time, its signal ignored": (
        "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        Limits(cpu_s=1, time_s=30),
        "cpu",
    ),
    "signals ignored": (
        "import signal\nfor n in (2, 15, 14): signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
        SHORT,
        "time",
    ),
    "exceptions caught": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        SHORT,
        "time",
    ),
    "it stops itself by a timer": (
        "import signal; signal.signal(14, lambda *_: None); signal.setitimer(0, .01, .01)\n"
        "while True: signal.pause()",
        SHORT,
        "time",
    ),
    "memory": (
        "a = []\nwhile True: a.append(bytearray(1 << 24))",
        LONG,
        "memory",
    ),
    "memory at once": ("return len(bytearray(1 << 40))", LONG, "memory"),
    "memory by mapping": (
        "import mmap\na = []\nwhile True: a.append(mmap.mmap(-1, 1 << 26))",
        Limits(memory_mib=256, time_s=60, cpu_s=60),
        "",
    ),
    "a gigabyte of print": (
        "while True: print('x' * 1000000)",
        LONG,
        "output",
    ),
    "a gigabyte to the errors' channel": (
        "import os\nwhile True: os.write(2, b'x' * 1000000)",
        LONG,
        "output",
    ),
    "a huge result": ("return 'x' * (1 << 25)", LONG, "result"),
    "a large file": (
        "with open('x', 'wb') as file:\n    while True: file.write(bytes(1 << 20))",
        LONG,
        "file",
    ),
    "a large file at once": (
        "import os\nos.truncate(os.open('x', 66), 1 << 40)",
        LONG,
        "",
    ),
    "many files": (
        "n = 0\nwhile True:\n    n += 1\n    with open(str(n), 'w') as file: file.write('x')",
        LONG,
        "scratch",
    ),
    "full files": (
        "n = 0\nwhile True:\n    n += 1\n    open(str(n), 'wb').write(bytes(1 << 23))",
        LONG,
        "scratch",
    ),
    "files without a name": (
        "import os\na = []\nwhile True:\n    a.append(open('x', 'wb', 0)); os.unlink('x')\n"
        "    a[-1].write(bytes(1 << 23))",
        LONG,
        "scratch",
    ),
    "nested folders": (
        "import os\nwhile True: os.mkdir('d'); os.chdir('d')",
        LONG,
        "scratch",
    ),
    "a folder that hides": (
        "import os, time\nos.mkdir('d'); os.mkdir('d/e'); os.mkdir('d/e/f', 0)\n"
        "while True:\n    open(f'd/{time.monotonic_ns()}', 'wb').write(bytes(1 << 20))",
        LONG,
        "scratch",
    ),
    "threads": (
        "import threading, time\n"
        "while True: threading.Thread(target=time.sleep, args=(100,)).start()",
        LONG,
        "threads",
    ),
}


@pytest.mark.parametrize(("body", "limits", "limit"), LIMITED.values(), ids=LIMITED)
def test_stopped_at_a_limit(
    run: Run, outside: Outside, body: str, limits: Limits, limit: str
) -> None:
    outcome = run(body, limits=limits)
    assert outcome.value is None
    assert outcome.error
    if limit:
        assert outcome.limit == limit, outcome
    assert outcome.duration_s < limits.time_s + 10
    assert run("return 1").value == 1


ENDS = {
    "exit": ("import sys; sys.exit(0)", "SystemExit"),
    "_exit": ("import os; os._exit(0)", "ended its process with exit code 0"),
    "another exit code": ("import os; os._exit(97)", "ended its process with exit code 97"),
    "abort": ("import os; os.abort()", "was ended by"),
    "a fault": ("import ctypes; ctypes.string_at(0)", "was ended by SIGSEGV"),
    "recursion": ("f = lambda n: f(n)\nreturn f(1)", "RecursionError"),
    "endless recursion": (
        "import sys, functools; sys.setrecursionlimit(1 << 30)\n"
        "f = lambda *_: functools.reduce(f, [1, 2])\nreturn f()",
        "was ended by SIGSEGV",
    ),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "an error that can't be shown": (
        "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
        "E",
    ),
    "an error that exits": (
        "import os\nclass E(Exception):\n    def __str__(self): os._exit(0)\nraise E",
        "exit code 0",
    ),
    "a dict that exits": (
        "import os\nclass D(dict):\n    def items(self): os._exit(3)\nreturn D(a=1)",
        "exit code 3",
    ),
    "channels closed": ("import os; os.closerange(0, 99)", ""),
    "no answer": ("import os; os.close(3)\nreturn 1", ""),
    "traced": ("import sys\nsys.settrace(lambda *_: 1 / 0)\nf = lambda: 1\nf()", "Zero"),
}


@pytest.mark.parametrize(("body", "words"), ENDS.values(), ids=ENDS)
def test_ends(run: Run, outside: Outside, body: str, words: str) -> None:
    outcome = run(body)
    assert outcome.value is None
    assert outcome.error is not None
    assert words in outcome.error, outcome
    assert run("return 1").value == 1


FORGED = {
    "printed": "print('{\"value\": 7}')\nraise ValueError",
    "printed on every channel but the answer's": (
        "import os\nfor n in (1, 2): os.write(n, b'{\"value\": 7}')\nraise ValueError"
    ),
    "written before the answer": "import os\nos.write(3, b'{\"value\": 7}')\nreturn 1",
    "half an answer": "import os\nos.write(3, b'{\"value\": '); os._exit(0)",
    "no object": "import os\nos.write(3, b'[7]'); os._exit(0)",
    "no number": "import os\nos.write(3, b'{\"value\": NaN}'); os._exit(0)",
    "deeply nested": "import os\nos.write(3, b'[' * 60000); os._exit(0)",
    "a refusal": "import os\nos.write(3, b'-no Landlock'); os._exit(1)",
    "an answer, then a fault": (
        "import os, ctypes\nos.write(3, b'{\"value\": 7}'); ctypes.string_at(0)"
    ),
    "a report": ('import os\nos.write(3, b\'{"error": "x", "limit": "time"}\'); os._exit(0)'),
}


@pytest.mark.parametrize("body", FORGED.values(), ids=FORGED)
def test_answers_that_are_none(run: Run, outside: Outside, body: str) -> None:
    outcome = run(body)
    assert outcome.value is None
    assert outcome.error
    assert outcome.limit is None


def test_changed_json_changes_nothing_here(run: Run, outside: Outside) -> None:
    """The code may return what it likes, in its own process; it is checked in this one."""
    body = """
        import json
        json.dumps = json.JSONEncoder.encode = lambda *_, **__: '{"__class__": "os.system"}'
        return 1
    """
    run(body)
    assert run("import json\nreturn json.loads(json.dumps([1]))").value == [1]


def test_no_environment(run: Run, outside: Outside) -> None:
    body = """
        import ctypes, os
        pointer = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
        raw, n = [], 0
        while pointer and pointer[n]: raw.append(pointer[n].decode()); n += 1
        return [dict(os.environ), raw]
    """
    seen, raw = run(body).value
    assert seen == {}
    assert {line.partition("=")[0] for line in raw} == {
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
    }


def test_no_open_descriptors(run: Run, outside: Outside) -> None:
    body = """
        import os, stat
        found = {}
        for n in range(64):
            try: found[n] = stat.S_IFMT(os.fstat(n).st_mode)
            except OSError: pass
        return found
    """
    found = run(body).value
    assert set(found) == {"0", "1", "2", "3"}
    assert found["1"] == found["2"] == found["3"] == 0o010000


def test_nothing_secret_in_memory(run: Run, outside: Outside) -> None:
    """Not in any object that the code can find."""
    body = """
        import gc
        needle = "".join(["sk-", "precious"])
        held = [o for o in gc.get_objects() if isinstance(o, (dict, list, tuple))]
        return [type(o).__name__ for o in held if needle in repr(o)]
    """
    outcome = run(body)
    assert outcome.reason == ""
    assert outcome.value == []


def test_imports_have_no_effect_outside(run: Run, outside: Outside) -> None:
    body = """
        import os, sys
        os.mkdir("evil")
        with open("evil/__init__.py", "w") as file:
            file.write("import os; os.system('touch ' + " + repr(a["folder"]) + " + '/evil')")
        sys.path.insert(0, os.getcwd())
        import evil
        return os.path.exists(a["folder"] + "/evil")
    """
    assert run(body, _targets(outside)).value is False


def test_threads_of_the_code_end_with_it(run: Run, outside: Outside) -> None:
    body = """
        import os, threading, time
        def write():
            while True: time.sleep(0.01); open("still here", "w")
        for _ in range(5): threading.Thread(target=write).start()
        return os.getpid()
    """
    pid = run(body).value
    assert not os.path.exists(f"/proc/{pid}")


def test_the_owners_interrupt_stops_the_code(sandbox: Sandbox, outside: Outside) -> None:
    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGUSR2, interrupt)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR2))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sandbox.run("def f():\n    while True: pass", "f")
    finally:
        timer.join()
        signal.signal(signal.SIGUSR2, previous)
    assert sandbox.run("def f(): return 1", "f").value == 1


def test_python_is_the_same(run: Run, outside: Outside) -> None:
    """The tests above would pass if nothing ran at all."""
    body = "import os, sys\nreturn [sys.version, os.path.dirname(os.__file__), len(os.listdir())]"
    assert run(body).value == [sys.version, os.path.dirname(os.__file__), 0]
