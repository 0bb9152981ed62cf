"""Damaged artefacts: a byte flipped, a file cut, emptied, swapped, deleted, a number that is none"""
import re, shutil
import pandas as pd, torch
from safetensors import safe_open
from safetensors.torch import save_file
from dfkd_nb.files import sha256
from dfkd_nb.integrity import SUMS, _digest, read_sums, write_sums
from . import Trial, fingerprint
from .artefacts import ARTEFACTS

def _flip(path, draw, _):
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= draw.randrange(1, 256)
    path.write_bytes(data)

def _cut(path, draw, _): data = path.read_bytes(); path.write_bytes(data[:draw.randrange(len(data))])
def _empty(path, draw, _): path.write_bytes(b'')
def _delete(path, draw, _): path.unlink()

def _swap(path, draw, other):
    "With a file of the same kind in the same artefact, or the same one of another artefact"
    alike = [f for f in sorted(path.parent.iterdir()) if f.suffix==path.suffix and f!=path and f.is_file()]
    if not alike:
        theirs = sorted(other.rglob('*'+path.suffix))
        return shutil.copyfile(next((f for f in theirs if f.name==path.name), theirs[0]), path)
    twin = draw.choice(alike)
    mine,its = path.read_bytes(),twin.read_bytes()
    path.write_bytes(its); twin.write_bytes(mine)

def _holed(tensors, draw):
    "One number of one tensor is none"
    name = draw.choice(sorted(k for k,v in tensors.items() if v.is_floating_point() and v.numel()))
    flat = tensors[name].clone().flatten()
    flat[draw.randrange(len(flat))] = float('nan')
    return tensors|{name:flat.view_as(tensors[name])}

def _nan_tensors(path, draw):
    with safe_open(path, 'pt') as f: tensors,said = {k:f.get_tensor(k) for k in f.keys()},dict(f.metadata() or {})
    sealed,holed = said.pop('sha256', None),_holed(tensors, draw)
    named = path if sealed==_digest(tensors, said, path) else None               # its checksum is in step, as ever
    save_file(holed, path, metadata=said|(dict(sha256=_digest(holed, said, named)) if sealed else {}))

def _nan_archive(path, draw):
    state = torch.load(path, weights_only=True)
    torch.save(state|dict(nets=_holed(state['nets'], draw)), path)

def _nan_table(path, draw):
    df = pd.read_parquet(path)
    df.loc[draw.randrange(len(df)), 'value'] = float('nan')
    df.to_parquet(path, index=False)

def _nan_text(path, draw):
    text = path.read_text()
    numbers = list(re.finditer(r'(?<=[:\[, ])-?\d+(\.\d+)?(e-?\d+)?(?=[,\s\]}])', text))
    if not numbers: return False
    at = draw.choice(numbers)
    path.write_text(text[:at.start()]+'NaN'+text[at.end():])

HOLES = {'.safetensors':_nan_tensors, '.pt':_nan_archive, '.parquet':_nan_table, '.json':_nan_text, '.jsonl':_nan_text}

def _lists(root): return [*root.rglob(SUMS), *root.rglob('groups/*.sha256')]

def _reseal(path, root):
    "Bring every list that names a file in step: it was written so"
    for place in _lists(root):
        base = place.parent if place.name==SUMS else root
        key = path.relative_to(base).as_posix() if path.is_relative_to(base) else ''
        if key in (sums := read_sums(place.parent, place.name)):
            write_sums(place.parent, sums|{key:sha256(path)}, place.name)

def _nan(path, draw, _):
    "A number that is none, as a program that checks nothing would have written it"
    if path.suffix not in HOLES or HOLES[path.suffix](path, draw) is False: return False
    _reseal(path, next(p for p in path.parents if (p/'.root').exists()))

DAMAGES = {'a byte flipped':_flip, 'cut':_cut, 'emptied':_empty, 'swapped':_swap, 'deleted':_delete,
           'a NaN inside':_nan} # What is done to a file

def _files(folder): return sorted(f for f in folder.rglob('*') if f.is_file() and f.name!='.root')

def _damaged(whole, other, to, how, draw):
    "A copy of an artefact, one of its files damaged; that file"
    shutil.rmtree(to, ignore_errors=True); shutil.copytree(whole, to)
    for path in draw.sample(files := _files(to), len(files)):
        if path.stat().st_size and DAMAGES[how](path, draw, other) is not False: return path

def _same(artefact, folder):
    right = fingerprint(artefact.read(folder, 0))
    return lambda value: fingerprint(value)==right

def _names(path): return path.name,*[p.name for p in _lists(path.parent)],f'/{path.parent.name}/',str(path.parent)

def trials(full, draw, folder):
    "Every artefact with every damage, in random files"
    for name,artefact in ARTEFACTS.items():
        whole,other,to = (folder/name.replace(' ','-')/k for k in ('whole','other','damaged'))
        for seed,place in enumerate((whole,other)): place.mkdir(parents=True); artefact.make(place, seed)
        (whole/'.root').touch()
        copy = shutil.copytree(whole, to.with_name('read'))                           # readers may write
        same = _same(artefact, copy)
        for how in DAMAGES:
            for _ in range(12 if full else 2):
                if (path := _damaged(whole, other, to, how, draw)) is None: break
                names = (*_names(path),*artefact.names)
                yield Trial(f'{name}: {path.relative_to(to)}', how, lambda: artefact.read(to, 0), names, same)
