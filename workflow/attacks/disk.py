"""Disks that are full, have a quota, or cannot be written: an error that names it, and the old artefact is whole"""
import contextlib, gc, resource, shutil, signal, subprocess
from . import NEW_FILES, Skip, Trial, fingerprint, mount, skipped, unshare
from .artefacts import ARTEFACTS

def _tmpfs(folder):
    "A small disk that goes with this process"
    unshare(NEW_FILES)
    mount('--make-rprivate', '/')
    mount('-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', str(folder))

@contextlib.contextmanager
def _full(folder, left):
    "A disk with so many bytes left"
    with open(folder/'ballast', 'wb', buffering=0) as f:
        with contextlib.suppress(OSError):
            while f.write(bytes(4096)): pass
        f.truncate(max(0, f.tell()-left))
    try: yield
    finally: (folder/'ballast').unlink()

@contextlib.contextmanager
def _read_only(folder, _):
    gc.collect()                                                     # locks of runs that were interrupted
    mount('-o', 'remount,ro', str(folder))
    try: yield
    finally: mount('-o', 'remount,rw', str(folder))

@contextlib.contextmanager
def _quota(folder, most):
    "No file of more bytes"
    before,handler = resource.getrlimit(resource.RLIMIT_FSIZE),signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most,before[1]))
    try: yield
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, before); signal.signal(signal.SIGXFSZ, handler)

def _size(folder): return sum(f.stat().st_size//4096*4096+4096 for f in folder.rglob('*') if f.is_file())

def _read(artefact, place, seed):
    "What a user would get, from a copy, as readers may write"
    copy = place.parents[1]/'copy'                                                # beside the disk, not on it
    shutil.rmtree(copy, ignore_errors=True); shutil.copytree(place, copy)
    return fingerprint(artefact.read(copy, seed))

def _either(artefact, place, prints):
    "Whether it is the old artefact, or the new one; seeds as they are numbered"
    for seed,right in enumerate(prints):
        with contextlib.suppress(Exception):
            if _read(artefact, place, seed)==right: return True
    return False

def trials(full, draw, folder):
    "Every artefact that the library writes, over an older one, with every trouble that this machine allows"
    disk = folder/'disk'; disk.mkdir()
    try: _tmpfs(disk)
    except Skip as e:
        yield skipped('all artefacts', 'a full disk, a read-only disk', e)
        return (yield from _written(full, draw, disk, {'a quota':_quota}))
    try: yield from _written(full, draw, disk, {'a quota':_quota, 'a full disk':_full, 'a read-only disk':_read_only})
    finally: subprocess.run(['umount', '-l', str(disk)], check=True)

def _written(full, draw, disk, troubles):
    for name,artefact in ARTEFACTS.items():
        if not artefact.written: continue
        place = disk/name.replace(' ','-')
        def fresh(seed): shutil.rmtree(place, ignore_errors=True); place.mkdir(); artefact.make(place, seed)
        fresh(1); new = _read(artefact, place, 1)
        fresh(0); old = _read(artefact, place, 0)
        most = _size(place)
        def kept(): return _either(artefact, place, (old,new))
        for how,trouble in troubles.items():
            for _ in range(1 if trouble is _read_only else 12 if full else 2):
                left = draw.randrange(most+4096)
                def write():
                    with trouble(disk, left): artefact.make(place, 1)
                    return _read(artefact, place, 1)==new                         # written, then; not just quiet
                said = how if trouble is _read_only else f'{how}, {left:,} bytes left of {most:,}'
                yield Trial(name, said, write, (str(place),), bool, kept)
                fresh(0)
        shutil.rmtree(place)
