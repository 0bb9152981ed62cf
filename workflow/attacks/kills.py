"""Long commands killed at random, and started again: equal bits to a run that nobody disturbed

Half of the kills fall on a moment, the others on an event: when the process is about to open, rename or remove
something, which is when files are half written.
"""
import os, shutil, signal, sys, time
from . import Trial, in_child
from .commands import SIZES, difference, execute, results, world

EVENTS = ('os.rename','os.remove','os.rmdir','os.mkdir','os.link','shutil.rmtree')

def _count(below, tell=None, last=None):
    "Number the touches of files below a folder; die at the last one"
    seen = [0]
    def hook(event, args):
        if event not in EVENTS and not (event=='open' and len(args)>1 and 'w' in str(args[1] or '')): return
        if not any(str(a).startswith(f'{below}/') for a in args[:2]): return
        seen[0] += 1
        if seen[0]==last: os.kill(os.getpid(), signal.SIGKILL)
        if tell: tell.write_text(str(seen[0]))
    sys.addaudithook(hook)

def _undisturbed(name, out, tell, given):
    "Seconds and touches of a run, and what it gives"
    started = time.time()
    def run(): _count(str(out), tell); execute(name, out, **given)
    if code := in_child(run): raise RuntimeError(f'{name} ended with {code} without being disturbed')
    return time.time()-started,int(tell.read_text()),results(out)

def _again(name, out, right, given):
    "Start it again, until it is done; `RuntimeError` says how it ended otherwise"
    if code := in_child(lambda: execute(name, out, **given)): raise OSError(f'{code}')
    return difference(right, results(out))

def _killed(name, out, right, given, **when):
    "Kill a run, earlier if it was done before, and start it again"
    def run():
        if 'event' in when: _count(str(out), last=int(when['event']))
        execute(name, out, **given)
    for _ in range(6):
        shutil.rmtree(out, ignore_errors=True)
        if in_child(run, when.get('after'))==-signal.SIGKILL: return _again(name, out, right, given)
        when = {k:max(1, v//2) if k=='event' else v/2 for k,v in when.items()}
    raise RuntimeError(f'{name} is always done before it can be killed')

def trials(full, draw, folder):
    "Every command, killed at moments and at touches of files"
    given = world(folder)
    for name in SIZES:
        out = folder/name
        took,touches,right = _undisturbed(name, out, folder/f'{name}.txt', given)
        for k in range(12 if full else 2):
            when = dict(event=draw.randrange(1, touches+1)) if k%2 else dict(after=draw.uniform(0, took))
            how = f"at touch {when['event']} of {touches}" if k%2 else f"after {when['after']:.1f} s of {took:.1f}"
            yield Trial(name, f'killed {how}, started again', lambda: _killed(name, out, right, given, **when), (),
                        lambda differs: not differs)
