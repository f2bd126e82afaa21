"""Real programs in a private directory: nats-server, one shrike-collector, any number of shrike-agents.

Used by the tests here and by bench/. Everything is on loopback or in network namespaces the caller made; every child is
ended by its own pid. NATS permissions and node keys are written by packaging/nats/shrike-add-node, as an operator would.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("SHRIKE_BUILD", os.path.join(SOURCE, "build"))
RULES = os.environ.get("SHRIKE_RULES", os.path.join(SOURCE, "packaging", "config", "rules", "shrike.yaml"))
NATS = "/usr/sbin/nats-server" if os.path.exists("/usr/sbin/nats-server") else "nats-server"


def need(what, present):
    """Skips (ctest's code 77) or, when SHRIKE_REQUIRE names `what`, fails where it is missing."""
    if present:
        return
    if what in os.environ.get("SHRIKE_REQUIRE", "").split(","):
        sys.exit(f"FAILED: {what} is required and missing")
    print(f"SKIPPED: needs {what}")
    sys.exit(77)


def need_all():
    need("bpf", os.geteuid() == 0 and os.path.exists("/sys/kernel/btf/vmlinux"))
    need("nats", subprocess.run(["sh", "-c", f"command -v {NATS}"], stdout=subprocess.DEVNULL).returncode == 0)


def wait_until(what, condition, seconds=90.0, every=0.05):
    """The first true value of condition(); fails loudly after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def check(condition, message):
    if not condition:
        raise AssertionError(message)


class Rig:
    def __init__(self, directory, address="127.0.0.1", nats_namespace=None, tls=None):
        """`address`: where nats-server listens; `nats_namespace`: the network namespace it and the collector run in;
        `tls`: (certificate, key, authority) files for the server and its clients."""
        self.dir = directory
        self.address = address
        self.namespace = nats_namespace
        self.tls = tls
        self.nats_port = free_port()
        self.api_port = free_port()
        self.children = {}
        self.agents = {}
        for part in ("etc", "nats", "log"):
            os.makedirs(os.path.join(directory, part), exist_ok=True)
        self.write_nats_conf()
        self.write_collector_toml()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def program(self, name):
        return os.path.join(BUILD, "bin", name)

    def url(self):
        return f"{'tls' if self.tls else 'nats'}://{self.address}:{self.nats_port}"

    def write_nats_conf(self):
        tls = ""
        if self.tls:
            tls = f'tls {{ cert_file: "{self.tls[0]}", key_file: "{self.tls[1]}" }}\n'
        with open(self.path("etc", "nats.conf"), "w") as f:
            f.write(f'host: "{self.address}"\nport: {self.nats_port}\nmax_payload: 2MB\nserver_name: rig\n{tls}'
                    f'jetstream {{ store_dir: "{self.path("nats")}", max_file_store: 4GB }}\n'
                    'authorization { include "nats-nodes.conf" }\n')

    def write_collector_toml(self, extra=""):
        ca = f'ca_file = "{self.tls[2]}"\n' if self.tls else ""
        os.makedirs(self.path("collector"), mode=0o700, exist_ok=True)
        with open(self.path("etc", "collector.toml"), "w") as f:
            f.write(f'state_dir = "{self.path("collector")}"\n[nats]\nurl = "{self.url()}"\n'
                    f'nkey_seed_file = "{self.path("collector", "nkey.seed")}"\n{ca}'
                    f'[nodes]\nkeys_file = "{self.path("etc", "nodes.toml")}"\n'
                    f'[api]\nlisten = "127.0.0.1:{self.api_port}"\n[store]\nmin_free_bytes = 67108864\n{extra}')

    def let_in(self, program, config):
        """What its --print-identity says goes to shrike-add-node, as an operator would do it."""
        identity = subprocess.run([self.program(program), "--config", config, "--print-identity"], check=True,
                                  stdout=subprocess.PIPE).stdout
        subprocess.run([os.path.join(SOURCE, "packaging", "nats", "shrike-add-node"), "-"], check=True, input=identity,
                       env={**os.environ, "SHRIKE_ETC": self.path("etc")}, stdout=subprocess.DEVNULL)

    def add_collector(self):
        self.let_in("shrike-collector", self.path("etc", "collector.toml"))

    def add_agent(self, node, extra="", namespace=None, rules=RULES, from_collector=False):
        """Writes its configuration and lets it in. `extra`: more TOML; `from_collector`: it obeys orders to detonate."""
        ca = f'ca_file = "{self.tls[2]}"\n' if self.tls else ""
        state = self.path(node)
        os.makedirs(state, mode=0o700, exist_ok=True)
        config = self.path("etc", f"{node}.toml")
        metrics = free_port()
        with open(config, "w") as f:
            f.write(f'node = "{node}"\nstate_dir = "{state}"\n[nats]\nurl = "{self.url()}"\n{ca}'
                    f'[collector]\npublic_key_file = "{self.path("collector", "key.pub")}"\n'
                    # Each alert a finding of its own: what counts them here must see every one.
                    f'[findings]\nquiet_s = 0\n'
                    f'[sandbox]\nsocket = "{state}/agent.sock"\nservice = "{self.path("sandbox.sock")}"\n'
                    f'from_collector = {"true" if from_collector else "false"}\n'
                    f'[rules]\nfiles = ["{rules}"]\n[metrics]\nlisten = "127.0.0.1:{metrics}"\n{extra}')
        self.let_in("shrike-agent", config)
        # "wrapper": a command that starts the agent in surroundings of its own
        self.agents[node] = {"config": config, "metrics": metrics, "namespace": namespace, "wrapper": []}

    # --- children ---------------------------------------------------------------------------------------------------

    def start(self, name, command, namespace=None):
        if namespace:
            command = ["ip", "netns", "exec", namespace, *command]
        log = open(self.path("log", name), "ab")
        self.children[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

    def alive(self, name):
        child = self.children[name]
        if child.poll() is not None:
            raise AssertionError(f"{name} ended with {child.returncode}:\n{self.log(name)}")
        return True

    def log(self, name):
        with open(self.path("log", name), errors="replace") as f:
            return f.read()[-4000:]

    def start_nats(self, wait=True):
        self.start("nats", [NATS, "-c", self.path("etc", "nats.conf")], self.namespace)
        if wait:
            wait_until("nats-server is ready", lambda: self.alive("nats") and "Server is ready" in self.log("nats"))

    def start_collector(self, wait=True):
        self.start("collector", [self.program("shrike-collector"), "--config", self.path("etc", "collector.toml")],
                   self.namespace)
        if wait:
            wait_until("the collector answers", lambda: self.alive("collector") and self.api("/v1/status"))

    def start_sandbox(self, options=()):
        if os.path.exists(self.path("sandbox.sock")):  # of one that was killed: what listens there is to be the new one
            os.unlink(self.path("sandbox.sock"))
        self.start("sandbox", [self.program("shrike-sandbox"), "serve", "--socket", self.path("sandbox.sock"), "--state",
                               self.path("sandbox"), *options])
        wait_until("the sandbox service listens",
                   lambda: self.alive("sandbox") and os.path.exists(self.path("sandbox.sock")))

    def start_agent(self, node, wait=True):
        agent = self.agents[node]
        self.start(node, [*agent["wrapper"], self.program("shrike-agent"), "--config", agent["config"]],
                   agent["namespace"])
        if wait:
            wait_until(f"agent {node} is connected",
                       lambda: self.alive(node) and (self.status(node) or {}).get("publisher", {}).get("connected"))

    def kill(self, name, how=signal.SIGKILL, seconds=30):
        child = self.children.pop(name)
        child.send_signal(how)
        return child.wait(seconds)

    def stop_all(self):
        """The agents first, so that what they flush is still taken in."""
        for name in sorted(self.children, key=lambda n: {"collector": 1, "nats": 2}.get(n, 0)):
            try:
                self.kill(name, signal.SIGTERM)
            except subprocess.TimeoutExpired:
                print(f"{name} did not stop on SIGTERM", file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure:
            self.show_state()
        for name in list(self.children):
            self.kill(name)
        if failure:
            for name in os.listdir(self.path("log")):
                print(f"--- log of {name}\n{self.log(name)}", file=sys.stderr)

    def show_state(self):
        """What everybody says of themselves, for the report of a failure."""
        for node in self.agents:
            print(f"--- status of {node}: {json.dumps(self.status(node))}", file=sys.stderr)
        for page in ("/v1/status", "/v1/nodes", "/v1/verdicts?limit=40"):
            print(f"--- collector's {page}: {json.dumps(self.api(page))}", file=sys.stderr)

    # --- asking -----------------------------------------------------------------------------------------------------

    def http(self, namespace, url, headers=None):
        """Text of a page, or None when nobody answers (yet)."""
        if namespace:
            command = ["ip", "netns", "exec", namespace, sys.executable, "-c",
                       "import sys,urllib.request as u\n"
                       "r=u.Request(sys.argv[1])\n"
                       "[r.add_header(*h.split(': ',1)) for h in sys.argv[2:]]\n"
                       "sys.stdout.write(u.urlopen(r,timeout=10).read().decode())", url]
            command += [f"{k}: {v}" for k, v in (headers or {}).items()]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            return done.stdout if done.returncode == 0 else None
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{url}: {refused.code} {refused.read().decode(errors='replace')}") from refused
        except (urllib.error.URLError, ConnectionError, socket.timeout):
            return None

    def api(self, path):
        try:
            with open(self.path("collector", "token")) as f:
                token = f.read().strip()
        except FileNotFoundError:
            return None
        text = self.http(self.namespace, f"http://127.0.0.1:{self.api_port}{path}", {"Authorization": f"Bearer {token}"})
        if text is None:
            return None
        lines = [json.loads(line) for line in text.splitlines() if line]
        many = ("/v1/alerts", "/v1/events", "/v1/verdicts", "/v1/detonations", "/v1/commands")
        return lines if path.split("?")[0] in many else lines[0]

    def api_environment(self):
        """What makes `shrike` ask this collector."""
        return {**os.environ, "SHRIKE_API": f"127.0.0.1:{self.api_port}", "SHRIKE_TOKEN_FILE": self.path("collector", "token")}

    def status(self, node):
        agent = self.agents[node]
        text = self.http(agent["namespace"], f"http://127.0.0.1:{agent['metrics']}/status")
        return json.loads(text) if text else None

    def wait_acknowledged(self, node, what, seconds=90.0):
        """Waits until the collector acknowledged all that the agent had sealed when it was asked. Not until nothing is
        on its way: a watched host always has something new, and the agent's status is a second old."""
        spool = wait_until(f"{node} tells its status", lambda: self.status(node), 30)["spool"]
        goal = {lane: state["sealed_seq"] for lane, state in spool.items()}

        def reached():
            now = (self.status(node) or {}).get("spool", {})
            return bool(now) and all(now[lane]["acked_seq"] >= seq for lane, seq in goal.items())

        wait_until(f"{what} (sealed: {goal})", reached, seconds)

    def shrike(self, *arguments, **options):
        return subprocess.run([self.program("shrike"), *arguments], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, **options)

    def verify(self):
        """`shrike verify` on the collector's records, offline."""
        return self.shrike("verify", "--state", self.path("collector"), "--keys", self.path("etc", "nodes.toml"))
