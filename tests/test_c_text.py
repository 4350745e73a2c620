import keyword
import re
import struct
import subprocess

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from networks import C99, CLANG, CLANGXX, CXX11, GCC, GXX, compile_c

from nstk.c_text import comment_text, float_literal, legal_name, parse_float_literal

# From the standards, apart from the module's own list: C99, C11, C23, C++11, C++20.
KEYWORD_LIST = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
alignas alignof bool constexpr false nullptr static_assert thread_local true typeof typeof_unqual
and and_eq asm bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl concept
consteval constinit const_cast decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not
not_eq operator or or_eq private protected public reinterpret_cast requires static_cast template this throw try typeid
typename using virtual wchar_t xor xor_eq
"""
KEYWORDS = frozenset(KEYWORD_LIST.split())
ANY_NAME = st.one_of(st.text(max_size=60), st.sampled_from(sorted(KEYWORDS)), st.from_regex(r"\A[A-Za-z_]\w{0,50}\Z"))


@given(ANY_NAME)
@example("")
@example("_")
@example("__x")
@example("9lives")
@example("a" * 31)
@example("a" * 32)
@example("größe")
def test_names_are_identifiers(name):
    legal = legal_name(name)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", legal)
    assert legal not in KEYWORDS
    assert legal_name(name) == legal
    assert legal_name(legal) == legal  # a legal name stays itself


@given(st.lists(ANY_NAME, max_size=30))
def test_names_are_distinct(names):
    taken: list[str] = []
    for name in [*names, *names]:
        legal = legal_name(name, taken)
        assert legal not in taken
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", legal)
        assert legal not in KEYWORDS
        taken.append(legal)


def test_names_are_kept_where_possible():
    for name in ("t", "rh", "dew_point", "x0", "a" * 31, *(set(keyword.kwlist) - KEYWORDS)):
        assert legal_name(name) == name
    assert legal_name("class") == "class_"
    assert legal_name("class", ["class_"]) == "class__2"
    assert legal_name("a" * 40) != legal_name("a" * 41)  # the beginning is the same


@pytest.mark.parametrize(("compiler", "flags"), [(GCC, C99), (CLANG, C99), (GXX, CXX11), (CLANGXX, CXX11)])
def test_compilers_take_legal_names(tmp_path, compiler, flags):
    names: list[str] = []
    for name in sorted(KEYWORDS | {"linux", "unix", "i386", "errno", "NULL", "main", "ünder", "x.y", "_Bool"}):
        names.append(legal_name(name, names))
    text = "#include <stddef.h>\n#include <errno.h>\n#include <math.h>\n"
    text += "".join(f"float f{i}(float {n}); float f{i}(float {n}) {{ return {n}; }}\n" for i, n in enumerate(names))
    compile_c(tmp_path, text, compiler, [f.replace("-std=c", "-std=gnu") for f in flags])


@given(st.text(alphabet=st.one_of(st.sampled_from("*/?\\=()'<>!- \n\r\t\0ab"), st.characters()), max_size=60))
@example("*/")
@example("**//*/")
@example("/*/")
@example("???/")
@example("?\x01/")
@example("a\\")
@example("a\\ ")
@example("a\\ \\")
@example("a\\\n")
def test_comments_stay_comments(text):
    safe = comment_text(text)
    assert "*/" not in safe
    assert "/*" not in safe
    assert all(" " <= c <= "~" for c in safe)
    assert not re.search(r"\?\?[=/'()!<>-]", safe)
    assert not safe.endswith(("\\", " "))
    assert comment_text(safe) == safe


def test_compilers_take_comments(tmp_path):
    generator = np.random.default_rng(5)
    pieces = [
        "*/",
        "/*",
        "//",
        "*",
        "/",
        "??/",
        "?",
        "\\",
        "\\ ",
        "\n",
        "\r",
        "\t",
        "\0",
        "x",
        "é",
        "\u2028",
        "#",
        '"',
        "'",
    ]
    texts = ["".join(generator.choice(pieces, size=generator.integers(1, 9))) for _ in range(2000)]
    text = "/*\n" + "\n".join(f" * {comment_text(t)}" for t in texts) + "\n */\nextern int a;\nint a;\n"
    text += "".join(f"/* {comment_text(t)} */\n" for t in texts)
    for compiler, flags in ((GCC, C99), (CLANG, C99), (GXX, CXX11)):
        compile_c(tmp_path, text, compiler, [*flags, "-Wcomment", "-Wtrigraphs", "-trigraphs"])


FLOAT_BITS = st.integers(0, 2**32 - 1).map(lambda b: struct.unpack("<f", struct.pack("<I", b))[0])
FINITE = FLOAT_BITS.filter(np.isfinite)


@given(FINITE)
@example(-0.0)
@example(0.0)
@example(1e-45)
@example(-1.1754942e-38)
@example(3.4028235e38)
@example(16777216.0)
def test_literals_read_back(x):
    text = float_literal(x)
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text)
    assert "." in text or "e" in text  # `1f` is no C
    assert parse_float_literal(text).tobytes() == np.float32(x).tobytes()
    assert len(re.sub(r"e.*|\D", "", text.lstrip("-0.")).rstrip("0")) <= 9  # digits


def test_literals_of_random_bits_read_back():
    bits = np.random.default_rng(3).integers(0, 2**32, 30_000, dtype=np.uint32)
    values = bits.view(np.float32)
    for x in values[np.isfinite(values)]:
        assert parse_float_literal(float_literal(x)).tobytes() == x.tobytes()


@given(FINITE.filter(lambda x: x != 0))
def test_literals_are_shortest(x):
    text = float_literal(x)
    digits = re.sub(r"\D", "", text.split("e")[0]).strip("0") or "0"
    if len(digits) > 1:
        shorter = f"{x:.{len(digits) - 2}e}"
        assert np.float32(shorter) != np.float32(x)


@pytest.mark.parametrize(
    "text", ["", "f", "1.0", "0x1p3f", "1.0F", "nanf", "inff", "1.0ff", " 1.0f", "1.0f\n", "1,0f", "+1.0f"]
)
def test_other_text_is_no_literal(text):
    with pytest.raises(ValueError, match="no float literal"):
        parse_float_literal(text)


@pytest.mark.parametrize("x", [float("nan"), float("inf"), -float("inf"), 1e39])
def test_non_finite_values_have_no_literal(x):
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="no literal"):
        float_literal(x)


@pytest.mark.parametrize("compiler", [GCC, CLANG])
def test_compilers_read_the_same_bits(tmp_path, compiler):
    bits = np.random.default_rng(1).integers(0, 2**32, 6000, dtype=np.uint32)
    special = np.float32([0.0, -0.0, 1e-45, -1e-45, 1.1754942e-38, 1.1754944e-38, 3.4028235e38, 0.1, 1 / 3, 16777216])
    values = np.concatenate([special, bits.view(np.float32), (bits % 2**23).view(np.float32)])  # many denormals
    values = values[np.isfinite(values)]
    text = f"extern const float v[{len(values)}];\nconst float v[] = {{{', '.join(map(float_literal, values))}}};\n"
    made = compile_c(tmp_path, text, compiler, [*C99, "-shared", "-fPIC"])
    script = (
        f"import ctypes,sys; lib=ctypes.CDLL({str(made)!r});"
        f"sys.stdout.buffer.write(bytes((ctypes.c_char*{values.nbytes}).in_dll(lib,'v')))"
    )
    read = subprocess.run(["python3", "-c", script], capture_output=True, check=True).stdout
    assert read == values.tobytes()
