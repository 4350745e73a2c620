"""CMake: a package taken in by each of CMake's three ways, and surrogates built by `nstk_add_surrogate`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Nstk
from networks import inputs_program
from test_packages import write

pytestmark = [
    pytest.mark.usefixtures("cache"),
    pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake here"),
]

GENERATORS = [name for name, tool in (("Ninja", "ninja"), ("Unix Makefiles", "make")) if shutil.which(tool)]
NSTK = Path(sys.executable).with_name("nstk")
USER = """cmake_minimum_required(VERSION 3.21)
project(firmware LANGUAGES C)
{0}
add_executable(firmware main.c)
target_link_libraries(firmware PRIVATE {1})
"""
MAIN = """#include "{0}_selftest.h"
int main(void) {{ return {0}_selftest(); }}
"""


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, cwd=folder, check=False)


def cmake(*words: object, folder: Path) -> str:
    done = run("cmake", *words, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    return done.stdout


def project(folder: Path, function: str, text: str, target: str) -> Path:
    """Write a user's project that links a program with `target` and runs the self-test of a function."""
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text(USER.format(text, target))
    (folder / "main.c").write_text(MAIN.format(function))
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write(tmp_path / "package", inputs_program(2, "curve"))


def test_package_alone(package: Path, tmp_path: Path) -> None:
    cmake("-S", package, "-B", "build", folder=tmp_path)
    cmake("--build", "build", folder=tmp_path)
    assert "100% tests passed" in run("ctest", folder=tmp_path / "build").stdout


@pytest.mark.parametrize("way", ["add_subdirectory", "FetchContent, folder", "FetchContent, archive", "find_package"])
def test_package_in_a_project(way: str, package: Path, tmp_path: Path) -> None:
    fetch = "include(FetchContent)\nFetchContent_Declare(curve {})\nFetchContent_MakeAvailable(curve)"
    options = []
    if way == "add_subdirectory":
        text = f"add_subdirectory({package} curve)"
    elif way == "FetchContent, folder":
        text = fetch.format(f"SOURCE_DIR {package}")
    elif way == "FetchContent, archive":
        archive = shutil.make_archive(str(tmp_path / "curve"), "gztar", package)
        text = "cmake_policy(SET CMP0135 NEW)\n" + fetch.format(f"URL file://{archive}")
    else:
        cmake("-S", package, "-B", "made", folder=tmp_path)
        cmake("--build", "made", folder=tmp_path)
        cmake("--install", "made", "--prefix", tmp_path / "prefix", folder=tmp_path)
        text = "find_package(curve_surrogate 0.1 CONFIG REQUIRED)"
        options = [f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}"]
    user = project(tmp_path / "user", "curve", text, "curve_surrogate::curve_surrogate")
    cmake("-B", "build", *options, folder=user)
    cmake("--build", "build", folder=user)
    assert run("build/firmware", folder=user).returncode == 0
    assert not (user / "build/_deps/curve-build/curve_selftest").exists()  # the package's own test is not built


def test_branches_of_other_build_systems(package: Path, tmp_path: Path) -> None:
    """ESP-IDF and Zephyr see one call each of the function they define for it."""
    (tmp_path / "CMakeLists.txt").write_text(f"""cmake_minimum_required(VERSION 3.20)
project(image LANGUAGES NONE)
function(idf_component_register)
  message(STATUS "component: ${{ARGV}}")
endfunction()
function(zephyr_include_directories)
  cmake_path(ABSOLUTE_PATH ARGV0 NORMALIZE)
  message(STATUS "zephyr: ${{ARGV0}}")
endfunction()
add_subdirectory({package}/zephyr off)
set(CONFIG_CURVE_SURROGATE y)
add_subdirectory({package}/zephyr on)
set(ESP_PLATFORM 1)
add_subdirectory({package} component)
get_directory_property(targets DIRECTORY {package} BUILDSYSTEM_TARGETS)
message(STATUS "targets: ${{targets}}.")
""")
    out = cmake("-B", "build", folder=tmp_path)
    assert out.count("component: ") == out.count("zephyr: ") == 1
    assert "component: INCLUDE_DIRS;src\n" in out
    assert f"zephyr: {package}/src\n" in out
    assert "targets: .\n" in out


def added(options: str = "", folder: str = ".") -> str:
    return f"""execute_process(
  COMMAND {NSTK} cmake-dir OUTPUT_VARIABLE nstk_DIR OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(NSTK_EXECUTABLE {NSTK})
find_package(nstk CONFIG REQUIRED)
nstk_add_surrogate(curve_surrogate SOURCE curve.c FUNCTION curve
  OPTIONS --effort quick --init random --topology 4-4 --domain "x=0:2, k=1:3" {options} DEPENDS factor.h)"""


