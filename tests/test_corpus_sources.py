"""Where C files come from: folders, archives, downloads that are already there, datasets of The Stack's schema."""

import functools
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pypi_simple
import pytest

from nstk.corpus.datasets import Columns, read_dataset
from nstk.corpus.downloads import ENABLE_SOURCES, fetch_debian, fetch_pypi
from nstk.corpus.sources import (
    Source,
    SourceFile,
    find_package,
    is_permissive,
    listed_packages,
    path_source,
    read_source,
)
from nstk.errors import ToolError, UsageError

FILES = {
    "top/a.c": b"double f(double x) { return x; } // \xc3\xa9",
    "top/sub/b.hpp": b"// latin \xe9\r\nint x;",
    "top/c.py": b"no",
    "top/big.c": b"/" * 2_000_001,
}
TEXTS = {"top/a.c": "double f(double x) { return x; } // é", "top/sub/b.hpp": "// latin é\nint x;"}


def write_tar(path: Path, mode: str = "w:xz") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("top/link.c")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return path


def read(source: Source, downloads: Path = Path("nowhere")) -> dict[str, str]:
    return {file.path: file.text for file, _ in read_source(source, downloads)}


@pytest.mark.parametrize("name", ["p.tar", "p.tar.gz", "p.tar.bz2", "p.tar.xz", "p.tgz"])
def test_tar_archives(name: str, tmp_path: Path) -> None:
    mode = {"tar": "w", "bz2": "w:bz2", "xz": "w:xz"}.get(name.rpartition(".")[2], "w:gz")
    source = path_source(write_tar(tmp_path / name, mode))
    assert read(source) == TEXTS
    assert {file.package for file, _ in read_source(source, tmp_path)} == {"p"}
    assert list(tmp_path.iterdir()) == [tmp_path / name]  # nothing was unpacked


