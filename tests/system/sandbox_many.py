#!/usr/bin/env python3
"""Many jobs at once, a tenth of them hostile: each one is reported, as what it was, and nothing is left behind.

usage: sandbox_many.py [JOBS] [AT_ONCE] [BACKEND]...     (ends with 77 where something it needs is missing)
"""
import collections
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from rig import BUILD, check, need, wait_until

TRY = f"{BUILD}/bin/tests_sandbox_try"
BOMB = f"{BUILD}/tests/programs/sandbox_bomb"
ESCAPE = f"{BUILD}/tests/programs/sandbox_escape"

# What is asked for, and the status that a report of it has.
SOUND = [(["/bin/busybox", "echo", "hello"], "ok"),
         (["/bin/busybox", "sh", "-c", "echo one | cat; echo two > /tmp/new"], "ok"),
         (["/bin/busybox", "sha256sum", "/usr/bin/env"], "ok"),
         (["/bin/busybox", "sh", "-c", "exit 7"], "ok"),
         (["/bin/busybox", "sh", "-c", "kill -9 $$"], "signalled")]
READY = 2  # processes that wait for the next job
LIMITS = ["wall_ms=1500", "memory=67108864", "processes=24", "files=200", "file_bytes=1000000", "output=10000"]
HOSTILE = [(LIMITS + [BOMB, "fork"], "timed_out"), (LIMITS + [BOMB, "stop"], "timed_out"),
           (LIMITS + [BOMB, "daemon"], "timed_out"),
           # Killed, or told that there is no more and so for ever asking.
           (LIMITS + [BOMB, "memory"], "signalled timed_out"),
           (LIMITS + [BOMB, "output"], "timed_out"), (LIMITS + [BOMB, "files"], "ok"), (LIMITS + [BOMB, "disk"], "ok"),
           (LIMITS + [BOMB, "refused"], "timed_out"), (["profile=strict", ESCAPE, "io_uring"], "violation"),
           (["profile=strict", ESCAPE, "ptrace_parent"], "violation")]


def stat_of(pid):
    """Name and session of a process, or nothing."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return text[text.index("(") + 1:text.rindex(")")], int(text[text.rindex(")") + 2:].split()[3])
    except (OSError, ValueError):
        return None


def processes_of(session):
    """Those of the service's session: it, the processes of its jobs, and the sandboxes' inits, whose death is everybody's."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and (stat_of(pid) or ("", 0))[1] == session]


def dead_groups():
    """Control groups of jobs whose process is gone. Others on this host may have some that live."""
    return [str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("**/shrike-sandbox/job-*/")
            if stat_of(path.name.removeprefix("job-")) is None]


def mounts():
    return len(pathlib.Path("/proc/self/mounts").read_text().splitlines())


def run_one(socket, number, backend, asked=None):
    words, status = (asked, "ok") if asked else (HOSTILE[number // 10 % len(HOSTILE)] if number % 10 == 9 
                                                 else SOUND[number % len(SOUND)])
    done = subprocess.run([TRY, f"socket={socket}", f"id=many-{number}", "caller=many", f"backend={backend}",
                           f"sandbox={BUILD}/bin/shrike-sandbox", *words], capture_output=True, timeout=300, check=False)
    if done.returncode != 0:
        return number, words, status, "no report", done.stderr.decode(errors="replace")
    report = json.loads(done.stdout.decode(errors="replace").rstrip("\n").rsplit("\n", 1)[1])
    return number, words, status, report["status"], report


def descriptors(pid):
    """Of the service, with as many processes ready for the next job as ever: each of them has some there."""
    count = lambda: len(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    wait_until("no job runs", lambda: count() == READY, 60)
    return len(os.listdir(f"/proc/{pid}/fd"))


def main():
    need("root", os.geteuid() == 0)
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    at_once = int(sys.argv[2]) if len(sys.argv) > 2 else 16
    backends = sys.argv[3:] or ["process"]
    if "microvm" in backends and not os.path.exists("/dev/kvm"):
        need("kvm", "kvm" not in os.environ.get("SHRIKE_REQUIRE", "").split(","))
        print("no /dev/kvm: process alone")
        backends = ["process"]
    mounts_before, files_before, groups_before = mounts(), set(os.listdir("/tmp")), set(dead_groups())
    directory = tempfile.mkdtemp(prefix="shrike-many-")
    socket = f"{directory}/sandbox.sock"
    service = subprocess.Popen([f"{BUILD}/bin/shrike-sandbox", "serve", "--socket", socket, "--state", f"{directory}/state",
                                "--jobs", str(at_once + 2), "--ready", str(READY), "--cpu-per-hour", "10000000", "--bytes-per-hour", str(1 << 50)],
                               start_new_session=True)
    try:
        wait_until("the service listens", lambda: os.path.exists(socket), 30)
        # Once as many as will be: each place among those at once is made when it is needed first, and kept.
        with concurrent.futures.ThreadPoolExecutor(at_once + 2) as pool:
            list(pool.map(lambda n: run_one(socket, 1_000_008 + 10 * n, backends[0], ["/bin/busybox", "sleep", "2"]),
                          range(at_once + 2)))
        fds = descriptors(service.pid)
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            results = list(pool.map(lambda n: run_one(socket, n, backends[(n + n // 10) % len(backends)]), range(jobs)))
        took = time.monotonic() - begin
        wrong = [r for r in results if r[3] not in r[2].split()]
        for number, words, expected, got, report in wrong[:10]:
            print(f"job {number} {words}: {got}, expected {expected}: "
                  f"{report if isinstance(report, str) else report['cause']}")
        check(not wrong, f"{len(wrong)} of {jobs} jobs were not reported as what they were")
        repeated = run_one(socket, 0, backends[0])
        check(repeated[4] == results[0][4], "a job that was asked for again got another report")
        notes = collections.Counter(note for r in results for note in r[4]["notes"])
        check(service.poll() is None, "the service has ended")
        wait_until("the service has no more descriptors than before", lambda: descriptors(service.pid) <= fds, 30)
        print(f"{jobs} jobs, {at_once} at a time, {took:.1f} s; {dict(collections.Counter(r[3] for r in results))}; "
              f"dropped events: {sum(r[4]['events_dropped'] for r in results)}; notes: {dict(notes)}")
    finally:
        service.send_signal(signal.SIGTERM)
        code = service.wait(60)
    check(code == 0, f"the service ended with {code}")
    shutil.rmtree(directory)
    wait_until("no process is left", lambda: not processes_of(service.pid), 10)
    wait_until("no control group is left", lambda: set(dead_groups()) <= groups_before, 10)
    wait_until("no mount is left", lambda: mounts() <= mounts_before, 10)
    left = [f for f in set(os.listdir("/tmp")) - files_before if "shrike-many" in f or "sandbox" in f]
    check(not left, f"files are left: {left}")
    print("PASSED: every one reported, nothing left behind")


if __name__ == "__main__":
    main()
