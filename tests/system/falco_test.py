#!/usr/bin/env python3
"""Falco's own rules, as published: each is tripped by a program that does the real thing, in a container where the rule
asks for one, and its alert reaches `shrike tail`; while nothing happens none of them says anything.

usage: falco_test.py [IDLE_SECONDS]      (20; ends with 77 where something it needs is missing)

The containers are real but for their runtime: namespaces, a cgroup named as docker or containerd name theirs, an overlay
over a small image. Nothing of the host is changed: what is written is written in them.
"""
import collections
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from rig import BUILD, SOURCE, Rig, check, need, need_all, wait_until

NODE = "tripped"
RULES = os.path.join(os.environ.get("SHRIKE_DATA", os.path.join(SOURCE, "..", "shared", "data")), "falco", "falco_rules.yaml")
PROGRAMS = os.path.join(BUILD, "tests", "programs")
API_SERVER = "198.51.100.1"  # what the agent is told that kubernetes.default.svc.cluster.local is
ELSEWHERE = "203.0.113.7"    # for documentation: neither private nor anybody's
ALERT_DEADLINE = 30.0        # seconds; what was measured is printed
IDLE_TRIES = 3               # a machine shared with others is not idle when they are not

IN_CONTAINER = {
    # rule: (options of trip_container, name of the program, its arguments)
    "Terminal shell in container": (["--terminal"], "sh", []),
    "Contact K8S API Server From Container": (["--address", API_SERVER], "app", ["connect", API_SERVER, "443"]),
    "Netcat Remote Code Execution in Container": ([], "nc", ["-e", "/bin/sh", "127.0.0.1", "4444"]),
    "Clear Log Activities": ([], "act", ["truncate", "/var/log/auth.log"]),
    "Create Hardlink Over Sensitive Files": ([], "act", ["link", "/etc/shadow", "/etc/mine"]),
    "Packet socket created in container": ([], "act", ["packet"]),
    "Redirect STDOUT/STDIN to Network Connection in Container": ([], "act", ["redirect"]),
    "Linux Kernel Module Injection Detected": ([], "act", ["module"]),
    "Debugfs Launched in Privileged Container": ([], "debugfs", ["/dev/sda"]),
    "Detect release_agent File Container Escapes": ([], "act", ["release_agent", "/mnt"]),
    "Execution from /dev/shm": ([], "act", ["drop", "/dev/shm/dropped"]),
    "Drop and execute new binary in container": ([], "act", ["drop", "/tmp/dropped"]),
    "Disallowed SSH Connection Non Standard Port": (["--address", ELSEWHERE], "ssh", ["connect", ELSEWHERE, "443"]),
}
IMAGE_PROGRAMS = sorted({name for _, name, _ in IN_CONTAINER.values()})


def on_host(here):
    """rule: (name of the program, its arguments). Programs and files of ours are in the folder `here`."""
    daemon = str(pwd.getpwnam("daemon").pw_uid)
    return {
        "Read sensitive file trusted after startup": ("nginx", ["late", "5.2", "read", "/etc/shadow"]),
        "Directory traversal monitored file read": ("web", ["read", f"{here}/../../../../../../etc/hosts"]),
        "Read sensitive file untrusted": ("reader", ["read", "/etc/shadow"]),
        "Run shell untrusted": ("httpd", ["run", f"{here}/sh"]),
        "System user interactive": ("sshd", ["run_as", daemon, f"{here}/command"]),
        "Search Private Keys or Passwords": ("find", ["/root", "-name", "id_rsa"]),
        "Remove Bulk Data from Disk": ("shred", ["-u", f"{here}/nothing"]),
        "Create Symlink Over Sensitive Files": ("linker", ["symlink", "/etc/shadow", f"{here}/link"]),
        "PTRACE attached to process": ("debugger", ["attach"]),
        "PTRACE anti-debug attempt": ("shy", ["traceme"]),
        "Find AWS Credentials": ("grep", ["aws_secret_access_key", f"{here}/nothing"]),
        "Fileless execution via memfd_create": ("loader", ["memory", os.path.basename(here)]),
    }


