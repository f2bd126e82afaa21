#!/usr/bin/env python3
"""The sandbox service when something goes wrong: a repeated job, a quota, a client that goes, a job's process that is
killed, the service that is stopped and killed. It goes on, every client hears, and nothing is left.

usage: sandbox_service_test.py     (ends with 77 where something it needs is missing)
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from rig import BUILD, check, need, wait_until
from sandbox_many import TRY, dead_groups, processes_of

SLEEP = ["/bin/busybox", "sleep", "1000"]


class Service:
    def __init__(self, directory, *options, prefix=()):
        self.socket, self.state = f"{directory}/sandbox.sock", f"{directory}/state"
        self.options, self.prefix = options, prefix
        self.start()

    def start(self):
        self.process = subprocess.Popen([*self.prefix, f"{BUILD}/bin/shrike-sandbox", "serve", "--socket", self.socket, "--state", self.state,
                                         *self.options], start_new_session=True, stderr=subprocess.PIPE)
        wait_until("the service listens", self.answers, 30)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def begin(self, name, words):
        return subprocess.Popen([TRY, f"socket={self.socket}", f"id={name}", "caller=me", *words], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def run(self, name, words):
        """The report, or why there is none."""
        return self.finish(self.begin(name, words))

    @staticmethod
    def finish(client):
        out, err = client.communicate(timeout=60)
        if client.returncode != 0:
            return err.decode()
        return json.loads(out.decode().rsplit("\n", 2)[1])

    def children(self):
        return [int(pid) for pid in processes_of(self.process.pid) if int(pid) != self.process.pid and self.parent(pid) == self.process.pid]

    @staticmethod
    def parent(pid):
        try:
            text = pathlib.Path(f"/proc/{pid}/stat").read_text()
            return int(text[text.rindex(")") + 2:].split()[1])
        except OSError:
            return 0

    def processes_of_sleep(self):
        """The processes of jobs that sleep: those whose sandbox has a process below its init."""
        return [self.parent(init) for init in self.inits()]

    def inits(self):
        parents = {self.parent(pid) for pid in os.listdir("/proc") if pid.isdigit()}
        return [pid for pid in parents if pid > 1 and self.parent(pid) in self.children()]

    def confined_inits(self):
        status = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in self.inits()]
        return status and all("Seccomp:\t2\n" in text and "CapEff:\t0000000000000000\n" in text for text in status)

    def process_of_sleep(self):
        return next(iter(self.processes_of_sleep()), None)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def raw(path, data):
    """What the service answers to these bytes, its end included."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(path)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            try:
                more = client.recv(65536)
            except ConnectionResetError:
                return answer
            if not more:
                return answer
            answer += more


def repeated_and_refused(service):
    first = service.run("one", ["/bin/busybox", "echo", "hello"])
    check(first["status"] == "ok", f"the first job: {first}")
    check(service.run("one", ["/bin/busybox", "false"]) == first, "asked for again, a job gave another report")
    sleeping = service.begin("sleeps", SLEEP)
    wait_until("the job runs", service.process_of_sleep, 30)
    check("runs already" in service.run("sleeps", SLEEP), "a job that runs was begun again")
    others = [service.begin(f"more-{n}", SLEEP) for n in range(2)]
    wait_until("three jobs run", lambda: len(service.processes_of_sleep()) == 3, 30)
    check("as many as it may at once" in str(service.run("too-many", SLEEP)), "a fourth job was begun")
    for client in [sleeping, *others]:
        client.kill()
        client.communicate()
    wait_until("who has gone needs no job", lambda: isinstance(service.run("again", ["/bin/busybox", "true"]), dict), 30)
    check("processor time" in service.run("greedy", ["cpu_ms=86400000", *SLEEP]), "a day of processor time was given")


def nonsense(service):
    check(b"is not JSON" in raw(service.socket, struct.pack("<IBBBB", 1, 1, 0, 0, 0) + b"{"), "no JSON was not refused")
    for data in (b"", b"\0" * 64, os.urandom(4096), struct.pack("<IBBBB", 1 << 31, 1, 0, 0, 0), struct.pack("<IBBBB", 9, 1, 0, 0, 0)):
        raw(service.socket, data)
    check(service.run("after-nonsense", ["/bin/busybox", "true"])["status"] == "ok", "nonsense has broken the service")
    os.chmod(os.path.dirname(service.socket), 0o755)
    denied = subprocess.run(["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", "python3", "-c",
                             f"import socket; socket.socket(socket.AF_UNIX).connect({service.socket!r})"], capture_output=True, check=False)
    check(b"PermissionError" in denied.stderr, "another user may connect")


