import pathlib
import pwd
import shutil

from peer import HERE, INJECT, Failed, Peer, accepts, fill, wait_for

_USER = 'postfix'   # Exim wants a user that is not root; this one is there with every peer installed


class Exim(Peer):
    """Debian installs one mail server at a time, so Exim's package is unpacked and laid over /usr for its processes."""
    name = 'exim'

    @classmethod
    def version(cls, data):
        if not (data.packages / 'exim/usr/sbin/exim4').exists():
            raise Failed('its package is not unpacked: perf/compare/install')
        return 'Exim ' + (data.packages / 'exim/version').read_text().strip()

    def _namespace(self, command):
        return self.namespace([([self.data.packages / 'exim/usr', '/usr'], '/usr')], command)

    def start(self, held):
        spool = self.directory / 'spool'
        spool.mkdir()
        shutil.chown(spool, _USER)
        etc = self.directory / 'etc'
        etc.mkdir()
        # What the package was built to run as, and its configuration at the place where it trusts it.
        user = pwd.getpwnam(_USER)
        (etc / 'passwd').write_text(pathlib.Path('/etc/passwd').read_text() +
                                    f'Debian-exim:x:{user.pw_uid}:{user.pw_gid}::{spool}:/usr/sbin/nologin\n')
        (etc / 'group').write_text(pathlib.Path('/etc/group').read_text() + f'Debian-exim:x:{user.pw_gid}:\n')
        (etc / 'exim4').mkdir()
        dkim = ''
        if self.mode.dkim:
            key = self.directory / 'dkim.pem'
            key.write_bytes(self.data.dkim_key.read_bytes())
            key.chmod(0o600)
            shutil.chown(key, _USER)
            dkim = ('  dkim_domain = sender.test\n  dkim_selector = s1\n  dkim_canon = relaxed\n'
                    f'  dkim_private_key = {key}')
        fill(HERE / 'exim/exim.conf', etc / 'exim4/exim4.conf', dir=self.directory, user=_USER, port=INJECT[1],
             held='true' if held else 'false', tls='*' if self.mode.tls else '', clear='' if self.mode.tls else '*', dkim=dkim,
             messages=self.mode.per_connection)
        self.run(*self._namespace(['/usr/sbin/exim4', '-bdf', *([] if held else ['-q1s'])]))
        wait_for('Exim', 30, lambda: self.check_alive() or accepts(INJECT))

    def release(self):
        before = self.usage()
        # A queue runner delivers one message after the other: as many of them as pay.
        for _ in range(8):
            self.run(*self._namespace(['/usr/sbin/exim4', '-q']))
        return before

    def check_alive(self):
        if self._processes and self._processes[0].poll() is not None:
            raise Failed(f'Exim ended by itself: {self.log()}')

    def log(self):
        panic = self.directory / 'spool/paniclog'
        return super().log() + (panic.read_text()[-2000:] if panic.exists() else '')
