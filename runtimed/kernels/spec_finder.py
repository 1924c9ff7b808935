"""The child program that lists kernelspecs as another process would see them.

``python -m runtimed.kernels.spec_finder`` reads the caller's environment variables as a JSON
object from stdin and writes a `runtimed.kernels.specs.Found` as JSON to stdout. It runs in the
daemon's own environment, so that a caller's PYTHONPATH or PYTHONHOME cannot break it, and puts
the caller's variables in place before Jupyter is imported: Jupyter's paths depend on them at
import. A process of its own, as jupyter_client loads 13 MB that the daemon would never give back.
"""

from __future__ import annotations

import importlib.util
import json
import os
import site
import sys
from typing import Any

#: The variables that decide where kernelspecs are; the child sees these and no others.
RELEVANT = (
    "CONDA_PREFIX",
    "HOME",
    "IPYTHONDIR",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_NO_CONFIG",
    "JUPYTER_PATH",
    "JUPYTER_PLATFORM_DIRS",
    "JUPYTER_PREFER_ENV_PATH",
    "PYTHONUSERBASE",
    "VIRTUAL_ENV",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
)

#: Our own kernel, offered where nobody else offers a python3.
NATIVE_KERNEL = "python3"


def fingerprint(directories: list[str]) -> str:
    """Return what changes whenever a kernelspec in these directories comes, goes or changes.

    Stats only. Every entry is looked at, and not only the directory's own time: a kernel.json
    written into a directory that was there before changes nothing above it.
    """
    seen = []
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in names:
            path = os.path.join(directory, name, "kernel.json")
            try:
                found = os.stat(path)
            except OSError:
                continue
            seen.append(f"{path}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}")
    return "\n".join(seen)


def kernel_directories() -> dict[str, str | None]:
    """Return the directories to search, first wins, each with the environment it belongs to.

    JUPYTER_PATH, the user's, the caller's active environments', the system's, IPython's, and
    last our own environment's. JUPYTER_PREFER_ENV_PATH puts the active environments before
    the user's, as in Jupyter (https://docs.jupyter.org/en/latest/use/jupyter-directories.html).
    """
    from jupyter_core import paths

    site.USER_BASE = None  # computed again, from the caller's variables
    own = [path for path in paths.ENV_JUPYTER_PATH if path not in paths.SYSTEM_JUPYTER_PATH]
    asked = os.environ.get("JUPYTER_PREFER_ENV_PATH", "0")
    # Else Jupyter sees that we run in an environment, and prefers ours to the user's directory.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "0"
    theirs = [path for path in paths.jupyter_path() if path not in own]
    active = {
        os.path.join(prefix, "share", "jupyter"): prefix
        for variable in ("VIRTUAL_ENV", "CONDA_PREFIX")
        if (prefix := os.environ.get(variable))
    }
    if asked.lower() in ("0", "n", "no", "false", "off", ""):
        before = _first_of(theirs, paths.SYSTEM_JUPYTER_PATH)
    else:
        before = _first_of(theirs, [paths.jupyter_data_dir()])
    ordered: dict[str, str | None] = dict.fromkeys(theirs[:before])
    ordered |= {path: prefix for path, prefix in active.items() if path not in ordered}
    ordered |= {path: None for path in theirs[before:] if path not in ordered}
    ipython = os.environ.get("IPYTHONDIR") or os.path.expanduser("~/.ipython")
    ordered.setdefault(ipython)
    ordered |= {path: sys.prefix for path in own if path not in ordered}
    return {os.path.join(path, "kernels"): prefix for path, prefix in ordered.items()}


def _first_of(paths: list[str], sought: list[str]) -> int:
    return next((i for i, path in enumerate(paths) if path in sought), len(paths))


def find() -> dict[str, Any]:
    """Return every kernelspec that the environment variables of this process lead to."""
    from jupyter_client.kernelspec import KernelSpecManager

    directories = kernel_directories()
    # Taken before anything is read: a change while we read then shows as a change.
    print_of = fingerprint(list(directories))
    readable = [path for path in directories if os.access(path, os.R_OK | os.X_OK)]
    manager = KernelSpecManager(kernel_dirs=readable, ensure_native_kernel=False)
    specs = []
    for name, resource_dir in manager.find_kernel_specs().items():
        prefix = directories[os.path.dirname(resource_dir)]
        specs.append(read_spec(name, resource_dir, prefix))
    native = next((spec for spec in specs if spec["name"] == NATIVE_KERNEL), None)
    if native is not None and native["prefix"] == sys.prefix and not _is_active(sys.prefix):
        native.update(own_kernel())
    elif native is None and importlib.util.find_spec("ipykernel"):
        specs.append(own_kernel())
    return {"directories": list(directories), "fingerprint": print_of, "specs": specs}


def _is_active(prefix: str) -> bool:
    return prefix in (os.environ.get("VIRTUAL_ENV"), os.environ.get("CONDA_PREFIX"))


def read_spec(name: str, resource_dir: str, prefix: str | None) -> dict[str, Any]:
    """Return one kernelspec as `runtimed.kernels.specs.Spec` has it; a broken one says why."""
    from jupyter_client.kernelspec import KernelSpec
    from traitlets import TraitError

    facts: dict[str, Any] = {"name": name, "resource_dir": resource_dir, "prefix": prefix}
    path = os.path.join(resource_dir, "kernel.json")
    try:
        facts["mtime_ns"] = os.stat(path).st_mtime_ns
        spec = KernelSpec.from_resource_dir(resource_dir)
    except (OSError, ValueError, TypeError, TraitError) as error:
        return facts | {"argv": [], "unusable": f"{path} is not a kernelspec: {error}"}
    if not spec.argv or not all(isinstance(word, str) for word in spec.argv):
        return facts | {"argv": [], "unusable": f"{path} has no argv (a list of strings)"}
    if not all(isinstance(value, str) for value in spec.env.values()):
        return facts | {"argv": spec.argv, "unusable": f"{path}: values of env must be strings"}
    provisioner = spec.metadata.get("kernel_provisioner")
    if provisioner is not None and not isinstance(provisioner, dict):
        return facts | {"argv": spec.argv, "unusable": f"{path}: kernel_provisioner is no object"}
    return facts | {
        "argv": spec.argv,
        "display_name": spec.display_name or name,
        "language": spec.language or None,
        "env": spec.env,
        "interrupt_mode": spec.interrupt_mode,
        "metadata": spec.metadata,
        "provisioner": (provisioner or {}).get("provisioner_name"),
    }


def own_kernel() -> dict[str, Any]:
    """Return the kernelspec of our own ipykernel, run by our own interpreter."""
    resource_dir = os.path.join(sys.prefix, "share", "jupyter", "kernels", NATIVE_KERNEL)
    facts: dict[str, Any] = {"name": NATIVE_KERNEL, "resource_dir": resource_dir}
    if os.path.isfile(os.path.join(resource_dir, "kernel.json")):
        facts = read_spec(NATIVE_KERNEL, resource_dir, sys.prefix)
        facts.pop("unusable", None)
    return facts | {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (runtimed's own)",
        "language": "python",
        "prefix": sys.prefix,
        "own": True,
    }


def main() -> int:
    """Run the child program."""
    env = json.load(sys.stdin)
    for name in RELEVANT:
        os.environ.pop(name, None)
    os.environ.update({name: value for name, value in env.items() if name in RELEVANT})
    json.dump(find(), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
