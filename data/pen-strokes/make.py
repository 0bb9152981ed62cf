#!/usr/bin/env python
"""Make the two files of this folder from npm's hanzi-writer-data 2.0.1

    npm pack hanzi-writer-data@2.0.1
    python make.py hanzi-writer-data-2.0.1.tgz

Of every character the `medians` are taken: its strokes in writing order, each a list of points in a box of 1024 units,
y upwards. Each stroke is simplified (Douglas & Peucker 1973): points within TOLERANCE of the line that is left go.
Characters with more than LONGEST points left, and repetitions of earlier ones, are dropped.
"""
import hashlib, io, json, sys, tarfile
from pathlib import Path
import numpy as np

SOURCE = '72baf3d82b114e60d6e40ea05f24d2262a05cd39d544e2f322ba2fceb7beff15'    # sha256 of the package
CENTRE = (512,388)      # of the box: where the pen is before it writes
TOLERANCE = 20          # units: 2% of the box
LONGEST = 64            # points of a character
# What the licence asks for in each file
NOTICE = ("Derived from hanzi-writer-data 2.0.1, itself derived from Make Me a Hanzi and from fonts (C) 1999 Arphic "
          "Technology Co., Ltd.; under the Arphic Public License, see ARPHICPL.TXT. Changed in November 2026: only "
          "the medians are kept, simplified to a tolerance of 20 units, as offsets and pen bits; characters "
          "of more than 64 points are left out; divided into a train and a test file.")
TEST = 5                # every fifth character, by a fixed permutation, is for tests

def simplified(
    p:np.ndarray, # Points of a stroke, `(n, 2)`
    tolerance:float, # Largest distance from the line that is dropped
) -> np.ndarray: # Some of the points, the ends included
    "Douglas & Peucker (1973)"
    if len(p)<3: return p
    along,rest = (p[-1]-p[0]).astype(float),(p[1:-1]-p[0]).astype(float)
    length2 = along@along
    part = np.clip(rest@along/length2, 0, 1) if length2 else np.zeros(len(rest))
    far = np.linalg.norm(rest-part[:,None]*along, axis=1)
    k = int(far.argmax())+1
    if far[k-1]<=tolerance: return p[[0,-1]]
    return np.concatenate([simplified(p[:k+1], tolerance)[:-1], simplified(p[k:], tolerance)])

def character(
    medians:list # Strokes, each a list of points
) -> tuple: # Offsets `(n, 2)` from point to point; pen bits `(n,)`, 1 where a stroke ends
    "A character as one walk of the pen"
    strokes = [simplified(np.array(s), TOLERANCE) for s in medians]
    points = np.concatenate([np.array([CENTRE]), *strokes])
    pen = np.concatenate([np.arange(len(s))==len(s)-1 for s in strokes])
    return np.diff(points, axis=0).astype(np.int16),pen.astype(np.uint8)

def main(package:Path, here:Path):
    "Read the package, write both files"
    raw = package.read_bytes()
    if (got := hashlib.sha256(raw).hexdigest())!=SOURCE: sys.exit(f'{package}: sha256 {got}, expected {SOURCE}')
    found = {}
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        for member in tar:
            name = Path(member.name)
            if name.suffix=='.json' and len(name.stem)==1: found[name.stem] = json.load(tar.extractfile(member))
    kept,seen,long = {},set(),0
    for name in sorted(found):
        offsets,pen = character(found[name]['medians'])
        key = offsets.tobytes()+pen.tobytes()
        long += len(pen)>LONGEST
        if len(pen)<=LONGEST and key not in seen: kept[ord(name)] = offsets,pen
        seen.add(key)
    print(f'{len(found)} characters; {long} with more than {LONGEST} points and '
          f'{len(found)-long-len(kept)} repetitions dropped')
    codes = np.array(list(kept))
    order = np.random.default_rng(2017).permutation(len(codes))
    for role,idx in (('test',order[::TEST]), ('train',np.delete(order, np.s_[::TEST]))):
        idx = np.sort(idx); chosen = [kept[c] for c in codes[idx]]
        target = here/f'pen-strokes-{role}.npz'
        np.savez_compressed(target, notice=np.array(NOTICE), code=codes[idx].astype(np.int32),
                            points=np.array([len(p) for _,p in chosen], np.uint8),
                            offsets=np.concatenate([o for o,_ in chosen]), pen=np.concatenate([p for _,p in chosen]))
        print(f'{target.name}: {len(idx)} characters, {target.stat().st_size:,} bytes, '
              f'sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}')

if __name__=='__main__':
    if len(sys.argv)!=2: sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(__file__).parent)