HOST_PROGRAMS = ["command", "sh"]  # and those that are started

# Rules that cannot fire on some kernel, with the reason; empty: all fire on this one.
CANNOT = {}


class Tail:
    """`shrike tail --json`, read as it comes."""

    def __init__(self, rig):
        self.child = subprocess.Popen([rig.program("shrike"), "tail", "--json"], stdout=subprocess.PIPE, text=True,
                                      env=rig.api_environment())
        self.alerts = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.child.stdout:
            self.alerts.append(json.loads(line))

    def stop(self):
        self.child.terminate()
        self.child.wait(10)
        self.thread.join(10)


def unified_cgroups():
    """Where the second version of cgroups is mounted, so that we may make one; None."""
    with open("/proc/mounts") as mounts:
        for place in [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]:
            if os.access(os.path.join(place, "cgroup.procs"), os.W_OK):
                return place
    return None


class Containers:
    """An image, and containers made from it."""

    def __init__(self, directory):
        self.image = os.path.join(directory, "image")
        self.runtime = os.path.join(directory, "runc")
        self.slice = os.path.join(unified_cgroups(), f"shrike_trip_{os.getpid()}.slice")
        self.cgroups = []
        for folder in ("bin", "etc", "dev/shm", "proc", "tmp", "mnt", "var/log", ".room"):
            os.makedirs(os.path.join(self.image, folder))
        for name in IMAGE_PROGRAMS:
            shutil.copy(os.path.join(PROGRAMS, "trip_act"), os.path.join(self.image, "bin", name))
        for name in ("etc/shadow", "etc/passwd", "var/log/auth.log"):
            with open(os.path.join(self.image, name), "w") as f:
                f.write("nobody:*:1:0:99999:7:::\n")
        shutil.copy(os.path.join(PROGRAMS, "trip_container"), self.runtime)

    def __enter__(self):
        os.mkdir(self.slice)
        return self

    def start(self, options, name, arguments):
        """(the running container, its short id)."""
        full = os.urandom(32).hex()
        shape = ["docker-{}.scope", "cri-containerd-{}.scope"][len(self.cgroups) % 2]
        cgroup = os.path.join(self.slice, shape.format(full))
        os.mkdir(cgroup)
        self.cgroups.append(cgroup)
        command = [self.runtime, cgroup, self.image, *options, f"/bin/{name}", *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL), full[:12]

    def __exit__(self, *_):
        for cgroup in [*self.cgroups, self.slice]:
            wait_until(f"{cgroup} can be removed", lambda c=cgroup: removed(c), 10)


def removed(folder):
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


class Trip:
    """One rule and the process that shall trip it."""

    def __init__(self, rule, child, container, here):
        self.rule, self.child, self.container, self.here = rule, child, container, here

    def alert(self, tail):
        """The alert about this very process, or None: others on this machine may trip the rule as well."""
        return next((a for a in tail.alerts if a["rule"] == self.rule and self.owns(a["process"])), None)

    def owns(self, process):
        if self.container:
            return process["container_id"] == self.container
        return os.path.basename(self.here) in process["exe"] and process["container_id"] == "host"


def programs_here(directory):
    here = os.path.join(directory, os.path.basename(directory))  # its name marks our own
    os.mkdir(here)
    os.chmod(directory, 0o711)  # the programs of other users are there too
    for name in {*HOST_PROGRAMS, *(name for name, _ in on_host(here).values())}:
        shutil.copy(os.path.join(PROGRAMS, "trip_act"), os.path.join(here, name))
    return here


def trip_all(here, containers):
    trips = []  # all at once: the one that has to wait for seconds comes first
    for rule, (name, arguments) in on_host(here).items():
        child = subprocess.Popen([os.path.join(here, name), *arguments], stdin=subprocess.DEVNULL)
        trips.append(Trip(rule, child, None, here))
    for rule, (options, name, arguments) in IN_CONTAINER.items():
        child, container = containers.start(options, name, arguments)
        trips.append(Trip(rule, child, container, here))
    for trip in trips:
        try:
            trip.code = trip.child.wait(60)
        except subprocess.TimeoutExpired:
            trip.child.kill()
            trip.code = trip.child.wait()
    return trips


