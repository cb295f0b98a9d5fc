import shutil

from peer import INJECT, Failed, Peer, Usage, accepts, wait_for


class Haraka(Peer):
    """Haraka from npm, with the plugins that relaying takes and no others."""
    name = 'haraka'

    @classmethod
    def version(cls, data):
        if shutil.which('node') is None:
            raise Failed('there is no Node.js')
        package = data.packages / 'haraka/node_modules/Haraka'
        if not package.exists():
            raise Failed('it is not installed: perf/compare/install')
        return 'Haraka ' + (data.packages / 'haraka/version').read_text().strip()

    def start(self, held):
        config = self.directory / 'config'
        shutil.copytree(self.data.packages / 'haraka/node_modules/Haraka/config', config)
        # Plugins that are packages of their own are looked for beside the configuration.
        (self.directory / 'node_modules').symlink_to(self.data.packages / 'haraka/node_modules')
        plugins = ['relay'] + (['dkim'] if self.mode.dkim else [])
        (config / 'plugins').write_text('\n'.join(plugins) + '\n')
        (config / 'relay.ini').write_text('[relay]\nacl=true\n')
        (config / 'relay_acl_allow').write_text('127.0.0.0/8\n')
        (config / 'smtp.ini').write_text(f'[main]\nlisten={INJECT[0]}:{INJECT[1]}\nnodes=cpus\n')
        (config / 'log.ini').write_text('[main]\nlevel=ERROR\n')
        (config / 'me').write_text('mta1.sender.test\n')
        (config / 'host_list').write_text('')
        (config / 'outbound.ini').write_text(
            f'[main]\nconcurrency_max=100\nlocal_mx_ok=true\nenable_tls={str(self.mode.tls).lower()}\n'
            f'disabled={str(held).lower()}\ninet_prefer=v4\n')
        (config / 'tls.ini').write_text('[outbound]\nrejectUnauthorized=false\n')
        if self.mode.dkim:
            key = config / 'dkim/sender.test'
            key.mkdir(parents=True)
            (key / 'private').write_bytes(self.data.dkim_key.read_bytes())
            (key / 'selector').write_text('s1\n')
            (config / 'dkim.ini').write_text('[sign]\nenabled=true\nselector=s1\ndomain=sender.test\n')
        self._run()

    def _run(self):
        self.run(*self.namespace([], ['node', self.data.packages / 'haraka/node_modules/Haraka/haraka.js']),
                 env={'HARAKA': str(self.directory)})
        wait_for('Haraka', 30, lambda: self.check_alive() or accepts(INJECT))

    def release(self):
        # It reads the queue at its start, which is therefore part of a drain.
        super().stop()
        ini = self.directory / 'config/outbound.ini'
        ini.write_text(ini.read_text().replace('disabled=true', 'disabled=false'))
        self._run()
        return Usage()   # this process began with the release
