import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from handmade import DOUBLE, INT, array, output_array, pointer, program, value

from nstk.domain import Interval
from nstk.errors import MisbehaviorError, ToolError, UsageError
from nstk.native_process import Sandbox, format_call, format_number
from nstk.program import CType
from nstk.sandbox import ProgramRunner
from nstk.toolchain import build
from nstk.wrapper import run_wrapper


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSTK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32).astype(np.float64)[:, None]


GRID = column(*np.linspace(-1, 1, 1001))


def misbehavior(text: str, x: np.ndarray = GRID, **options: object) -> str:
    """Return the message of the error that running `float f(float a)` in `text` over x ends with."""
    with ProgramRunner(program(text), **options) as runner:
        with pytest.raises(MisbehaviorError) as caught:
            runner.outputs(x)
        assert caught.value.hint
        assert caught.value.exit_code == 5
    return caught.value.message


def test_runs_whole_arrays():
    with ProgramRunner(program("#include <math.h>\nfloat f(float a) { return sinf(a); }")) as runner:
        x = column(*np.linspace(-1, 1, 200_000))  # several blocks
        y = runner.outputs(x)
        np.testing.assert_allclose(y, np.sin(x), atol=1e-7)
        assert y.shape == (200_000, 1)
        assert runner.outputs(x[:0]).shape == (0, 1)
        started = time.perf_counter()
        runner.run(x)
        assert time.perf_counter() - started < 0.5  # no Python per call


def test_every_kind_of_parameter():
    text = """
    typedef double real;
    #define n 3
    inline real f(real a, int k, const float w[n], float m[2][2], unsigned char *low, real out[2])
    {
        m[0][0] += 100; /* its own copy */
        *low = (unsigned char)k;
        out[0] = a; out[1] = m[1][1] + m[0][0];
        return a * k + w[0] - w[2];
    }
    """
    real, byte = CType("real", "double"), CType("unsigned char", "int", 0, 255)
    flat = array("m", 4, const=False)
    parameters = (
        value("a", real),
        value("k", INT),
        array("w", 3),
        flat,
        pointer("low", byte),
        output_array("out", 2, real),
    )
    x = np.array([[0.5, 7, 1, 2, 3, 4, 5, 6, 8], [1 / 3, -2, 0, 0, 0, 0, 0, 0, 1]])
    with ProgramRunner(program(text, *parameters, returns=real)) as runner:
        y = runner.outputs(x)
    expected = [[0.5 * 7 + 1 - 3, 7, 0.5, 8 + 104], [-2 / 3, 254, 1 / 3, 101]]
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("if (a > 0.5f) *(volatile int *)0 = 1;", "crashed with SIGSEGV"),
        ("if (a > 0.5f) abort();", "crashed with SIGABRT"),
        ("if (a > 0.5f) exit(3);", r"called exit(3)"),
        ("if (a > 0.5f) exit(0);", r"called exit(0)"),
        ("if (a > 0.5f) raise(SIGTERM);", "crashed with SIGTERM"),
        ("if (a > 0.5f) for (volatile int i = 0; ; i++) ;", "does not return within 0.3 s: an endless loop?"),
        ("if (a > 0.5f) sleep(100);", "does not return within 0.3 s"),
        ("if (a > 0.5f) raise(SIGSTOP);", "does not return within 0.3 s"),
        ("if (a > 0.5f) for (;;) { fork(); pause(); }", "does not return within 0.3 s"),
        ('if (a > 0.5f) for (;;) puts("flood");', "does not return within 0.3 s"),
        ("if (a > 0.5f) for (;;) *(volatile char *)malloc(1 << 20) = 1;", "crashed with SIGSEGV"),
        ("if (a > 0.5f) return f(a + 1) + f(a + 2);", "crashed with SIGSEGV"),
        ("if (a > 0.5f) return 0 * HUGE_VALF;", "gives result = "),
        ("if (a > 0.5f) return 1 / (a - a);", "gives result = inf"),
    ],
)
def test_misbehavior_is_named_with_its_input(body, words):
    headers = "".join(f"#include <{name}.h>\n" for name in ("math", "signal", "stdio", "stdlib", "string", "unistd"))
    text = f"{headers}float f(float a) {{ {body} return a; }}"
    first = float(GRID[GRID[:, 0] > 0.5][0, 0])
    started = time.monotonic()
    message = misbehavior(text, call_seconds=0.3, memory_mib=64)
    assert message.startswith(f"f(a={format_number(first)}) ")
    assert words in message
    assert time.monotonic() - started < 4


def test_float_overflow_of_a_double():
    with ProgramRunner(
        program("double f(double a) { return a * 1e39; }", value("a", DOUBLE), returns=DOUBLE)
    ) as runner:
        assert runner.run(column(0.5))[0, 0] == 5e38
        with pytest.raises(MisbehaviorError, match=r"f\(a=0.5\) gives result = 5e\+38, beyond the range of float"):
            runner.outputs(column(0, 0.25, 0.5))