def test_zip_archives_and_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as packed:
        for name, data in FILES.items():
            packed.writestr(name, data)
    assert read(path_source(tmp_path / "p.zip")) == TEXTS
    for name, data in FILES.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "folder/top/link.c").symlink_to("/etc/passwd")
    assert read(path_source(tmp_path / "folder")) == TEXTS


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "p.tar.xz").read_bytes()
    (tmp_path / "half.tar.xz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "none.zip").write_bytes(b"no archive")
    for name in ("half.tar.xz", "none.zip"):
        with pytest.raises(UsageError, match="cannot read archive"):
            read(path_source(tmp_path / name))
    with zipfile.ZipFile(tmp_path / "fine.zip", "w") as packed:
        packed.writestr("a.c", "int x;")
    for title, here, there, value in (("encrypted", 6, 8, 1), ("unknown method", 8, 10, 99)):
        data = bytearray((tmp_path / "fine.zip").read_bytes())
        data[data.find(b"PK\3\4") + here] = data[data.find(b"PK\1\2") + there] = value
        (tmp_path / f"{title}.zip").write_bytes(data)
        with pytest.raises(UsageError, match="cannot read archive"):
            read(path_source(tmp_path / f"{title}.zip"))
    for path in (tmp_path / "nowhere", tmp_path / "nowhere.tar.gz", Path(__file__)):
        with pytest.raises(UsageError, match="no folder or archive"):
            path_source(path)


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "p.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("top/\udcff.c"))
    (tmp_path / "p").mkdir()
    try:
        (tmp_path / "p" / "\udcff.c").touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert read(path_source(tmp_path / "p.tar")) == {"top/?.c": ""}
    assert read(path_source(tmp_path / "p")) == {"?.c": ""}


def test_only_files_of_a_folder_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.c")
    (tmp_path / "folder.c").mkdir()
    assert read(path_source(tmp_path)) == {}
    (tmp_path / "secret.c").touch(mode=0)
    if not os.access(tmp_path / "secret.c", os.R_OK):  # root may read everything
        with pytest.raises(UsageError, match=r"cannot read '.*secret\.c'"):
            read(path_source(tmp_path))


@pytest.mark.parametrize("kind", ["debian", "pypi"])
def test_packages_that_are_there_are_not_downloaded_again(kind: str, tmp_path: Path) -> None:
    (tmp_path / kind / "gsl").mkdir(parents=True)
    write_tar(tmp_path / kind / "gsl" / "gsl_1.orig.tar.xz")
    source = Source(kind, "gsl", "GPL-3.0-or-later", "test")  # type: ignore[arg-type]
    found = list(read_source(source, tmp_path))
    assert [(file.package, file.licence, split) for file, split in found] == [("gsl", "GPL-3.0-or-later", "test")] * 2
    with pytest.raises(UsageError, match="is no name of a package"):
        read(Source(kind, "../gsl"), tmp_path)  # type: ignore[arg-type]


def install_apt(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a shell script in front of the system's apt-get."""
    program = folder / "bin" / "apt-get"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_a_failed_download_leaves_nothing_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "E: You must put some 'deb-src' URIs in your sources.list"
    install_apt(tmp_path, f'echo half > x.tar.xz; echo "{said}" >&2; exit 100', monkeypatch)
    with pytest.raises(ToolError, match="deb-src") as caught:
        fetch_debian("gsl", tmp_path / "downloads")
    assert caught.value.hint == ENABLE_SOURCES
    assert list((tmp_path / "downloads" / "debian").iterdir()) == []
    install_apt(tmp_path, "echo 'E: Unable to find a source package for gsl' >&2; exit 100", monkeypatch)
    with pytest.raises(ToolError, match="Unable to find") as caught:
        fetch_debian("gsl", tmp_path / "downloads")
    assert caught.value.hint == "is the name right?"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="apt-get is not installed"):
        fetch_debian("gsl", tmp_path / "downloads")


def test_another_process_may_be_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "debian" / "gsl"
    install_apt(tmp_path, f"echo mine > a.tar.xz; mkdir '{target}'; echo other > '{target}/b.tar.xz'", monkeypatch)
    assert fetch_debian("gsl", tmp_path) == [target / "b.tar.xz"]
    assert list(target.parent.iterdir()) == [target]


def test_debian_and_the_python_index_do_not_share_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_apt(tmp_path, "echo debian > opus_1.orig.tar.xz", monkeypatch)
    (tmp_path / "pypi" / "opus").mkdir(parents=True)
    (tmp_path / "pypi" / "opus" / "opus-1.tar.gz").touch()
    assert [path.name for path in fetch_debian("opus", tmp_path)] == ["opus_1.orig.tar.xz"]
    assert [path.name for path in fetch_pypi("opus", tmp_path)] == ["opus-1.tar.gz"]


@pytest.mark.parametrize(("kind", "fetch"), [("debian", fetch_debian), ("pypi", fetch_pypi)])
def test_a_package_without_archives(kind: str, fetch: Callable[[str, Path], list[Path]], tmp_path: Path) -> None:
    (tmp_path / kind / "gsl").mkdir(parents=True)
    with pytest.raises(ToolError, match="holds no source archive"):
        fetch("gsl", tmp_path)


@pytest.mark.parametrize("right", [True, False])
def test_the_digest_of_a_python_package_is_checked(
    right: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(b"packed" if right else b"other").hexdigest()
    (tmp_path / "index" / "opus").mkdir(parents=True)
    (tmp_path / "index" / "opus" / "opus-1.tar.gz").write_bytes(b"packed")
    page = f'<a href="opus-1.tar.gz#sha256={digest}">opus-1.tar.gz</a>'
    (tmp_path / "index" / "opus" / "index.html").write_text(page)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "index"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(pypi_simple, "PyPISimple", functools.partial(pypi_simple.PyPISimple, address))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        if right:
            assert [path.read_bytes() for path in fetch_pypi("opus", tmp_path)] == [b"packed"]
        else:
            with pytest.raises(ToolError, match="is damaged"):
                fetch_pypi("opus", tmp_path)
            assert list((tmp_path / "pypi").iterdir()) == []
        server.shutdown()


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def stack_row(repository: str, path: str, text: str) -> dict[str, object]:
    return {
        "content": text,
        "max_stars_repo_name": repository,
        "max_stars_repo_path": path,
        "max_stars_repo_licenses": ["MIT", "Apache-2.0"],
        "size": len(text),
    }


def test_the_stack(tmp_path: Path) -> None:
    rows = [stack_row(f"user/{name}", f"src/{n}.c", f"int {name}{n};\r\n") for n in (1, 0) for name in ("b", "a")]
    rows.append(stack_row("user/a", "x.py", "no"))
    write_rows(tmp_path / "data/part-0.parquet", rows[:3])
    write_rows(tmp_path / "data/part-1.parquet", rows[3:])
    found = list(read_dataset(str(tmp_path / "data")))
    assert found[0] == SourceFile("user/a", "src/0.c", "int a0;\n", "MIT AND Apache-2.0")
    assert [(file.package, file.path) for file in found] == [
        ("user/a", "src/0.c"),
        ("user/a", "src/1.c"),
        ("user/b", "src/0.c"),
        ("user/b", "src/1.c"),
    ]
    shares = [list(read_dataset(str(tmp_path / "data"), (share, 2))) for share in range(2)]
    assert all(shares)
    assert sorted([*shares[0], *shares[1]], key=lambda file: (file.package, file.path)) == found
    source = Source("dataset", str(tmp_path / "data"), share=(1, 2))
    assert [file for file, split in read_source(source, tmp_path) if split == "train"] == shares[1]


def test_other_columns_and_bad_datasets(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "x.parquet", [{"text": "int x;", "repo": "r", "file": "a.c", "license": "MIT"}])
    columns = Columns(content="text", repository="repo", path="file")
    assert list(read_dataset(str(path), columns=columns)) == [SourceFile("r", "a.c", "int x;", "MIT")]
    with pytest.raises(UsageError, match="has no column 'content'"):
        list(read_dataset(str(path)))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UsageError, match="cannot read dataset"):
        list(read_dataset(str(tmp_path / "bad.parquet")))
    for name in ("nowhere.parquet", "data/nowhere.parquet", "nowhere", "/nowhere", "../nowhere/data"):
        with pytest.raises(UsageError, match="no such file or dataset"):
            list(read_dataset(name))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no Parquet file"):
        list(read_dataset(str(tmp_path / "empty")))


def test_the_list_of_packages() -> None:
    packages = listed_packages()
    assert len(packages) == 45
    assert {source.kind for source in packages.values()} == {"debian", "pypi"}
    assert {source.split for source in packages.values()} == {"train", "validation", "test"}
    assert all(source.licence for source in packages.values())
    assert find_package("gsl") == packages["gsl"]
    with pytest.raises(UsageError, match="'nowhere' is not listed"):
        find_package("nowhere")


def test_a_path_called_as_a_listed_package_is_that_package(tmp_path: Path) -> None:
    (tmp_path / "darktable").mkdir()
    source = path_source(tmp_path / "darktable")
    assert (source.split, source.licence) == (find_package("darktable").split, find_package("darktable").licence)


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND Apache-2.0", True),
        ("LGPL-2.1-or-later OR BSD-3-Clause", True),
        ("BSD-3-Clause AND MPL-2.0", False),
        ("MIT AND GPL-2.0-only OR GPL-3.0-only", False),
        ("MIT AND (BSD-2-Clause OR ISC)", True),
        ("MIT OR (GPL-2.0-only AND ISC)", False),
        ("GPL-3.0-or-later", False),
        ("", False),
    ],
)
def test_permissive_licences(licence: str, expected: bool) -> None:
    assert is_permissive(licence) is expected
