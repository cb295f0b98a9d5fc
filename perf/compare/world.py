"""What surrounds a measured mail server: the messages it is given, the key it signs them with, and the sink that takes them."""
import os
import re
import subprocess
import sys

from peer import DNS_ADDRESS, HERE, SINK_ADDRESS, Failed, Input, fill

ROOT = HERE.parent.parent
DOMAINS = 100
KEY_FILE = 'dkim.pem'


def make_key(work, algorithm='rsa'):
    """The key that signs for sender.test: RSA-2048 or Ed25519."""
    bits = ['-pkeyopt', 'rsa_keygen_bits:2048'] if algorithm == 'rsa' else []
    subprocess.run(['openssl', 'genpkey', '-algorithm', algorithm, *bits, '-out', work / KEY_FILE], check=True, capture_output=True)
    os.chmod(work / KEY_FILE, 0o600)


def make_input(work, mode, build):
    """A letter of the mode's size and as many recipients as it has messages."""
    letter, people = work / f'letter{mode.size}.eml', work / f'people{mode.messages}.csv'
    line = 'We are open again in {{city}}, {{name}}, and look forward to seeing you with all our heart this spring.\r\n'
    head = ('From: Clinic <news@sender.test>\r\nTo: {{email}}\r\nSubject: News for {{name}}\r\nMIME-Version: 1.0\r\n'
            'Content-Type: text/plain; charset=us-ascii\r\n\r\nDear {{name}},\r\n\r\n')
    letter.write_bytes((head + line * max((mode.size - len(head)) // len(line), 1)).encode())
    rows = (f'row{i}@d{(i - 1) % DOMAINS + 1}.test,Person {i},City {i % 7}\n' for i in range(1, mode.messages + 1))
    people.write_text('email,name,city\n' + ''.join(rows))
    return Input(letter, people, work / KEY_FILE, build, ROOT / 'build/peers')


class Sink:
    """The receiving world: it ends itself at the last message."""

    def __init__(self, build, directory, mode):
        script = directory / 'sink.toml'
        fill(HERE / 'sink.toml', script, address=SINK_ADDRESS, tls='on' if mode.tls else 'off')
        self._summary = directory / 'sink.json'
        self._process = subprocess.Popen(
            [build / 'bin/sealift-sink', '--script', script, '--port', '25', '--dns', f'{DNS_ADDRESS}:53', '--ready',
             '--count', str(mode.messages), '--summary', self._summary, '--summary-every', '1s'],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if 'ready' not in self._process.stdout.readline():
            raise Failed(f'the sink did not come up: {self._process.stderr.read()}')

    def wait(self, seconds):
        """Whether the last message has come."""
        try:
            self._process.wait(timeout=seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def check(self, peer, mode):
        text = self._summary.read_text()
        faults = int(re.search(r'"faults": (\d+)', text).group(1))
        if faults:
            print(f'  {peer.name}: the sink saw {faults} faults', file=sys.stderr)
        if mode.tls and int(re.search(r'"plaintext_mail": (\d+)', text).group(1)) > 0:
            raise Failed('it sent mail in clear')

    def stop(self):
        self._process.terminate()
        self._process.communicate()
