"""Price of eleven metrics with jackknife intervals: shared computations against the textbook ones.

    python benchmarks/metrics.py            one replicate of each naive metric is timed and multiplied
    python benchmarks/metrics.py --full     all of them are computed and compared: about half an hour

Both sides get the same features, two seeded Gaussian sets with a decaying spectrum, and the same groups, and give every
metric on all images and without each group. `ours` is `evaluate.metrics.leave_groups_out`, one call, as
`evaluate.intervals.suite` makes it; the seconds beside a single metric are of a call for that metric alone, so they add
up to more than the total. `naive` computes each metric from the features each time: covariances and
`scipy.linalg.sqrtm` of their product, POT's network simplex, kernels and distance matrices in NumPy. The eleven metrics
are eight columns of work on both sides: root-FID comes with FD, recall with precision, density with coverage.

Seconds are processor time of one thread, so neighbours on the machine count little. Without --full, a naive metric is
computed twice, on all images and without group 0; the second is what one replicate costs, and the printed time is the
first plus `groups` times the second. The disagreement is then over these two values, with --full over all.
"""
import os
# before NumPy is loaded; the same for both sides
for k in ('OMP_NUM_THREADS','OPENBLAS_NUM_THREADS','MKL_NUM_THREADS'): os.environ[k] = '1'
import argparse, time
import numpy as np, ot, scipy.linalg, torch
from dfkd_nb.evaluate.metrics import leave_groups_out
from dfkd_nb.evaluate.intervals import random_groups

def features(n, d, seed):
    "Two sets `(n, d)`: standard deviations (1+i)^-½; the second is shifted by a tenth of them and a twentieth wider"
    g = np.random.default_rng(seed); scale = (1+np.arange(d))**-.5
    return g.normal(size=(n,d))*scale, g.normal(.1,1.05,(n,d))*scale

def dist2(x, y): return np.maximum((x**2).sum(1)[:,None]+(y**2).sum(1)-2*x@y.T, 0)
def off(d2): d2 = d2.copy(); np.fill_diagonal(d2, np.inf); return d2
def radii(x, k): return np.sort(off(dist2(x,x)), axis=1)[:,k-1]

def fd(x, y):
    ca,cb = np.cov(x,rowvar=False),np.cov(y,rowvar=False)
    v = ((x.mean(0)-y.mean(0))**2).sum()+np.trace(ca)+np.trace(cb)-2*np.trace(scipy.linalg.sqrtm(ca@cb)).real
    return dict(fd=v, root_fid=np.sqrt(max(v,0)))
def kid(x, y):
    k = lambda a,b: (a@b.T/a.shape[1]+1)**3
    mean = lambda k: (k.sum()-np.trace(k))/(len(k)*(len(k)-1))
    return dict(kid=mean(k(x,x))+mean(k(y,y))-2*k(x,y).mean())
def emd(x, y):
    x = x[:len(y)]
    return dict(emd=ot.emd2([], [], np.sqrt(dist2(x,y)), numItermax=10_000_000))
def mmd(x, y):
    s = dist2(x,x).mean(); k = lambda a,b: np.exp(-dist2(a,b)/(2*s)).mean()
    return dict(mmd=np.sqrt(k(x,x)+k(y,y)-2*k(x,y)))
def one_nn(x, y):
    z,real = np.concatenate([x,y]),np.arange(len(x)+len(y))<len(x)
    return dict(one_nn=(real[off(dist2(z,z)).argmin(1)]==real).mean())
def precision_recall(x, y):
    d2 = dist2(x,y)
    return dict(precision=(d2<=radii(x,3)[:,None]).any(0).mean(), recall=(d2<=radii(y,3)).any(1).mean())
def density_coverage(x, y):
    inside = dist2(x,y)<=radii(x,5)[:,None]
    return dict(density=inside.sum(0).mean()/5, coverage=inside.any(1).mean())
def mind(x, y):
    # the directions only, as they are part of the definition
    from dfkd_nb.evaluate.metrics import project
    u = project(np.eye(x.shape[1]), 1000, 0)
    px,py = np.sort(u@x.T), np.sort(u@y.T)
    if len(x)==len(y): return dict(mind=3*x.shape[1]*((px-py)**2).mean())
    return dict(mind=3*x.shape[1]*np.mean([ot.wasserstein_1d(a, b, p=2) for a,b in zip(px,py)]))
NAIVE = [fd,kid,emd,mmd,one_nn,precision_recall,density_coverage,mind]
NAMES = {fd:('fd','root_fid'), precision_recall:('precision','recall'), density_coverage:('density','coverage')}

def timed(f, *args):
    t = time.process_time(); out = f(*args)
    return out,time.process_time()-t

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--n', type=int, default=1024, help='images per set')
    p.add_argument('--d', type=int, default=2048, help='features')
    p.add_argument('--groups', type=int, default=20, help='groups of the jackknife')
    p.add_argument('--seed', type=int, default=0, help='seed of features and groups')
    p.add_argument('--full', action='store_true', help='run every naive replicate instead of multiplying one')
    o = p.parse_args()
    torch.set_num_threads(1)
    x,y = features(o.n, o.d, o.seed); group = random_groups(o.n, o.groups, o.seed)
    kept = [y[group!=g] for g in range(-1,o.groups)]
    leave_groups_out(x[:50], y[:50], np.arange(50)%5)                  # warm-up
    ours,total = timed(leave_groups_out, x, y, group)
    how = 'all computed' if o.full else 'multiplied from one'
    print(f'n = {o.n}, d = {o.d}, {o.groups} groups; processor seconds, one thread; naive replicates {how}')
    print(f"{'metric':24}{'ours':>8}{'naive':>10}{'ratio':>8}  largest relative disagreement")
    all_naive,worst = 0,0
    for f in NAIVE:
        names = NAMES.get(f,(f.__name__,))
        _,mine = timed(leave_groups_out, x, y, group, names)
        runs = [timed(f, x, k) for k in (kept if o.full else kept[:2])]
        seconds = sum(t for _,t in runs) if o.full else runs[0][1]+o.groups*runs[1][1]
        gap = max(abs(ours[k][i]-r[k])/abs(r[k]) for i,(r,_) in enumerate(runs) for k in names)
        all_naive,worst = all_naive+seconds,max(worst,gap)
        print(f"{', '.join(names):24}{mine:8.2f}{seconds:10.1f}{seconds/mine:8.1f}  {gap:.0e}", flush=True)
    print(f"{'all, in one call':24}{total:8.2f}{all_naive:10.1f}{all_naive/total:8.1f}  {worst:.0e}")

if __name__=='__main__': main()
