"""Calls a kernel in a child process, so that a hang, a crash or a full memory fails one case.

A server process loads the kernel once and forks a child, which takes every call as long as it
lives, so that what a kernel remembers is seen. After a death the server forks another; after a call
that did not end in time both are started anew.
"""

from __future__ import annotations

import faulthandler
import io
import math
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any, NoReturn

import numpy as np

from conformance.kernel import BadAnswer, InputChanged, LoadedKernel, load
from conformance.strides import steps_of, with_steps
from reference.problem import Result, Unsupported

TAIL = 3000  # characters shown of what a child wrote


class IsolatedFailure(Exception):
    """A call in a child process failed; the text says how, with the child's own traceback."""


@dataclass(frozen=True, eq=False)
class _Server:
    process: subprocess.Popen[bytes]
    line: Connection
    output: IO[bytes]


class Isolated:
    """Calls the kernel that `spec` names in a child process.

    Parameters
    ----------
    seconds : float
        Wall-clock time that a call may take.
    gib : float
        Memory that a child may hold in GiB, what the kernel's imports hold included.
    """

    def __init__(self, spec: str, *, seconds: float, gib: float) -> None:
        self._spec, self._seconds, self._gib = spec, seconds, gib
        self._server: _Server | None = None

    def __call__(self, method: str, *arguments: Any) -> Result:
        """Answer of "forward" (problem) or "backward" (problem, out, lse).

        Raises
        ------
        Unsupported
            The kernel declines.
        IsolatedFailure
            It raised, died, or took too long.
        """
        server = self._server or self._start()
        begin = server.output.seek(0, os.SEEK_END)
        try:
            server.line.send_bytes(_dumps((method, arguments)))
            if not server.line.poll(self._seconds):
                self.stop(grace=0)
                raise IsolatedFailure(
                    f"the kernel did not return within {self._seconds:g} s (--kernel-timeout)"
                )
            kind, content = pickle.loads(server.line.recv_bytes())
        except (EOFError, OSError):
            kind, content = "failed", "the process that loads the kernel ended"
            server.process.wait()
        if kind == "result":
            result: Result = content
            return result
        if kind == "declined":
            raise Unsupported(content)
        server.output.seek(begin)
        output = server.output.read().decode(errors="replace").strip()[-TAIL:]
        if server.process.poll() is not None:
            self.stop()
        raise IsolatedFailure("\n".join(filter(None, (content, output))))

    def stop(self, *, grace: float = 1.0) -> None:
        """End the server, which ends by itself when idle, and the child that may still run."""
        server, self._server = self._server, None
        if server is not None:
            server.line.close()
            try:
                server.process.wait(grace)
            except subprocess.TimeoutExpired:
                os.killpg(server.process.pid, signal.SIGKILL)
                server.process.wait()
            server.output.close()

    def _start(self) -> _Server:
        line, there = Pipe()
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        command = [sys.executable, "-m", "conformance.kernel.isolate", self._spec]
        limits = [str(self._seconds), str(self._gib)]
        process = subprocess.Popen(
            [*command, str(there.fileno()), *limits],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        there.close()
        self._server = _Server(process, line, output)
        return self._server


@dataclass(frozen=True, eq=False)
class _Child:
    pid: int
    line: Connection

    def ask(self, request: bytes, gib: float) -> tuple[bytes, bool]:
        """The answer to a pickled call, or how the child ended; and whether it lives."""
        try:
            self.line.send_bytes(request)
            return self.line.recv_bytes(), True
        except (EOFError, OSError):
            self.line.close()
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status):
            how = f"died of {signal.Signals(os.WTERMSIG(status)).name}"
        else:
            how = f"ended with exit code {os.WEXITSTATUS(status)}"
        text = f"the kernel's process {how} (--kernel-memory is {gib:g} GiB)"
        return _dumps(("failed", text)), False


def serve(spec: str, line: Connection, *, seconds: float, gib: float) -> None:
    """Answer calls until the other end closes; runs in the server process."""
    kernel = load(spec)
    child: _Child | None = None
    while True:
        try:
            request = line.recv_bytes()
        except EOFError:
            return
        child = child or _fork(kernel, line, seconds, gib)
        answer, lives = child.ask(request, gib)
        line.send_bytes(answer)
        child = child if lives else None


def _fork(kernel: LoadedKernel, line: Connection, seconds: float, gib: float) -> _Child:
    here, there = Pipe()
    pid = os.fork()
    if pid == 0:
        here.close()
        line.close()  # held here, it would hide the server's own end from the suite
        _take_calls(kernel, there, seconds, gib)
    there.close()
    return _Child(pid, here)


def _take_calls(kernel: LoadedKernel, line: Connection, seconds: float, gib: float) -> NoReturn:
    """The child: answer until the server ends, and end without any clean-up of the server's."""
    faulthandler.enable()
    limit = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    while True:
        try:
            method, arguments = pickle.loads(line.recv_bytes())
        except EOFError:
            os._exit(0)
        signal.alarm(math.ceil(seconds) + 10)  # should nobody be left to end it
        message = _answer(kernel, method, arguments, gib)
        signal.alarm(0)
        sys.stdout.flush()
        line.send_bytes(_dumps(message))


def _answer(
    kernel: LoadedKernel, method: str, arguments: tuple[Any, ...], gib: float
) -> tuple[str, Result | str]:
    """What became of one call: its kind, and the Result or the text that goes with it."""
    function = kernel if method == "forward" else kernel.backward
    assert function is not None
    try:
        return "result", function(*arguments)
    except Unsupported as declined:
        return "declined", str(declined)
    except (BadAnswer, InputChanged) as error:
        return "failed", str(error)
    except BaseException as error:
        return "failed", _failure(error, gib)


def _failure(error: BaseException, gib: float) -> str:
    text, cause = str(error), error.__cause__ or error
    if isinstance(cause, MemoryError) or "alloc" in str(cause):
        text += f"\n(--kernel-memory is {gib:g} GiB)"
    return text


class _Pickler(pickle.Pickler):
    """Keeps the steps of arrays that are not contiguous, which pickle would close up."""

    def reducer_override(self, value: object) -> Any:
        if isinstance(value, np.ndarray) and (steps := steps_of(value)) is not None:
            return with_steps, (np.ascontiguousarray(value), steps)
        return NotImplemented


def _dumps(message: object) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(message)
    return buffer.getvalue()


if __name__ == "__main__":
    _spec, _line, _seconds, _gib = sys.argv[1:]
    serve(_spec, Connection(int(_line)), seconds=float(_seconds), gib=float(_gib))
