import json
import resource

from peer import DNS_ADDRESS, HERE, Peer, Usage, command, fill, wait_for


class Sealift(Peer):
    name = 'sealift'
    more = ''  # further tables of its configuration

    @classmethod
    def version(cls, data):
        return command(data.build / 'bin/sealift', 'version').splitlines()[0]

    def start(self, held):
        (self.directory / 'data').mkdir(mode=0o700)
        kek = self.directory / 'kek'
        kek.touch(mode=0o600)
        kek.write_bytes(bytes(range(32)))
        self.config = self.directory / 'sealift.toml'
        fill(HERE / 'sealift/sealift.toml', self.config, dir=self.directory, dns=f'{DNS_ADDRESS}:53',
             tls='require' if self.mode.tls else 'opportunistic',
             dkim='dkim = ["sender.test"]' if self.mode.dkim else '', key=self.data.dkim_key, messages=self.mode.per_connection,
             more=self.more)
        self.held = held
        self.run(self.data.build / 'bin/sealiftd', '--config', self.config)
        wait_for('sealiftd ready', 30, lambda: self.check_alive() or 'ready' in self.log())

    def _sealift(self, *words):
        return command(self.data.build / 'bin/sealift', '--config', self.config, *words)

    def submit(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._sealift('campaign', 'load', 'bench', '--stream', 'news', '--template', self.data.template, '--recipients',
                      self.data.recipients, *([] if self.held else ['--start']))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # The load command is part of what a message costs.
        return Usage(cpu_ms=1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))

    def queued(self):
        """How many messages have no outcome yet."""
        return json.loads(self._sealift('-o', 'json', 'campaign', 'show', 'bench'))['queued']

    def release(self):
        before = self.usage()
        self._sealift('campaign', 'start', 'bench')
        return before
