"""The long commands at their smallest size: the cells of experiments, run in this process as papermill runs them"""
from functools import cache
import nbformat, pandas as pd, torch
from dfkd_nb.diffusion.pipeline import PARTS, save_pipeline
from dfkd_nb.models.registry import build, save_model
from dfkd_nb.study.runs import check_params
from dfkd_nb.study.settings import EXPERIMENTS
from . import ROOT
from .artefacts import pipeline

RECIPE = dict(n=4, group=2, steps=3, rho=.5, weights=dict(batch_norm=1., typicality=1.), keep=0)
SEARCHED = {k:v for k,v in RECIPE.items() if k not in ('rho','weights')}
SIZES = {
    'E04_synthesise':dict(recipe=RECIPE, n_prior=8, extractor='pixels'),
    'E05_distil':dict(n=8, steps=6, batch=4, passes=8),
    'E06_evaluate':dict(n=8, n_reference=8, n_test=16, extractor='pixels', what=['generation','inference'],
                        judged_on='teacher_samples'),
    'E14_search':dict(recipe=SEARCHED, n_prior=8, extractor='pixels', terms=['batch_norm','typicality'], trials=2),
} # Command → parameters that make it short
FOLDERS = {'E06_evaluate':('out','work')} # Command → parameters that name its folders, where these are not the usual

def world(
    folder # Where
) -> dict: # Parameters that name them
    "A small teacher and a small generator, untrained, for all commands"
    torch.manual_seed(0)
    save_model(build('LVAE', width=4, z_channels=4, blocks=1).eval(), folder/'teacher')
    save_pipeline(folder/'generator', **{p:getattr(pipeline(0), p) for p in PARTS})
    return dict(teacher=str(folder/'teacher'), generator=str(folder/'generator'))

@cache
def _cells(name): return nbformat.read(ROOT/EXPERIMENTS/f'{name}.ipynb', as_version=4).cells

def execute(
    name:str, # Experiment
    out, # Folder for all that it writes
    **params # Of its parameters cell
):
    "Run the cells of an experiment here"
    folders = {k:str(out/k) for k in FOLDERS.get(name, ('out','results'))}
    asked = check_params(ROOT/EXPERIMENTS/f'{name}.ipynb', {**SIZES.get(name, {}), **folders, **params})
    space = dict(__name__='__main__', display=lambda *_: None)
    for k,c in enumerate(_cells(name)):
        if c.cell_type!='code': continue
        exec(compile(c.source, f'{name}, cell {k}', 'exec'), space)
        if 'parameters' in c.metadata.get('tags', []): space.update(asked)

TIMES = ('seconds','_ms','peak_bytes') # How the names of metrics end that no two runs share
OWN = ('run.json','SHA256SUMS','search.json') # Files that speak of times, or have checksums of those that do

def _table(path):
    df = pd.read_parquet(path)
    if 'metric' in df: df = df[~df.metric.str.endswith(TIMES)]
    return df.sort_values(list(df.columns), key=lambda c: c.astype(str)).to_csv(index=False)

def results(
    out # Folder of a run
) -> dict: # File → its bytes, or its rows without timings
    "Whatever has to be equal of two runs"
    files = (f for f in sorted(out.rglob('*')) if f.is_file() and f.name not in OWN and f.name[0]!='.')  # nor locks
    return {f.relative_to(out).as_posix():_table(f) if f.suffix=='.parquet' else f.read_bytes() for f in files}

def difference(
    a:dict, # See `results`
    b:dict, # See `results`
) -> str: # Name of a file; empty if there is none
    "What two runs do not agree on"
    return next((k for k in sorted(a.keys()|b.keys()) if a.get(k)!=b.get(k)), '')