def user_project(folder: Path, options: str = "") -> Path:
    user = project(folder, "curve", added(options), "curve_surrogate")
    (user / "factor.h").write_text("#define FACTOR 2.0f\n")
    (user / "curve.c").write_text('#include "factor.h"\nfloat curve(float x, float k) { return k * x * FACTOR; }\n')
    return user


@pytest.mark.skipif(not NSTK.is_file(), reason="no nstk command beside the interpreter")
@pytest.mark.parametrize("generator", GENERATORS)
def test_surrogate_is_built_with_the_project(generator: str, tmp_path: Path) -> None:
    user = user_project(tmp_path / "user", "--include .")
    header = user / "build/nstk/curve_surrogate/curve/package/src/curve_surrogate.h"
    cmake("-B", "build", "-G", generator, folder=user)
    assert not header.exists()
    first = cmake("--build", "build", folder=user)
    assert "Building the surrogate of curve" in first
    assert run("build/firmware", folder=user).returncode == 0
    made, linked = header.stat().st_mtime_ns, (user / "build/firmware").stat().st_mtime_ns

    assert "Building" not in cmake("--build", "build", folder=user)  # nothing to do
    (user / "curve.c").touch()
    assert "unchanged" in cmake("--build", "build", folder=user)  # nstk is asked and has nothing to do
    assert "Building" not in cmake("--build", "build", folder=user)
    assert (header.stat().st_mtime_ns, (user / "build/firmware").stat().st_mtime_ns) == (made, linked)

    (user / "factor.h").write_text("#define FACTOR 3.0f\n")
    cmake("--build", "build", folder=user)
    assert header.stat().st_mtime_ns > made
    assert (user / "build/firmware").stat().st_mtime_ns > linked
    assert run("build/firmware", folder=user).returncode == 0

    cmake("-B", "build", folder=user)
    assert "surrogate of curve" not in cmake("--build", "build", "--", "-n", folder=user)
    (user / "CMakeLists.txt").write_text((user / "CMakeLists.txt").read_text().replace("4-4", "8-8"))
    cmake("-B", "build", folder=user)
    assert "surrogate of curve" in cmake("--build", "build", "--", "-n", folder=user)


@pytest.mark.skipif(not NSTK.is_file(), reason="no nstk command beside the interpreter")
def test_missed_tolerance_fails_the_build(tmp_path: Path) -> None:
    user = user_project(tmp_path / "user", "--include . --tolerance 1e-9")
    cmake("-B", "build", folder=user)
    done = run("cmake", "--build", "build", folder=user)
    assert done.returncode != 0
    assert "outside the tolerance" in done.stdout
    assert not (user / "build/firmware").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nstk_add_surrogate(t SOURCE f.c)", "nstk_add_surrogate(<target> SOURCE <file> FUNCTION <name>"),
        ("nstk_add_surrogate(t SOURCE f.c FUNCTION f COLOUR red)", "nstk_add_surrogate(<target> SOURCE <file>"),
        ("nstk_add_surrogate(t SOURCE f.c FUNCTION _f)", "header of '_f' gets another name"),
    ],
)
def test_bad_arguments(text: str, message: str, nstk: Nstk, tmp_path: Path) -> None:
    folder = nstk("cmake-dir").out.strip()
    find = f"set(NSTK_EXECUTABLE {sys.executable})\nfind_package(nstk CONFIG REQUIRED PATHS {folder})"
    (tmp_path / "CMakeLists.txt").write_text(f"cmake_minimum_required(VERSION 3.20)\nproject(p NONE)\n{find}\n{text}\n")
    done = run("cmake", "-B", "build", folder=tmp_path)
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())


def test_missing_command_is_told(nstk: Nstk, tmp_path: Path) -> None:
    assert nstk("cmake-dir").out == f"{ROOT / 'toolkit/nstk/cmake'}\n"
    alone = "set(CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH OFF)\nset(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)"
    text = f"cmake_minimum_required(VERSION 3.20)\nproject(p NONE)\n{alone}\nfind_package(nstk CONFIG REQUIRED)\n"
    (tmp_path / "CMakeLists.txt").write_text(text)
    done = run("cmake", "-B", "build", f"-Dnstk_DIR={ROOT / 'toolkit/nstk/cmake'}", folder=tmp_path)
    assert done.returncode != 0
    assert "nstk is not on the PATH: set NSTK_EXECUTABLE" in done.stderr
