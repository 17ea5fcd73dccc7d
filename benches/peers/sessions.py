#!/usr/bin/env python3
"""Resident memory of idle mutual-TLS sessions: the platform beside nginx and HAProxy.

    benches/peers/sessions.py --binary target/release/pcd-platform --sessions 3000

Every server gets the same certificates and the same clients (OpenSSL, one certificate for each device), one
server after the other, and as many rounds as asked for. The memory of a session is what the resident memory of the
server's processes grows by from the first tenth of the sessions to the last, divided by their number: what is loaded
once does not count. With `--latency` messages are sent on 16 more sessions, before the idle ones are open and while
they are: their acknowledgements must not become slower. Needs Linux and the Python standard library; nginx and HAProxy
are left out where they are not found (`--nginx`, `--haproxy`, the PATH, or `target/peers/balancers` of `tests/run`).
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BALANCERS = ROOT / "target/peers/balancers"
MAX_SESSIONS = 20_000
# Handshakes at once, and connections that send messages.
CONNECTING = 8
SENDERS = 16
# How long a server may take to start, or to settle.
TIMEOUT = 60.0


def run(*words):
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


class Site:
    """A folder with a PKI, and a certificate for each device."""

    def __init__(self, binary, folder, devices, version):
        self.binary, self.folder, self.version = binary, pathlib.Path(folder), version
        self.pki = self.folder / "pki"
        self.names = [f"IDLE-{number:05}" for number in range(devices)]
        if not self.pki.exists():
            run(binary, "pki", "init", "--dir", self.pki, "--url", "http://127.0.0.1:9")
            for key in ("ecc", "rsa"):
                self.issue("platform", "platform", key)
        missing = [name for name in self.names if not self.own(name)[0].exists()]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda name: self.issue(name, "device", "ecc"), missing))

    def issue(self, name, role, key):
        run(self.binary, "pki", "issue", "--dir", self.pki, "--cn", name, "--role", role, "--key", key)

    def own(self, name):
        at = self.pki / "device" / f"{name}.ecc"
        return at.with_suffix(".ecc.chain.pem"), at.with_suffix(".ecc.key")

    def platform(self):
        at = self.pki / "platform"
        return at / "platform.ecc.chain.pem", at / "platform.ecc.key"

    def client(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        if self.version == "1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(self.pki / "root-ecc.pem")
        context.load_cert_chain(*self.own(name))
        return context


class Server:
    """A process that serves TLS, with its children."""

    def __init__(self, words, folder, log):
        self.log = open(folder / log, "ab")
        # Unpacked balancers find their libraries beside them.
        libraries = ":".join(str(path) for path in BALANCERS.glob("usr/lib/*-linux-gnu"))
        self.process = subprocess.Popen(
            [str(word) for word in words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**os.environ, "LD_LIBRARY_PATH": libraries} if libraries else None,
        )

    def resident(self):
        """KiB of the process and its children."""
        total, waiting = 0, [self.process.pid]
        while waiting:
            pid = waiting.pop()
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            total += int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
            waiting.extend(int(child) for child in children.split())
        return total

    def settled(self):
        """The same, when it has not grown for a second."""
        last, end = -1, time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            now = self.resident()
            if now <= last:
                return now
            last = now
            time.sleep(1)
        raise SystemExit("the memory of a server does not settle")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


class Platform(Server):
    name = "platform"

    def __init__(self, site, _):
        # A store of its own in each round.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="platform-", dir=site.folder))
        chain, key = site.platform()
        (folder / "platform.toml").write_text(
            f'[interface-a]\nlisten = ["127.0.0.1:0"]\nnew-sessions-per-device = 100000\n'
            f'[tls]\nclient-trust-anchors = ["{site.pki}/root-ecc.pem", "{site.pki}/root-rsa.pem"]\n'
            f'ecc = {{ chain = "{chain}", key = "{key}" }}\n[revocation]\ninstalled-crls = ["{site.pki}/crl"]\n'
            f'[store]\nurl = "sqlite:platform.db"\n[admin]\nlisten = "127.0.0.1:0"\n[log]\nlevel = "warn"\n'
        )
        devices = folder / "devices.csv"
        devices.write_text("cn,kind\n" + "".join(f"{name},device\n" for name in site.names))
        run(site.binary, "store", "--config", folder / "platform.toml", "migrate")
        run(site.binary, "device", "--config", folder / "platform.toml", "import", devices)
        words = [site.binary, "--json", "serve", "--config", folder / "platform.toml"]
        super().__init__(words, folder, "platform.log")
        listening = json.loads(self.process.stdout.readline())
        self.address = address(listening["interface-a"][0])
        self.admin = listening["admin"]

    def sessions(self):
        with urllib.request.urlopen(f"http://{self.admin}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return int(next(line for line in lines if line.startswith("pcd_connections_active ")).split()[1])


class Nginx(Server):
    name = "nginx"

    def __init__(self, site, program):
        port = free_port()
        chain, key = site.platform()
        (site.folder / "nginx.conf").write_text(
            f"daemon off; pid nginx.pid; error_log nginx-error.log; worker_processes 2; worker_rlimit_nofile 40000;\n"
            f"events {{ worker_connections 30000; }}\n"
            f"http {{ access_log off; client_header_timeout 1h; keepalive_timeout 1h; ssl_session_cache off;\n"
            f"client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n"
            f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key};\n"
            f"ssl_client_certificate pki/root-ecc.pem; ssl_verify_client on; ssl_verify_depth 3; return 204; }} }}\n"
        )
        super().__init__([program, "-p", site.folder, "-c", "nginx.conf"], site.folder, "nginx.log")
        self.address = await_port(port)


class Haproxy(Server):
    name = "HAProxy"

    def __init__(self, site, program):
        port = free_port()
        chain, key = site.platform()
        (site.folder / "haproxy.pem").write_text(chain.read_text() + key.read_text())
        (site.folder / "haproxy.cfg").write_text(
            f"global\n  maxconn 30000\n  nbthread 2\n"
            f"defaults\n  mode http\n  timeout client 1h\n  timeout connect 5s\n  timeout server 1h\n"
            f"frontend f\n  bind 127.0.0.1:{port} ssl crt haproxy.pem ca-file pki/root-ecc.pem verify required\n"
            f"  http-request return status 204\n"
        )
        super().__init__([program, "-f", "haproxy.cfg"], site.folder, "haproxy.log")
        self.address = await_port(port)


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def await_port(port):
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return "127.0.0.1", port
        time.sleep(0.1)
    raise SystemExit("a server does not listen")


def connect(site, server, name):
    stream = site.client(name).wrap_socket(socket.create_connection(server.address))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def hold(site, server, names):
    with concurrent.futures.ThreadPoolExecutor(CONNECTING) as pool:
        return list(pool.map(lambda name: connect(site, server, name), names))


def message(device, number):
    text = (
        f"MSH|^~\\&|{device}|WARD|||20260101120000+0000||ORU^R01^ORU_R01|N{number:015}|P|2.6|||AL|NE||UNICODE UTF-8|||"
        f"IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\rPID|||12345^^^HOSPITAL^MR||Test^Person^^^^^L\r"
        f"OBR|1|N{number:015}|N{number:015}|182777000^monitoring of patient^SCT|||20260101120000+0000\r"
        f"OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97|262688^MDC_DIM_PERCENT^MDC|||||R|||||||{device}\r"
    )
    text += "NTE|1||" + "x" * max(0, 1010 - len(text)) + "\r"
    return b"\x0b" + text.encode() + b"\x1c\r"


def latencies(site, server, names, seconds):
    """Milliseconds from each message to its acknowledgement, in lockstep on every session."""
    found, run_number = [], time.time_ns() // 1_000_000

    def converse(place, name):
        stream, own = connect(site, server, name), []
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            frame = message(name, (run_number * SENDERS + place) * 100_000 % 10**15 + number)
            number += 1
            began = time.perf_counter()
            stream.sendall(frame)
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                part = stream.recv(4096)
                if not part:
                    raise SystemExit("the platform has closed a connection")
                answer += part
            own.append((time.perf_counter() - began) * 1e3)
            if b"MSA|CA|" not in answer and b"MSA|AA|" not in answer:
                raise SystemExit(answer.decode(errors="replace"))
        stream.close()
        found.extend(own)

    threads = [threading.Thread(target=converse, args=pair) for pair in enumerate(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.sort()
    at = lambda share: found[(len(found) - 1) * share // 100]
    return {"messages": len(found), "p50 ms": round(at(50), 2), "p99 ms": round(at(99), 2)}


def measure(kind, program, site, sessions, seconds, extra, hold_open):
    server = kind(site, program)
    result = {"server": kind.name}
    held = []
    try:
        senders, devices = site.names[:extra], site.names[extra:]
        idle = [devices[number % len(devices)] for number in range(sessions)]
        if senders and kind is Platform:
            latencies(site, server, senders, 1)
            result["alone"] = latencies(site, server, senders, seconds)
        few = sessions // 10
        held += hold(site, server, idle[:few])
        first = server.settled()
        held += hold(site, server, idle[few:])
        if kind is Platform:
            end = time.monotonic() + TIMEOUT
            while server.sessions() < sessions and time.monotonic() < end:
                time.sleep(0.2)
            result["open"] = server.sessions()
        last = server.settled()
        result |= {"KiB a session": round((last - first) / (sessions - few), 2), "RSS MiB": round(last / 1024, 1)}
        if senders and kind is Platform:
            result["beside the idle ones"] = latencies(site, server, senders, seconds)
        if hold_open:
            print(json.dumps(result), server.process.pid, flush=True)
            input()
    finally:
        for stream in held:
            stream.close()
        server.stop()
    return result


def find(given, name):
    beside = BALANCERS / "usr/sbin" / name
    return given or shutil.which(name) or (beside if beside.exists() else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/pcd-platform")
    parser.add_argument("--sessions", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--sessions-per-device", type=int, default=1, help="fewer certificates to issue: up to 64")
    parser.add_argument("--tls", choices=["1.2", "1.3"], default="1.3")
    parser.add_argument("--only", choices=["platform", "nginx", "haproxy"])
    parser.add_argument("--nginx")
    parser.add_argument("--haproxy")
    parser.add_argument("--hold", action="store_true", help="wait for a line on stdin before the sessions close")
    parser.add_argument("--folder", help="kept, with its certificates, for the next run")
    arguments = parser.parse_args()
    sessions = max(10, min(arguments.sessions, MAX_SESSIONS))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    servers = [
        (Platform, True),
        (Nginx, find(arguments.nginx, "nginx")),
        (Haproxy, find(arguments.haproxy, "haproxy")),
    ]
    servers = [(kind, program) for kind, program in servers if program]
    if arguments.only:
        servers = [pair for pair in servers if pair[0].name.lower() == arguments.only]
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or stack.enter_context(tempfile.TemporaryDirectory())
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        extra = SENDERS if arguments.latency else 0
        devices = -(-sessions // max(1, min(arguments.sessions_per_device, 64)))
        site = Site(arguments.binary.resolve(), pathlib.Path(folder).resolve(), extra + devices, arguments.tls)
        found = {}
        for _ in range(max(1, min(arguments.rounds, 20))):
            for kind, program in servers:
                result = measure(kind, program, site, sessions, arguments.latency, extra, arguments.hold)
                found.setdefault(kind.name, []).append(result["KiB a session"])
                print(json.dumps(result), flush=True)
        for name, values in found.items():
            print(f"{name}: {statistics.median(values):.1f} KiB a session, median of {len(values)}")


if __name__ == "__main__":
    main()
