"""What perf/compare/run needs of a mail server to measure it: one subclass a peer, in a folder of its name.

A peer runs from a directory of its own and delivers to the MX hosts that the sink's DNS names. Where it must be installed
in system paths, it gets these paths in a mount namespace of its own (`namespace`), so that nothing of the machine changes.
"""
import dataclasses
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent

# The test Internet. The MX hosts listen on port 25 and the resolver on port 53, as in the world, since not every peer can be
# told another one; on loopback addresses of their own.
SINK_ADDRESS = '127.25.0.1'
DNS_ADDRESS = '127.25.0.53'
INJECT = ('127.0.0.1', 27526)
SENDER = 'bounce@sender.test'
INJECT_CONNECTIONS = 20
PATIENCE_S = 600       # what takes longer has failed
PER_CONNECTION = 1000  # Sealift's default; the peers get the same


class Failed(Exception):
    """A peer that cannot run here, or did not do its work; the text says why."""


@dataclasses.dataclass(frozen=True)
class Mode:
    """What all peers are asked to do in one comparison."""
    size: int       # bytes of a message, about
    tls: bool
    dkim: bool      # RSA-2048
    drain: bool     # the clock runs from a loaded queue's release, not from the first byte handed over
    messages: int
    per_connection: int = PER_CONNECTION   # messages that a connection carries at most

    def __str__(self):
        words = [f'{self.size // 1000} KB', 'STARTTLS' if self.tls else 'plain']
        if self.dkim:
            words.append('signed')
        words.append('drain' if self.drain else 'end to end')
        if self.per_connection != PER_CONNECTION:
            words.append(f'{self.per_connection} a connection')
        return ', '.join(words)


@dataclasses.dataclass
class Usage:
    """What a process tree has used since it began; `memory` is what it holds now."""
    cpu_ms: float = 0
    written: int = 0   # bytes handed to the disk
    memory: int = 0    # bytes, shared pages counted in parts

    def __add__(self, other):
        return Usage(self.cpu_ms + other.cpu_ms, self.written + other.written, self.memory + other.memory)


@dataclasses.dataclass(frozen=True)
class Input:
    """The same for everyone: a template, its recipients, and a signing key for sender.test."""
    template: pathlib.Path
    recipients: pathlib.Path
    dkim_key: pathlib.Path
    build: pathlib.Path       # the release build
    packages: pathlib.Path    # what perf/compare/install put there


def fill(source, target, **values):
    """Copies a configuration and puts the values in for @NAME@."""
    text = pathlib.Path(source).read_text()
    for name, value in values.items():
        text = text.replace(f'@{name.upper()}@', str(value))
    pathlib.Path(target).write_text(text)


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f'{what} did not happen within {seconds} s')
        time.sleep(0.02)


def command(*words):
    """Runs a short-lived command of a peer to its end."""
    words = [str(word) for word in words]
    try:
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired as expired:
        raise Failed(f'{words[0]} did not end within {PATIENCE_S} s') from expired
    if done.returncode != 0:
        raise Failed(f'{" ".join(words)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-1000:]}')
    return done.stdout


def accepts(address):
    try:
        with socket.create_connection(address, timeout=1) as connection:
            return connection.recv(3) == b'220'
    except OSError:
        return False


class Peer:
    name = ''
    inject_connections = INJECT_CONNECTIONS

    def __init__(self, data: Input, mode: Mode, directory: pathlib.Path):
        self.data, self.mode, self.directory = data, mode, directory
        self.tracer = []      # a command that runs the peer, to count its system calls
        self._processes = []

    # --- What a peer says -----------------------------------------------------------------------------------------------
    @classmethod
    def version(cls, data: Input) -> str:
        """Its version; raises Failed with the reason when it cannot run here."""
        raise NotImplementedError

    def start(self, held: bool):
        """Runs it until it accepts mail. `held`: it keeps what it accepts until `release`."""
        raise NotImplementedError

    def submit(self) -> Usage:
        """Hands all messages over and returns what the peer's own client used for it. All are acknowledged on return."""
        command(self.data.build / 'perf/compare_injector', *INJECT, self.inject_connections, self.data.template,
                self.data.recipients, SENDER)
        return Usage()

    def release(self) -> Usage:
        """Lets the held queue go, and returns what was used until then."""
        raise Failed(f'{self.name} cannot hold its queue')

    # --- What all have in common ----------------------------------------------------------------------------------------
    def run(self, *command, env=None):
        """Runs a long-lived program of the peer, below which everything is counted."""
        measured = [self.data.build / 'perf/compare_measure', 'run', *self.tracer, *command]
        log = open(self.directory / 'log', 'ab')
        # A session of its own: what a terminal sends to the script does not reach it.
        self._processes.append(subprocess.Popen([str(word) for word in measured], stdout=log, stderr=log,
                                                stdin=subprocess.DEVNULL, start_new_session=True,
                                                env={**os.environ, **(env or {})}))

    def usage(self) -> Usage:
        used = Usage()
        for process in self._processes:
            cpu_ms, written, memory = command(self.data.build / 'perf/compare_measure', 'read', process.pid).split()
            used += Usage(float(cpu_ms), int(written), int(memory))
        return used

    def pids(self):
        """Of the programs that `run` began, without what measures them."""
        return [pid for process in self._processes
                for pid in pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()]

    def check_alive(self):
        for process in self._processes:
            if process.poll() is not None:
                raise Failed(f'{self.name} ended by itself with {process.returncode}: {self.log()}')

    def stop(self):
        """Ends what `run` began; a peer that needs words of its own says them first."""
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                pass
            # What has outlived the first of its session.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        self._processes.clear()

    def log(self):
        text = (self.directory / 'log').read_text(errors='replace') if (self.directory / 'log').exists() else ''
        return text[-2000:]

    def start_opendkim(self, address):
        """The signer of peers that have none of their own, as a milter."""
        host, port = address.rsplit(':', 1)
        fill(HERE / 'opendkim.conf', self.directory / 'opendkim.conf', dir=self.directory, key=self.data.dkim_key, host=host,
             port=port)
        self.run('opendkim', '-f', '-x', self.directory / 'opendkim.conf')
        wait_for('opendkim', 20, lambda: self._listens(address))

    @staticmethod
    def _listens(address):
        host, port = address.rsplit(':', 1)
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return True
        except OSError:
            return False

    def namespace(self, mounts, command):
        """A command in a mount namespace where the MX hosts' resolver is the system's and `mounts` (source, target) are
        bound, or, with a list as the source, laid over each other."""
        etc = self.directory / 'etc'
        etc.mkdir(exist_ok=True)
        (etc / 'resolv.conf').write_text(f'nameserver {DNS_ADDRESS}\n')
        (etc / 'mailname').write_text('mta1.sender.test\n')
        lines = ['set -e']
        for source, target in [([etc, '/etc'], '/etc'), *mounts]:
            if isinstance(source, list):
                layers = ':'.join(str(layer) for layer in source)
                lines.append(f'mount -t overlay overlay -o lowerdir={shlex.quote(layers)} {target}')
            else:
                lines.append(f'mount --bind {shlex.quote(str(source))} {target}')
        lines.append('exec "$@"')
        return ['unshare', '--mount', '--propagation', 'private', 'bash', '-c', '\n'.join(lines), 'bash', *command]
