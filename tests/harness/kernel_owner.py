"""A program that owns one kernel, as JupyterLab or a console would: started by `foreign`.

Its arguments are a kernelspec's name and, as JSON, the traits of the KernelManager. It says on
stdout what it has started, one JSON object a line, and does what it is told on stdin; at the end of
its stdin it shuts the kernel down.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.paths import jupyter_runtime_dir


def say(manager: KernelManager) -> None:
    provisioner = manager.provisioner
    assert isinstance(provisioner, LocalProvisioner)
    told = {"pid": provisioner.pid, "connection_file": manager.connection_file}
    print(json.dumps(told), flush=True)


def main(name: str, traits: dict[str, Any]) -> None:
    directory = Path(jupyter_runtime_dir())
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = directory / f"kernel-{uuid.uuid4()}.json"
    manager = KernelManager(kernel_name=name, **{"connection_file": str(file)} | traits)
    manager.start_kernel()
    say(manager)
    for line in sys.stdin:
        match line.strip():
            case "restart":
                manager.restart_kernel(now=True)
            case "interrupt":
                manager.interrupt_kernel()
            case "shutdown":
                manager.shutdown_kernel(now=True)
        say(manager)
    manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