def add_agent_that_knows(rig, directory):
    """It has a private /etc/hosts, in which the API server has an address."""
    hosts = os.path.join(directory, "hosts")
    with open(hosts, "w") as f:
        f.write(f"127.0.0.1 localhost\n{API_SERVER} kubernetes.default.svc.cluster.local\n")
    rig.add_agent(NODE, rules=RULES)
    rig.agents[NODE]["wrapper"] = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]


def idle(tail, rules, seconds):
    """Nothing that is ours does anything: none of the rules may fire."""
    for _ in range(IDLE_TRIES):
        first = len(tail.alerts)
        time.sleep(seconds)  # the one thing that can only be waited for
        fired = [a for a in tail.alerts[first:] if a["rule"] in rules]
        if not fired:
            print(f"idle for {seconds:g} s: no alert", flush=True)
            return
        causes = collections.Counter((a["rule"], a["process"]["cmdline"], " < ".join(a["ancestors"])) for a in fired)
        for (rule, command, ancestors), times in causes.most_common(10):
            print(f"not idle: {times} x {rule}: {command} < {ancestors}", flush=True)
    raise AssertionError(f"rules fire while nothing happens, {IDLE_TRIES} times {seconds:g} s")


def report(trips, tail):
    """Prints the table; the rules that did not fire."""
    silent = []
    print(f"{'rule':58} {'program':12} {'where':10} {'seconds':>8}")
    for trip in sorted(trips, key=lambda t: t.rule):
        alert = trip.alert(tail)
        if alert is None:
            silent.append(trip.rule)
        seconds = f"{alert['latency_us'] / 1e6:.3f}" if alert else CANNOT.get(trip.rule, "no alert")
        where = "container" if trip.container else "host"
        name = os.path.basename(trip.child.args[0]) if not trip.container else IN_CONTAINER[trip.rule][1]
        print(f"{trip.rule:58} {name:12} {where:10} {seconds:>8}{'' if trip.code == 0 else f' (ended with {trip.code})'}")
    return silent


def main():
    need_all()
    need("data", os.path.exists(RULES))
    need("cgroup2", unified_cgroups())
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    with open(RULES) as f:
        rules = [line[len("- rule:"):].strip() for line in f if line.startswith("- rule:")]
    directory = tempfile.mkdtemp(prefix="shrike-trip-")
    here = programs_here(directory)
    check(sorted(rules) == sorted([*on_host(here), *IN_CONTAINER]), "each of Falco's rules has its program")
    with Containers(directory) as containers, Rig(directory) as rig:
        need("overlay", containers.start([], "act", [])[0].wait(30) == 0)
        rig.add_collector()
        add_agent_that_knows(rig, directory)
        rig.start_nats()
        rig.start_collector()
        rig.start_agent(NODE)
        tail = Tail(rig)
        try:
            wait_until("all rules are loaded", lambda: rig.status(NODE)["rules"]["loaded"] == len(rules), 30)
            idle(tail, rules, seconds)
            trips = trip_all(here, containers)
            expected = [t for t in trips if t.rule not in CANNOT]
            try:
                wait_until("every rule's alert is there", lambda: all(t.alert(tail) for t in expected), ALERT_DEADLINE)
            except AssertionError:
                pass  # the table says which ones
            silent = report(trips, tail)
        finally:
            tail.stop()
        rig.stop_all()
        check(not [t for t in trips if t.code != 0], "a program could not do what it should")
        check(sorted(silent) == sorted(CANNOT), f"rules that did not fire: {silent}")
        latencies = [t.alert(tail)["latency_us"] / 1e6 for t in expected]
        print(f"PASSED: {len(expected)} rules, alerts after {min(latencies):.3f} to {max(latencies):.3f} s")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
