"""Run snakemake with one line of progress, and all that it and its jobs say in a log.

    python workflow/progress.py LOG snakemake …

On a terminal the line is drawn again and again: steps done of all, minutes gone and left, what runs. Elsewhere every
finished step is a line, with its seconds. If a step fails, the part of the log that says why is printed. Ends as
snakemake does.
"""
import re, signal, subprocess, sys, time
from pathlib import Path
from dfkd_nb.files import end_with_parent

STARTS = re.compile(r'(?:local)?(?:rule|checkpoint) (\w+):$')
ENDS = re.compile(r'Finished jobid: (\d+)')
COUNT = re.compile(r'(\d+) of (\d+) steps')
TOTAL = re.compile(r'total +(\d+)$')
FAILED = re.compile(r'\w*Error\b|error:')

class Progress:
    "What snakemake has said so far"
    def __init__(self): self.began,self.rule,self.id,self.running,self.done,self.total = time.time(),'','',{},0,0

    def heard(self, line):
        "Take in a line; the name and seconds of a step that it says is finished"
        text = line.strip()
        if m := STARTS.match(text): self.rule = m[1]
        elif text.startswith('jobid: '): self.id = text[7:]; self.running[self.id] = (self.rule, time.time())
        elif text.startswith('wildcards: ') and self.id in self.running:
            which = ' '.join(part.partition('=')[2] for part in text[11:].split(', '))
            self.running[self.id] = (f'{self.rule} {which}', self.running[self.id][1])
        elif m := TOTAL.match(text): self.total = int(m[1])
        elif m := COUNT.match(text): self.done,self.total = int(m[1]),int(m[2])
        elif m := ENDS.match(text):
            name,began = self.running.pop(m[1], ('', time.time()))
            return name,time.time()-began

    def line(self):
        "Steps, minutes gone and left, what runs"
        if not self.total: return 'looking for what is to be done'
        gone,names = time.time()-self.began,', '.join(name for name,_ in self.running.values())
        left = f', about {gone/self.done*(self.total-self.done)/60:.0f} left' if self.done>2 else ''
        return f'{self.done} of {self.total} steps, {gone/60:.0f} min{left}: {names}'

def reason(said):
    "Of a log, what stands from its first error on; its end, if there is none"
    first = next((i for i,line in enumerate(said) if FAILED.match(line)), max(0, len(said)-20))
    return said[first:first+60]

def main(log, command):
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    there,told,said = sys.stdout.isatty(),Progress(),[]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                             preexec_fn=end_with_parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)                              # a terminal sends it to snakemake too
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    with open(log, 'w') as f:
        for line in child.stdout:
            f.write(line); f.flush(); said.append(line)
            if (ended := told.heard(line)) and not there and ended[0]:
                print(f'{told.done+1:4} of {told.total}, {ended[1]:4.0f} s: {ended[0]}', flush=True)
            if there: print(f'\r\x1b[K{told.line()[:110]}', end='', flush=True)
    code = child.wait()
    if there: print('\r\x1b[K', end='')
    if code: print(''.join(reason(said)), f'all that was said: {log}', sep='', file=sys.stderr)
    elif told.total: print(f'{told.total} steps, {(time.time()-told.began)/60:.1f} minutes')
    else: print('nothing to be done: all is there, and newer than what it is made from')
    return code if code>=0 else 128-code

if __name__=='__main__':
    if len(sys.argv)<3: sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
