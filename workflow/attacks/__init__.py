"""What a trial is, how its outcome is judged, and how a class of trials is run in a process of its own

A class of trials is a module with a function `trials(full, draw, folder)`: a generator of `Trial`s, whose number grows
with `full`, whose choices come from `draw`, and which may write in `folder`.
"""
import ctypes, dataclasses, hashlib, json, os, random, re, signal, subprocess, sys, tempfile, time
from pathlib import Path
import numpy as np, pandas as pd, torch

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ('damage','kills','disk','network','options','pictures','pipelines')
REFUSED,WORKED,WRONG,CRASHED,SKIPPED = 'refused','worked','wrong','crashed','skipped'
OUTCOMES = (REFUSED,WORKED,WRONG,CRASHED,SKIPPED)
CLEAR = (ValueError,TypeError,KeyError,OSError,RuntimeError,ImportError) # Kinds of errors that are raised on purpose
LIMIT = 300 # Seconds that a trial may take

class Late(BaseException):
    "A trial gives no answer"

class Skip(Exception):
    "A trial that this machine does not allow, and why"

@dataclasses.dataclass
class Trial:
    "Something that the library is asked to do in a hostile world"
    what:str # Artefact, command or parameter
    how:str # What was done to it
    run:object # Function without arguments: asks
    names:tuple # Words of which a refusal has to say one: files, parameters
    same:object=None # Function of what `run` gives: whether that is right; `None` if it has to be refused
    kept:object=None # Function without arguments: whether, after a refusal, all is still as it was

def skipped(
    what:str, # As of a `Trial`
    how:str, # Likewise
    why:Skip, # The reason
) -> Trial: # Tried, it is skipped
    "What cannot be tried here"
    def run(): raise why
    return Trial(what, how, run, ())

def fingerprint(
    value # Whatever is read: models, tensors, tables, lists, dictionaries
) -> str: # Hex digest of its contents, bit for bit
    "Two values are the same if their fingerprints are"
    h = hashlib.sha256()
    def add(v):
        h.update(type(v).__name__.encode())
        if isinstance(v, torch.nn.Module): add(dict(v.state_dict()))
        elif isinstance(v, torch.Tensor): add(v.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        elif isinstance(v, np.ndarray): h.update(f'{v.dtype} {v.shape}'.encode()); h.update(v.tobytes())
        elif isinstance(v, pd.DataFrame): add(v.to_csv(index=False, float_format='%.17g'))
        elif isinstance(v, dict):
            for k in sorted(v, key=str): h.update(str(k).encode()); add(v[k])
        elif isinstance(v, (list,tuple)):
            for o in v: add(o)
        elif dataclasses.is_dataclass(v): add(vars(v))
        else: h.update(repr(v).encode())
    add(value)
    return h.hexdigest()

def clear(
    error:Exception, # What was raised
    names, # Words of which it has to say one
) -> bool: # Whether a person who reads it knows where to look
    "A refusal is of a kind that is raised on purpose, names the file or parameter, and says more than that"
    said = str(error)
    return isinstance(error, CLEAR) and any(n in said for n in names) and len(said.split())>2

def _outcome(trial):
    try: value = trial.run()
    except Skip as e: return SKIPPED,str(e)
    except Late: return CRASHED,f'no answer in {LIMIT} s'
    except Exception as e:
        said = f'{type(e).__name__}: {e}'
        if trial.kept and not trial.kept(): return WRONG,f'lost what was there before; {said}'
        return (REFUSED if clear(e, trial.names) else CRASHED),said
    if trial.same is None: return WRONG,'accepted'
    try: return (WORKED,'') if trial.same(value) else (WRONG,f'accepted, and the result differs: {_short(value)}')
    except Exception as e: return WRONG,f'accepted, but there is nothing it could equal: {type(e).__name__}: {e}'

def _short(value): return value if isinstance(value, str) else type(value).__name__

def _late(*_): raise Late

def _tried(trial):
    signal.signal(signal.SIGALRM, _late); signal.alarm(LIMIT)
    started = time.time()
    try: outcome,said = _outcome(trial)
    finally: signal.alarm(0)
    return dict(what=trial.what, how=trial.how, outcome=outcome, said=_portable(said),
                seconds=round(time.time()-started, 2))

def _portable(said):
    "What was said, in one line, without where this checkout and its temporary folders are"
    said = said.replace(f'{ROOT}/', '')
    return ' '.join(re.sub(rf"{re.escape(tempfile.gettempdir())}/tmp\w+/", '', said).split())[:400]

def _child(write, trials, full, seed, log):
    "Try everything, one line per trial: before it, so that a death has a name, and after it"
    os.dup2(os.open(log, os.O_WRONLY|os.O_CREAT|os.O_TRUNC), 1); os.dup2(1, 2)
    with tempfile.TemporaryDirectory() as d, open(write, 'w') as out:
        def tell(**row): out.write(json.dumps(row)+'\n'); out.flush()
        for trial in trials(full, random.Random(seed), Path(d)):
            tell(what=trial.what, how=trial.how, outcome='')
            tell(**_tried(trial))
        tell(what='', how='', outcome='')

def run_class(
    name:str, # One of `CLASSES`
    trials, # Its generator of trials
    full:bool, # Size
    seed:int, # Of everything that is drawn
    log:Path, # Where its output goes
) -> list: # Rows: `attack`, `what`, `how`, `outcome`, `said`, `seconds`
    "Try one class in a process of its own, so that even its death is an outcome"
    read,write = os.pipe()
    if not (pid := os.fork()):
        code = 1
        try: os.close(read); _child(write, trials, full, f'{seed} {name}', log); code = 0
        except BaseException: sys.excepthook(*sys.exc_info())
        finally: sys.stdout.flush(); sys.stderr.flush(); os._exit(code)
    os.close(write)
    with open(read) as told: rows = [json.loads(line) for line in told]
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    done = [r for r in rows if r['outcome']]
    if status or not rows:
        last = rows[-1] if rows and not rows[-1]['outcome'] else dict(what='the next trial', how='being prepared')
        done.append(last|dict(outcome=CRASHED, said=f'the process ended with {status}; see {log}', seconds=0.))
    return [dict(attack=name, **r) for r in done]

def in_child(
    do, # Function without arguments
    after:float|None=None, # Seconds after which it is killed; never by default
) -> int: # Exit code; negative is a signal
    "Do something in a process of its own, e.g. to kill it"
    if not (pid := os.fork()):
        code = 1
        try: signal.alarm(0); do(); code = 0
        except BaseException: sys.excepthook(*sys.exc_info())
        finally: sys.stdout.flush(); sys.stderr.flush(); os._exit(code)
    try:
        if after is not None:
            time.sleep(after)
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:                                                         # too late: it must not write on
        os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
        raise

NEW_FILES,NEW_NETWORK = 0x20000,0x40000000 # Flags of unshare(2): CLONE_NEWNS, CLONE_NEWNET

def unshare(
    what:int # `NEW_FILES` or `NEW_NETWORK`
):
    "A view of the machine of this process's own; `Skip` where that is not allowed"
    if sys.platform!='linux' or ctypes.CDLL(None, use_errno=True).unshare(what):
        raise Skip(f'no namespaces here ({os.strerror(ctypes.get_errno())})')

def mount(
    *words # For mount(8)
):
    "Mount something; `Skip` where that is not allowed"
    done = subprocess.run(['mount', *words], capture_output=True, text=True)
    if done.returncode: raise Skip(f'mount: {done.stderr.strip()}')
