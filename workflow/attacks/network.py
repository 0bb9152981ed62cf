"""No network: commands that are free of data and of downloads, where every connection is refused"""
import shutil, sys
from . import NEW_NETWORK, Skip, Trial, in_child, unshare
from .commands import RECIPE, difference, execute, results, world

REFUSED = ('socket.connect','socket.getaddrinfo','socket.gethostbyname','socket.sendto')

def _alone(tell):
    "No way out, and a record of who looked for one"
    try: unshare(NEW_NETWORK)
    except Skip: pass                                                # the hook alone sees what Python asks for
    def hook(event, args):
        if event not in REFUSED: return
        with open(tell, 'a') as f: f.write(f'{event} {args[1:]}\n')
        raise OSError(f'no network here: {event} {args[1:]}')
    sys.addaudithook(hook)

def _asked(name, out, alone, **params):
    "Run a command, with or without a network"
    shutil.rmtree(out, ignore_errors=True)
    tell = out.with_suffix('.asked')
    def run():
        if alone: _alone(tell)
        execute(name, out, **params)
    if code := in_child(run): raise OSError(f'{code}')
    if tell.is_file(): raise OSError(tell.read_text())
    return results(out)

def trials(full, draw, folder):
    "Synthesis, training on its set, a search"
    made,given = folder/'set',world(folder)
    def synthesis(alone, out): return _asked('E04_synthesise', out, alone, **given)
    def training(alone, out):
        return _asked('E05_distil', out, alone, source='guided', n=RECIPE['n'], **given,
                      synthetic={'guided':str(made/'out')})
    def search(alone, out): return _asked('E14_search', out, alone, **given)
    steps = {'E04_synthesise':synthesis, 'E05_distil':training} | ({'E14_search':search} if full else {})
    synthesis(False, made)
    for name,step in steps.items():
        right = step(False, folder/f'{name}-with')
        yield Trial(name, 'no connection', lambda: difference(right, step(True, folder/f'{name}-without')), (),
                    lambda d: not d)
