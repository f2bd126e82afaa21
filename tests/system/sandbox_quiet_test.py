#!/usr/bin/env python3
"""Sandboxes on a watched host: neither their set-up nor what an agent's own jobs do makes alerts of this host's, and the
same acts by anybody else do, also from within a job's control group.

usage: sandbox_quiet_test.py      (ends with 77 where something it needs is missing)
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from detonate_test import run
from rig import Rig, check, need_all, wait_until

NODE = "quiet"
ACCOUNTS, MEMORY = "Accounts changed by an unexpected program", "Program run from memory"
# What the set-up does: files of accounts in a tree of its own, and a program from sealed memory.
WRITE = 'mount -t tmpfs none /etc; echo "root:x:0:0::/:/bin/sh" > /etc/passwd'
JOB = "echo x >> /etc/passwd; cp /bin/true /dev/shm/stage; /dev/shm/stage quiet-job; : quiet-job"
FROM_MEMORY = """
import os
fd = os.memfd_create("x")
os.write(fd, open("/bin/true", "rb").read())
os.execve(fd, ["x"], {})
"""


def alerts(rig, host=True):
    return [a for a in rig.api("/v1/alerts") if (a["process"]["container_id"] == "host") == host and a["source"] != "integrity"]


def marked(rig, name):
    """Everything of this host's up to now has been judged: an act of our own, after it, has its alert."""
    subprocess.run(["unshare", "-m", "sh", "-c", f"{WRITE}; : {name}"], check=True)
    wait_until(f"the alert of {name}", lambda: any(a["rule"] == ACCOUNTS and name in a["process"]["cmdline"] for a in alerts(rig)))


def jobs_are_quiet(rig):
    for backend in ["process"] + (["microvm"] if os.path.exists("/dev/kvm") else []):
        for _ in range(3):
            done = run(rig, "--json", "--backend", backend, agent=NODE, command=("/bin/sh", "-c", JOB))
            check(done.returncode == 0, f"shrike run failed: {done.stderr}")
            report = json.loads(done.stdout)
            rules = {reason["rule"] for reason in report["reasons"]}
            check(backend == "microvm" or ACCOUNTS in rules, f"its own detonation judges it: {rules}")
    marked(rig, "after-jobs")
    # Others work on this host too.
    mine = [a for a in alerts(rig) if a["process"]["exe"] == rig.program("shrike-sandbox") or
            "quiet-job" in a["process"]["cmdline"]]
    check(not mine, "alerts of this host's: " + json.dumps(mine, indent=1)[:3000])
    left = wait_until("what was left to sandboxes is in its status",
                      lambda: rig.status(NODE)["left_to_sandbox"] >= 9 and rig.status(NODE)["left_to_sandbox"])
    print(f"{left} alerts left to sandboxes, none of this host's")


def others_are_not(rig):
    subprocess.run(["python3", "-c", FROM_MEMORY], check=True)
    wait_until("its alert", lambda: any(a["rule"] == MEMORY for a in alerts(rig)))
    # A program with our name.
    folder = rig.path("copy")
    os.mkdir(folder)
    shutil.copy("/bin/dash", f"{folder}/shrike-sandbox")
    subprocess.run(["unshare", "-rm", f"{folder}/shrike-sandbox", "-c", f"{WRITE}; : our-name"], check=True)
    wait_until("its alert", lambda: any("our-name" in a["process"]["cmdline"] for a in alerts(rig)))


def group_of_a_job():
    return next((str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("**/shrike-sandbox/job-*")
                 if "job-sleeps" in "".join(open(f"/proc/{pid}/cmdline").read() for pid in
                                            (path / "cgroup.procs").read_text().split() if os.path.exists(f"/proc/{pid}"))),
                None)


def moving_in_hides_nothing(rig):
    job = subprocess.Popen([rig.program("shrike"), "run", "--agent", rig.path(NODE, "agent.sock"), "--timeout", "60s", "--",
                            "/bin/sh", "-c", "sleep 60; : job-sleeps"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    group = wait_until("the job runs", group_of_a_job)
    subprocess.run(["unshare", "-m", "sh", "-c", f"echo $$ > {group}/cgroup.procs && {WRITE}; : moved-in"], check=True)
    wait_until("its alert", lambda: any("moved-in" in a["process"]["cmdline"] for a in alerts(rig)))
    job.terminate()
    job.wait(60)


def main():
    need_all()
    directory = tempfile.mkdtemp(prefix="shrike-quiet-")
    with Rig(directory) as rig:
        rig.add_collector()
        rig.add_agent(NODE)
        rig.start_nats()
        rig.start_collector()
        rig.start_agent(NODE)
        rig.start_sandbox()
        for part in (jobs_are_quiet, others_are_not, moving_in_hides_nothing):
            print(f"--- {part.__name__}", flush=True)
            part(rig)
        rig.stop_all()
        print("PASSED")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
