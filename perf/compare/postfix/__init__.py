import shutil
import subprocess

from peer import HERE, INJECT, Failed, Peer, accepts, command, fill, wait_for

_MILTER = '127.0.0.1:27528'


class Postfix(Peer):
    name = 'postfix'

    @classmethod
    def version(cls, data):
        if shutil.which('postfix') is None:
            raise Failed('it is not installed: perf/compare/install')
        return 'Postfix ' + command('postconf', '-d', '-h', 'mail_version').strip()

    def start(self, held):
        for folder in ('queue', 'data'):
            (self.directory / folder).mkdir()
        shutil.chown(self.directory / 'data', 'postfix')
        milters = ''
        if self.mode.dkim:
            self.start_opendkim(_MILTER)
            milters = f'inet:{_MILTER}'
        fill(HERE / 'postfix/main.cf', self.directory / 'main.cf', dir=self.directory,
             tls='encrypt' if self.mode.tls else 'none', milters=milters, held='smtp' if held else '',
             messages=self.mode.per_connection)
        fill(HERE / 'postfix/master.cf', self.directory / 'master.cf', listen=f'{INJECT[0]}:{INJECT[1]}')
        self.run(*self.namespace([], ['postfix', '-c', self.directory, 'start-fg']))
        wait_for('Postfix', 30, lambda: self.check_alive() or accepts(INJECT))

    def release(self):
        before = self.usage()
        command('postconf', '-c', self.directory, '-e', 'defer_transports=')
        command('postfix', '-c', self.directory, 'reload')
        command('postqueue', '-c', self.directory, '-f')
        return before

    def log(self):
        mail_log = self.directory / 'mail.log'
        return super().log() + (mail_log.read_text(errors='replace')[-2000:] if mail_log.exists() else '')

    def stop(self):
        subprocess.run(['postfix', '-c', self.directory, 'stop'], capture_output=True)
        super().stop()
