"""What a result was measured on and with."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from importlib import metadata
from pathlib import Path


def cpu_name() -> str:
    """Name of the processor as Linux gives it, with the vector extensions that matter here."""
    lines = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    fields = {key.strip(): value.strip() for key, _, value in lines}
    wanted = [flag for flag in ("avx2", "fma", "avx512f") if has_cpu_flag(flag)]
    name = f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"
    return f"{name}, {' '.join(wanted) or 'no AVX2'}"


def has_cpu_flag(flag: str) -> bool:
    """Tell whether every core has an extension, for example `avx512f`."""
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")]
    return bool(lines) and all(flag in line.split() for line in lines)


def describe(packages: Sequence[str], compiler: str | None = None) -> dict[str, object]:
    """Describe machine, versions, day and command, for the head of a result file.

    Args:
        packages: Distributions whose versions belong to the result.
        compiler: C compiler whose version belongs to it.
    """
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    versions |= {package: metadata.version(package) for package in packages}
    if compiler is not None:
        run = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
        versions[compiler] = run.stdout.splitlines()[0]
    command = [Path(sys.argv[0]).name, *(Path(word).name if word.startswith("/") else word for word in sys.argv[1:])]
    return {
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count()},
        "versions": versions,
        "date": date.today().isoformat(),
        "command": f"python benchmarks/{shlex.join(command)}",
    }
