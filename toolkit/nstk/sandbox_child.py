"""The process user code runs in: started by `nstk.sandbox` by file path, imports only the standard library and cffi.

It loads the library, maps the memory it shares with the parent, and runs `nstk_run` over it for every command.
Commands are row counts (8 bytes); replies are `L` (loading the library), `R` (ready), `D` (done), `E` and a message.
"""

import _thread
import contextlib
import mmap
import os
import resource
import select
import signal
import struct
import sys

#: Bytes before x in the shared memory; the first 8 hold the progress counter.
HEADER_BYTES = 64

# Backstop only: the parent watches each call.
_COMMAND_CPU_SECONDS = 3600


def main(arguments: list[str]) -> None:
    """Serve commands until the parent closes its end.

    Args:
        arguments: Folders holding cffi and pycparser, descriptors to read commands from, write replies to and map,
            path of the library, number of inputs, outputs and rows, MiB of memory beyond what Python takes itself.
    """
    folders, library = arguments[0], arguments[4]
    commands, replies, memory, inputs, outputs, rows, memory_mib = map(int, arguments[1:4] + arguments[5:])
    sys.path.extend(folders.split(os.pathsep))
    from cffi import FFI  # found only now

    process = os.getpid()
    _thread.start_new_thread(_die_with_parent, (commands,))
    x_bytes, y_bytes = 8 * rows * inputs, 8 * rows * outputs
    shared = mmap.mmap(memory, HEADER_BYTES + x_bytes + y_bytes)
    os.close(memory)
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_AS, _address_space() + (memory_mib << 20))

    ffi = FFI()
    ffi.cdef("void nstk_run(size_t n, const double *x, double *y, volatile size_t *progress);")
    os.write(replies, b"L")
    nstk_run = ffi.dlopen(library).nstk_run
    buffer = ffi.from_buffer(shared)
    base = ffi.cast("char *", buffer)
    progress = ffi.cast("volatile size_t *", base)
    x = ffi.cast("const double *", base + HEADER_BYTES)
    y = ffi.cast("double *", base + HEADER_BYTES + x_bytes)
    os.write(replies, b"R")
    while command := os.read(commands, 8):
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + _COMMAND_CPU_SECONDS, resource.RLIM_INFINITY)
        nstk_run(struct.unpack("<Q", command)[0], x, y, progress)
        if os.getpid() != process:  # user code forked: only the original answers
            os._exit(0)
        os.write(replies, b"D")


def _die_with_parent(commands: int) -> None:
    """Wait in a thread until no one can send commands any more, then kill this process and those it started.

    Unlike PR_SET_PDEATHSIG this outlives the parent's thread that started us, and works everywhere.
    """
    hangup = select.poll()
    hangup.register(commands, 0)
    hangup.poll()
    os.killpg(0, signal.SIGKILL)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    with contextlib.suppress(ValueError, OSError):  # a lower limit is in force already, or the system has none
        resource.setrlimit(kind, (soft, soft if hard is None else hard))


def _address_space() -> int:
    """Return the bytes of address space Python itself takes, 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as statm:  # noqa: PTH123 - pathlib is slow to import
            return int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception as error:  # the parent reports it; stderr belongs to user code
        os.write(int(sys.argv[3]), b"E" + f"{type(error).__name__}: {error}".encode())
    os._exit(0)