def test_an_output_never_written():
    text = "void f(float a, float *p, int *q) { if (a < 0.5f) { *p = a; *q = 1; } }"
    with ProgramRunner(program(text, value("a"), pointer("p"), pointer("q", INT), returns=None)) as runner:
        with pytest.raises(MisbehaviorError, match=r"f\(a=0.75\) gives p = nan"):
            runner.outputs(column(0.25, 0.75))
        with pytest.raises(MisbehaviorError, match=r"f\(a=0.75\) is not deterministic: q is"):
            runner.check_determinism(column(0.25, 0.75))


def test_a_runner_works_again_after_a_failure():
    with ProgramRunner(program("float f(float a) { if (a > 0) *(volatile int *)0 = 1; return a; }")) as runner:
        for _ in range(2):
            with pytest.raises(MisbehaviorError):
                runner.run(column(1))
            assert runner.run(column(-1))[0, 0] == -1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "#include <stdlib.h>\n__attribute__((constructor)) static void g(void) { abort(); }",
            "crashed with SIGABRT while",
        ),
        ("#include <stdlib.h>\n__attribute__((constructor)) static void g(void) { exit(4); }", r"called exit(4) while"),
        ("__attribute__((constructor)) static void g(void) { for (volatile int i = 0; ; i++) ; }", "does not end"),
    ],
)
def test_constructors_that_misbehave(source, words):
    message = misbehavior(f"{source}\nfloat f(float a) {{ return a; }}", call_seconds=0.3)
    assert words in message


def test_prints_reach_no_one(capfd):
    text = """
    #include <stdio.h>
    #include <unistd.h>
    float f(float a)
    {
        for (int i = 0; i < 1000; i++) printf("a flood of words from the program\\n");
        fprintf(stderr, "more\\n");
        if (write(1, "raw", 3) < 0 || write(2, "raw", 3) < 0) return 0;
        return getchar() == EOF ? a : 0;
    }
    """
    with ProgramRunner(program(text)) as runner:
        np.testing.assert_array_equal(runner.outputs(GRID), GRID)
    assert capfd.readouterr() == ("", "")


def test_files_stay_empty(tmp_path):
    text = f"""
    #include <stdio.h>
    float f(float a)
    {{
        static char mib[1 << 20];
        FILE *file = fopen("{tmp_path}/fill", "a");
        fwrite(mib, 1, sizeof mib, file);
        fclose(file);
        return a;
    }}
    """
    with ProgramRunner(program(text)) as runner:
        np.testing.assert_array_equal(runner.outputs(GRID), GRID)
    assert (tmp_path / "fill").stat().st_size == 0


@pytest.mark.parametrize(
    "source",
    [
        "float f(float a) { static int calls; return a + calls++; }",
        "static float last;\nfloat f(float a) { float was = last; last = a; return a + was; }",
        "#include <stdlib.h>\nfloat f(float a) { return a + rand(); }",
        "#include <time.h>\nfloat f(float a) { return a + time(0) % 1000; }",
        "#include <sys/time.h>\nfloat f(float a) { struct timeval t; gettimeofday(&t, 0); return a + t.tv_sec % 99; }",
        "#include <unistd.h>\nfloat f(float a) { return a + getpid(); }",
        "#include <stdint.h>\nfloat f(float a) { return a + (uintptr_t)&f; }",
        "float f(float a) { volatile float t[64]; if (a > 0) t[9] = a; return t[9]; }",
    ],
)
def test_nondeterminism_is_found(source):
    with (
        ProgramRunner(program(source)) as runner,
        pytest.raises(MisbehaviorError, match=r"^f\(a=.*\) is not deterministic: result is first .*, then ") as caught,
    ):
        runner.check_determinism(column(0, 0.25, 0.5, -0.5, -1))
    assert "static state" in caught.value.hint


def test_determinism_of_a_good_program():
    source = """
    #include <math.h>
    static float table[8]; static int ready;
    float f(float a) { if (!ready) { for (int i = 0; i < 8; i++) table[i] = i; ready = 1; } return table[3] + a; }
    """
    with ProgramRunner(program(source)) as runner:
        runner.check_determinism(GRID)


@pytest.mark.parametrize("name", ["step", "advance", "crc32", "PyMem_Free"])
def test_a_program_may_be_named_like_a_function_of_a_loaded_library(name):
    source = f"float {name}(float a) {{ return a > 0.5f ? 2 : a; }}\nfloat f(float a) {{ return {name}(a) + 1; }}"
    with ProgramRunner(program(source)) as runner:
        np.testing.assert_allclose(runner.outputs(column(0.25, 0.75)), column(1.25, 3))


