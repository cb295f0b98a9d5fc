import pathlib

from peer import HERE, INJECT, Failed, Peer, accepts, command, fill, wait_for


class OpenSmtpd(Peer):
    """Debian installs one mail server at a time, so the package is unpacked and laid over /usr for its processes; its spool,
    whose place is fixed, is the run's directory."""
    name = 'opensmtpd'
    inject_connections = 4  # with twenty some were never answered, and nothing came to an end

    @classmethod
    def version(cls, data):
        if not (data.packages / 'opensmtpd/usr/sbin/smtpd').exists():
            raise Failed('its package is not unpacked: perf/compare/install')
        return 'OpenSMTPD ' + (data.packages / 'opensmtpd/version').read_text().strip()

    def start(self, held):
        if self.mode.dkim:
            raise Failed('Debian 12 has no DKIM filter for it')
        etc, spool, var_lib, run = (self.directory / name for name in ('etc', 'spool', 'lib', 'run'))
        for folder in (etc, spool, spool / 'smtpd', var_lib, var_lib / 'opensmtpd', var_lib / 'opensmtpd/empty', run):
            folder.mkdir()
        for path in (spool, spool / 'smtpd', var_lib, var_lib / 'opensmtpd/empty'):
            path.chmod(0o711)
        # Its two unprivileged users, which only this run knows.
        users = 'opensmtpd:x:64711:64711::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n' \
                'opensmtpq:x:64712:64712::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n'
        (etc / 'passwd').write_text(pathlib.Path('/etc/passwd').read_text() + users)
        (etc / 'group').write_text(pathlib.Path('/etc/group').read_text() + 'opensmtpd:x:64711:\nopensmtpq:x:64712:\n')
        shadow = ''.join(f'{name}:*:19000:0:99999:7:::\n' for name in ('opensmtpd', 'opensmtpq'))
        (etc / 'shadow').write_text(pathlib.Path('/etc/shadow').read_text() + shadow)
        fill(HERE / 'opensmtpd/smtpd.conf', etc / 'smtpd.conf', port=INJECT[1],
             tls='tls no-verify' if self.mode.tls else '', messages=self.mode.per_connection)
        (etc / 'smtpd.conf').chmod(0o600)
        self.run(*self._namespace(['/usr/sbin/smtpd', '-d', *(['-P', 'mta'] if held else [])]))
        wait_for('OpenSMTPD', 30, lambda: self.check_alive() or accepts(INJECT))

    def _namespace(self, command):
        return self.namespace([([self.data.packages / 'opensmtpd/usr', '/usr'], '/usr'), (self.directory / 'spool', '/var/spool'),
                               (self.directory / 'lib', '/var/lib'), (self.directory / 'run', '/run')], command)

    def release(self):
        before = self.usage()
        command(*self._namespace(['/usr/sbin/smtpctl', 'resume', 'mta']))
        return before