def killed_process(service):
    client = service.begin("killed", SLEEP)
    pid = wait_until("the job runs", service.process_of_sleep, 30)
    wait_until("its init is under a filter, without capabilities", service.confined_inits, 30)
    os.kill(pid, signal.SIGKILL)
    report = service.finish(client)
    check(isinstance(report, dict) and report["status"] == "internal_error", f"a killed process of a job: {report}")
    check(service.run("killed", SLEEP)["status"] == "internal_error", "its report is not kept")
    wait_until("its sandbox is gone", lambda: service.process_of_sleep() is None and not dead_groups(), 30)
    check(service.run("after", ["/bin/busybox", "true"])["status"] == "ok", "the service does not go on")


def stopped(service):
    client = service.begin("stopped", SLEEP)
    wait_until("the job runs", service.process_of_sleep, 30)
    check(service.stop() == 0, "the service did not end well")
    report = service.finish(client)
    check(isinstance(report, dict) and "stopped" in report["cause"], f"a job when the service was stopped: {report}")
    check(not os.path.exists(service.socket), "the socket is left")
    wait_until("nothing is left", lambda: not processes_of(service.process.pid) and not dead_groups(), 30)


def killed_service(service):
    service.start()
    client = service.begin("orphan", SLEEP)
    wait_until("the job runs", service.process_of_sleep, 30)
    service.process.kill()
    service.process.wait()
    check("broke off" in str(service.finish(client)), "the client of a killed service heard something else")
    wait_until("its processes are dead", lambda: not processes_of(service.process.pid), 30)
    service.start()
    wait_until("what it had left is taken away", lambda: not dead_groups(), 30)
    check("without a report" in service.run("orphan", SLEEP), "a job that nobody knows the end of ran again")
    check(service.run("new", ["/bin/busybox", "true"])["status"] == "ok", "the new service does not work")
    check(service.stop() == 0, "the service did not end well")


def machines(directory):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("machines: no /dev/kvm here")
        return
    for option in ("--ready=2", "--new-machines"):
        service = Service(directory, option)
        for number in range(4):
            report = service.run(f"machine{option.replace('=', '-')}-{number}", ["backend=microvm", "/bin/busybox", "echo", "hello"])
            check(isinstance(report, dict) and report["status"] == "ok" and report["trace"] == "vm" and report["calls"] > 0, f"{option}: {report}")
        check(service.stop() == 0, "the service did not end well")


def without_kvm(directory):
    # A /dev of its own, as on a host without virtualisation.
    script = "mount -t tmpfs dev /dev && " + " && ".join(
        f"mknod -m 666 /dev/{name} c 1 {number}" for name, number in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)))
    service = Service(directory, prefix=("unshare", "--mount", "--propagation", "private", "sh", "-c", script + ' && exec "$@"', "sh"))
    report = service.run("no-machine", ["backend=microvm", "/bin/busybox", "true"])
    check(report["status"] == "setup_error" and "no /dev/kvm" in report["cause"] and "process" in report["cause"],
          f"a job for a machine where there can be none: {report}")
    report = service.run("no-machine-needed", ["/bin/busybox", "echo", "hello"])
    check(report["status"] == "ok", f"a job of the process backend without /dev/kvm: {report}")
    check(service.stop() == 0, "the service did not end well")
    said = service.process.stderr.read().decode()
    check("no backend microvm: no /dev/kvm" in said, f"the service did not say at its start that it has no machines: {said}")


def main():
    need("root", os.geteuid() == 0)
    directory = tempfile.mkdtemp(prefix="shrike-service-")
    # A folder that everyone may pass: the socket itself must keep others out.
    service = Service(directory, "--jobs", "3")
    try:
        for story in (repeated_and_refused, nonsense, killed_process, stopped, killed_service):
            story(service)
            print(f"{story.__name__}: as it should be", flush=True)
    finally:
        if service.process.poll() is None:
            service.process.kill()
    for story in (machines, without_kvm):
        story(directory)
        print(f"{story.__name__}: as it should be", flush=True)
    shutil.rmtree(directory)
    print("PASSED")


if __name__ == "__main__":
    main()
