"""Try the library as a hostile world would, and say how it took that; run from the repository root.

    python workflow/attack.py             a few trials of every class, in `runs/attack`
    python workflow/attack.py full        many, and writes the table of `reports/reliability`
    python workflow/attack.py small damage options --seed 1      some classes, other draws

Damaged artefacts, commands that are killed, full and read-only disks, no network, wrong options, odd pictures and
folders, foreign pipelines. A trial is *refused* (an error that names the file or parameter), *worked* (what comes out
is what has to come out, bit for bit unless it says otherwise), *wrong* (accepted, and the result differs; or what was
there before is lost), *crashed* (any other error, or no answer), or *skipped* (this machine does not allow it). Ends
with 1 if any was wrong or crashed. Equal seeds draw equal trials, but
for moments of kills.
"""
import argparse, importlib, os, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault('MPLBACKEND', 'Agg')
os.environ['OMP_NUM_THREADS'] = '1'                  # a forked child waits forever for threads that only its parent has
import pandas as pd
from attacks import CLASSES, CRASHED, OUTCOMES, WRONG, run_class
from dfkd_nb.files import own
from dfkd_nb.study.results import run_config, save_json, save_table

def counts(df):
    "Outcomes by class"
    table = pd.crosstab(df.attack, df.outcome).reindex(index=[k for k in CLASSES if k in set(df.attack)],
                                                       columns=OUTCOMES, fill_value=0)
    return table.assign(tried=table.sum(axis=1), seconds=df.groupby('attack').seconds.sum().round().astype(int))

def attacked(classes, full, seed, out):
    "All trials of some classes, one row each"
    rows,attacks = [],{name:importlib.import_module(f'attacks.{name}') for name in classes}
    for name,attack in attacks.items():
        started = time.time()
        rows += (found := run_class(name, attack.trials, full, seed, out/f'{name}.log'))
        print(f'{name}: {len(found)} trials, {time.time()-started:.0f} s', flush=True)
    return pd.DataFrame(rows)

def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument('size', nargs='?', default='small', choices=('small','full'))
    ask.add_argument('classes', nargs='*', metavar='CLASS', help=f"some of {', '.join(CLASSES)}; all by default")
    ask.add_argument('--seed', type=int, default=0, help='of everything that is drawn')
    asked = ask.parse_args()
    if bad := sorted(set(asked.classes)-set(CLASSES)): ask.error(f"{bad}: expected some of {', '.join(CLASSES)}")
    os.chdir(ROOT)
    started,full,classes = time.time(),asked.size=='full',asked.classes or list(CLASSES)
    whole = full and not asked.classes                                       # the one that is published
    out = own(ROOT/"runs"/"attack")
    df = attacked(classes, full, asked.seed, out)
    to = ROOT/'reports'/'reliability'/'results' if whole else out
    save_table(df, to/'trials.parquet')
    save_json(run_config(vars(asked), started), to/'run.json', indent=1, sort_keys=True)
    print(counts(df).to_string())
    bad = df[df.outcome.isin([WRONG,CRASHED])]
    for r in bad.itertuples(): print(f'{r.outcome}: {r.attack}, {r.what}, {r.how}: {r.said}')
    if len(bad): sys.exit(f'{len(bad)} of {len(df)} trials were wrong or crashed')

if __name__=='__main__': main()
