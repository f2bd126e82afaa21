#!/usr/bin/env python3
"""The sandbox service with no more rights than its systemd unit gives it: jobs run in both backends, and no process of a
machine is the host's root.

usage: sandbox_unit_test.py     (ends with 77 where something it needs is missing)
"""
import os
import pathlib
import shutil
import tempfile

from rig import SOURCE, check, need
from sandbox_many import processes_of
from sandbox_service_test import Service


def rights():
    """setpriv's words for what the unit says."""
    unit = dict(line.split("=", 1) for line in pathlib.Path(SOURCE, "packaging/systemd/shrike-sandbox.service").read_text().splitlines()
                if "=" in line and not line.startswith("#"))
    check(unit["NoNewPrivileges"] == "yes", "the unit lets privileges be gained")
    kept = [name.removeprefix("CAP_").lower() for name in unit["CapabilityBoundingSet"].split()]
    check("sys_admin" not in kept, "the unit has CAP_SYS_ADMIN")
    return ["setpriv", "--no-new-privs", "--bounding-set", ",".join(["-all", *(f"+{name}" for name in kept)])]


def machines(service):
    """The host's user of each process of a machine that waits or works: they have no capabilities at all."""
    users = []
    for pid in processes_of(service.process.pid):
        try:
            status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
        except OSError:
            continue  # has ended
        if int(status["CapEff"], 16) == 0 and int(status["Seccomp"]) == 2:
            users.append(int(status["Uid"].split()[0]))
    return users


def main():
    need("root", os.geteuid() == 0)
    need("kvm", os.access("/dev/kvm", os.R_OK | os.W_OK))
    directory = tempfile.mkdtemp(prefix="shrike-unit-")
    service = Service(directory, prefix=rights())
    try:
        for backend in ("process", "microvm"):
            report = service.run(backend, [f"backend={backend}", "/bin/sh", "-c", "busybox id && busybox true"])
            check(isinstance(report, dict) and report["status"] == "ok" and report["exit_code"] == 0, f"{backend}: {report}")
            check(len(report["processes"]) >= 2 and report["calls"] > 50, f"{backend}: the trace is thin: {report}")
            print(f"{backend}: {report['calls']} calls", flush=True)
        users = machines(service)
        check(users, "no machine waits for the next job")
        check(0 not in users, f"users of the machines' processes: {users}")
        check(service.stop() == 0, "the service did not end well")
    finally:
        if service.process.poll() is None:
            service.process.kill()
    shutil.rmtree(directory)
    print("PASSED")


if __name__ == "__main__":
    main()