def test_program_that_does_not_compile():
    with pytest.raises(ToolError, match=r"^f.c:1: the C compiler says: "):
        ProgramRunner(program("float f(float a) { return oops; }"))


def test_cflags_and_includes(tmp_path):
    (tmp_path / "k.h").write_text("#define K 3\n")
    text = '#include "k.h"\nfloat f(float a) { return a * K * L; }'
    with ProgramRunner(program(text), includes=[tmp_path], cflags=["-DL=2"]) as runner:
        assert runner.outputs(column(0.5))[0, 0] == 3


HEADER = """
#include <stddef.h>
static inline int f_surrogate(float a, const int w[2], float *out) { *out = a + 1; return w[0] + w[1]; }
static inline void f_surrogate_f(float a, float w_0, float w_1, float *result, float *out)
{
    *result = w_0 + w_1 + 0.5f; *out = a + 1;
}
static inline void f_surrogate_batch(size_t n, const float *a, const float *w_0, const float *w_1,
                                     float *result, float *out)
{
    for (size_t i = 0; i < n; i++) f_surrogate_f(a[i], w_0[i], w_1[i], result + i, out + i);
}
"""


@pytest.mark.parametrize(("form", "extra"), [("drop-in", 0), ("float", 0.5), ("batch", 0.5)])
def test_the_forms_of_a_surrogate(form, extra):
    p = program("unused", value("a"), array("w", 2, INT), pointer("out"), returns=INT, interval=Interval(-9, 9))
    x = np.random.default_rng(0).integers(-9, 9, (1000, 3)).astype(np.float64)
    with ProgramRunner(p, header=HEADER, form=form) as runner:
        y = runner.outputs(x)
    np.testing.assert_array_equal(y, np.stack([x[:, 1] + x[:, 2] + extra, x[:, 0] + 1], axis=1))


def test_a_float_form_with_one_output_returns_it():
    text = "static inline float other_f(float a) { return -a; }"
    p = program("unused", value("a"), pointer("out"), returns=None)
    with ProgramRunner(p, header=text, callee="other_f", form="float") as runner:
        assert runner.outputs(column(0.5))[0, 0] == -0.5
    with pytest.raises(UsageError, match="unknown form"):
        run_wrapper(p, form="wide")


def test_sandbox_on_its_own():
    text = run_wrapper(program("float f(float a) { if (a > 0) __builtin_trap(); return a; }"))
    library = build(text, flags=("-O2", "-w"), shared=True, origin="f.c:1")
    with Sandbox(library, 1, 1) as sandbox:
        assert sandbox.run(column(-1))[0, 0] == -1
        with pytest.raises(MisbehaviorError, match=r"the function\(x0=1\) crashed with SIG(ILL|TRAP)"):
            sandbox.run(column(1))


def test_a_library_that_cannot_be_loaded(tmp_path):
    (tmp_path / "broken.so").write_bytes(b"nonsense")
    with Sandbox(tmp_path / "broken.so", 1, 1) as sandbox, pytest.raises(ToolError, match="cannot load"):
        sandbox.run(column(1))


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gc.collect()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with ProgramRunner(program("float f(float a) { return a; }")) as runner:
        runner.run(GRID)
        assert not list(tmp_path.iterdir())
        child = runner._sandbox._process
        assert child is not None
    assert child.returncode == -signal.SIGKILL  # reaped
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_the_child_dies_with_its_parent(tmp_path):
    pids = tmp_path / "pids"
    text = f"""
    import numpy, sys
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    from handmade import program
    from nstk.sandbox import ProgramRunner
    loop = "float f(float a) {{ if (a > 0) for (volatile int i = 0; ; i++) ; return a; }}"
    with ProgramRunner(program(loop), call_seconds=60) as runner:
        runner.run(-numpy.ones((1, 1)))
        print(runner._sandbox._process.pid, file=open({str(pids)!r}, "w"), flush=True)
        runner.run(numpy.ones((1, 1)))
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    code = "\n".join(line.strip("\n").removeprefix("    ") for line in text.splitlines())
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as parent:
        try:
            wait_for(lambda: pids.exists() and pids.read_text().strip())
            child = int(pids.read_text())
            assert not is_gone(child)
            time.sleep(0.1)  # into the endless loop
        finally:
            parent.kill()
    wait_for(lambda: is_gone(child))


def wait_for(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(process: int) -> bool:
    """Return whether a process ended; a zombie waits only for whoever inherited it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_how_calls_are_written():
    assert format_call("f", ["t", "w_0"], np.array([3.5, 1.0])) == "f(t=3.5, w_0=1)"
    single = float(np.float32(0.1))
    assert [format_number(v) for v in (single, 0.1, -7.0, 1e30, float("nan"))] == ["0.1", "0.1", "-7", "1e+30", "nan"]
    assert format_number(2.0**53) == "9.007199e+15"
    assert format_number(123456789.0) == "123456789"
