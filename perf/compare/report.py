"""What perf/compare/run found: a table to read, a file of numbers, and plots."""
import dataclasses
import datetime
import shutil
import subprocess


@dataclasses.dataclass
class Result:
    messages: int = 0
    rate: float = 0      # messages a second
    cpu_ms: float = 0    # a message
    memory: int = 0      # bytes, the most that was seen
    written: float = 0   # bytes to disk a message
    syncs: float = 0     # a message


class Report:
    def __init__(self):
        self.versions, self.syncs = {}, {}
        self._rows = []       # mode, peer, Result
        self._left_out = []   # mode, peer, reason

    def add(self, mode, peer, result):
        self._rows.append((mode, peer, result))

    def leave_out(self, mode, peer, reason):
        print(f'  {peer:10} left out: {reason}', flush=True)
        self._left_out.append((mode, peer, reason))

    def _to_postfix(self, mode, result):
        for other, peer, base in self._rows:
            if other == mode and peer == 'postfix':
                return f'{result.rate / base.rate:.1f}x'
        return '-'

    def print(self):
        print(f'\n{"mode":32} {"peer":10} {"messages/s":>10} {"to Postfix":>10} {"CPU ms":>8} {"peak MiB":>9} {"disk bytes":>10} '
              f'{"syncs":>7}')
        for mode, peer, result in self._rows:
            syncs = f'{self.syncs[peer]:.3f}' if peer in self.syncs else '-'
            print(f'{str(mode):32} {peer:10} {result.rate:10.0f} {self._to_postfix(mode, result):>10} {result.cpu_ms:8.3f} '
                  f'{result.memory / 2**20:9.0f} {result.written:10.0f} {syncs:>7}')
        print('CPU, disk and syncs are a message; syncs were counted end to end, plain, unsigned.')
        for mode, peer, reason in self._left_out:
            print(f'left out: {peer} in {mode}: {reason}')

    def save(self, folder):
        """Appends to compare.tsv and draws one plot a measure from this run."""
        folder.mkdir(exist_ok=True)
        table = folder / 'compare.tsv'
        new = not table.exists() or table.stat().st_size == 0
        when = datetime.datetime.now(datetime.timezone.utc).strftime('%FT%TZ')
        with table.open('a') as out:
            if new:
                out.write('when\tmode\tpeer\tmessages\tmessages_per_s\tcpu_ms\tpeak_bytes\tdisk_bytes\tsyncs\n')
            for mode, peer, result in self._rows:
                out.write(f'{when}\t{mode}\t{peer}\t{result.messages}\t{result.rate:.0f}\t{result.cpu_ms:.4f}\t{result.memory}\t'
                          f'{result.written:.0f}\t{self.syncs.get(peer, "")}\n')
        if shutil.which('gnuplot') is None:
            print('no plots: gnuplot is not installed (perf/compare/install)')
            return
        for name, title, value in (('rate', 'messages a second', lambda r: r.rate), ('cpu', 'CPU ms a message', lambda r: r.cpu_ms),
                                   ('memory', 'peak MiB', lambda r: r.memory / 2**20),
                                   ('disk', 'bytes to disk a message', lambda r: r.written)):
            self._plot(folder / f'compare-{name}.svg', title, value)

    def _plot(self, path, title, value):
        """A group of bars a mode, a bar a peer, on a logarithmic scale: the peers are far apart."""
        modes = list(dict.fromkeys(mode for mode, _, _ in self._rows))
        peers = list(dict.fromkeys(peer for _, peer, _ in self._rows))
        if not modes:
            return
        values = {(mode, peer): value(result) for mode, peer, result in self._rows}
        lines = ['mode ' + ' '.join(peers)]
        for mode in modes:
            lines.append(f'"{mode}" ' + ' '.join(f'{max(values.get((mode, peer), 0), 1e-9):g}' if (mode, peer) in values else '?'
                                                 for peer in peers))
        script = [f'set terminal svg size {max(640, 200 * len(modes))},420 background "white"', f'set output "{path}"',
                  f'set title "{title}"', 'set datafile missing "?"', 'set style data histogram', 'set style fill solid 0.8',
                  'set logscale y', 'set grid ytics', 'set key outside bottom horizontal', 'set xtics font ",9"',
                  '$data << EOD', *lines, 'EOD',
                  f'plot for [i=2:{len(peers) + 1}] $data using i:xtic(1) title columnheader(i)']
        subprocess.run(['gnuplot'], input='\n'.join(script), text=True, check=True)
