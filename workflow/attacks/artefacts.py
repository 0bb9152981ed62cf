"""Every kind of artefact that the library keeps: made by its own functions, read as users read it"""
import dataclasses, functools, shutil
from pathlib import Path
from typing import NamedTuple
import pandas as pd, torch
from dfkd_nb.core import state_hash
from dfkd_nb.cache import cached
from dfkd_nb.data.images import FASHION_CLASSES, ImageSet
from dfkd_nb.data.synthetic import load_groups, load_synthetic, read_metadata, recipe_hash, save_png, save_synthetic
from dfkd_nb.data.synthetic import write_group
from dfkd_nb.diffusion.generator import tiny_pipeline
from dfkd_nb.diffusion.pipeline import PARTS, load_pipeline, save_pipeline
from dfkd_nb.distil.activation_records import load_record, save_record
from dfkd_nb.evaluate.features import extract
from dfkd_nb.export.to_onnx import open_parts
from dfkd_nb.files import data_dir, write_json
from dfkd_nb.models.registry import build, load, save_model
from dfkd_nb.stats import NOTHING
from dfkd_nb.study.results import load_results, read_table, save_results, save_table
from dfkd_nb.study.search import load_choice, search
from dfkd_nb.training.loop import Objective, fit

class Artefact(NamedTuple):
    "A kind of artefact"
    make:object # Function of a folder and a seed: writes it there, in place of what was there
    read:object # Function of the folder and the seed → what a user gets
    written:bool=True # Whether `make` is how the library writes it, and not a copy
    names:tuple=() # Words by which a refusal may name it beside its files

def _drawn(seed): return torch.Generator().manual_seed(seed)

@functools.cache
def _network(kind, seed, **config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(kind, **config).eval()

def _save_weights(folder, seed): save_model(_network('LVAE', seed, width=4), folder/'model')
def _save_classifier(folder, seed): save_model(_network('Classifier', seed, arch='resnet-8-4'), folder/'model')

class _Stop(Exception): "A run that is interrupted"

def _training(folder, seed=0, last=2.):
    net = torch.nn.Linear(4, 2)
    with torch.no_grad(): net.weight.copy_(torch.randn(2, 4, generator=_drawn(seed))); net.bias.zero_()
    def loss(g, progress, net):
        if progress>=last: raise _Stop
        return (net(torch.randn(8, 4, generator=g))-1).square().mean()
    log = fit(Objective(loss, net=net), 8, save_every=1, checkpoint=folder/'state.pt', about=dict(start=seed))
    return net,log

def _save_checkpoint(folder, seed):
    (folder/'state.pt').unlink(missing_ok=True)
    try: _training(folder, seed, .5)
    except _Stop: pass

def _rows(seed):
    who = dict(experiment='attack', dataset='none', model='m', method='m', source='', arm='', seed=seed, split='', n=1,
               protocol='none', **NOTHING)
    return [dict(who, metric=k, value=float(v)) for k,v in zip('abc', torch.rand(3, generator=_drawn(seed)).tolist())]

def _save_results(folder, seed):
    chosen = dict(weights={'typicality':1.+seed}, rho=.5, prior='')
    save_results(_rows(seed), folder, dict(params=dict(seed=seed), chosen=chosen))

def _save_table(folder, seed):
    df = pd.DataFrame(dict(value=torch.rand(9, generator=_drawn(seed)).numpy(), name=list('abcdefghi')))
    save_table(df, folder/'t.parquet')

def _kept_value(folder, seed=0):
    return cached(folder/'value.json', seed, lambda: dict(x=torch.rand(5, generator=_drawn(seed)).tolist()))

def _images(seed, n=6):
    x = torch.randint(256, (n,3,8,8), generator=_drawn(seed), dtype=torch.uint8)
    return ImageSet(x, torch.arange(n)%2, ('a','b'), 'set')

def _features(folder, seed=0): return extract(_images(seed).images, 'pixels', cache=folder)

def _save_set(folder, seed): save_synthetic(_images(seed), folder, seed=seed)

def _read_set(folder):
    made = load_synthetic(folder)
    return made.images,made.labels,made.classes,read_metadata(folder)

def _save_group(folder, seed):
    "Two groups of a set that is not finished"
    made,images = dict(classes=['a','b'], seed=seed),_images(seed)
    write_json(folder/'recipe.json', made)
    for g in range(2):
        rows = [dict(file_name=f'{i:06d}.png', index=i, label=i%2) for i in range(3*g, 3*g+3)]
        for r in rows: save_png(images.images[r['index']], folder/'images'/r['file_name'])
        write_group(folder/'groups'/f'{g:05d}.json', rows, recipe_hash(made))

@functools.cache
def pipeline(
    seed:int # Of its weights
): # `StableDiffusionPipeline`
    "A small pipeline; all have one tokenizer"
    made = tiny_pipeline(FASHION_CLASSES, seed=seed)
    if seed: made.tokenizer = pipeline(0).tokenizer
    return made

def _save_pipeline(folder, seed): save_pipeline(folder/'pipe', **{p:getattr(pipeline(seed), p) for p in PARTS})

def read_pipeline(
    folder:Path # Pipeline folder
) -> tuple: # All that images depend on
    "Networks, tokens and schedule of a pipeline"
    pipe = load_pipeline(folder)
    tokens = pipe.tokenizer(['a white bag on a red background','']).input_ids
    sizes = [pipe.vae.config.scaling_factor, pipe.unet.config.sample_size]
    said = {k:v for k,v in pipe.scheduler.config.items() if k[0]!='_'}
    return pipe.unet,pipe.vae,pipe.text_encoder,tokens,sizes,said

def _save_record(folder, seed):
    record = load_record(data_dir()/'pretrained'/'classifier'/'record.safetensors')
    small = {k:v+seed for k,v in record.stats.items() if v.numel()<2000}
    made = dataclasses.replace(record, stats=small, network=state_hash(_recorded(seed)))
    save_record(made, folder/'record.safetensors')

def _read_record(folder, seed): return load_record(folder/'record.safetensors').check(_recorded(seed))

@functools.cache
def _recorded(seed):
    "The network of a record"
    net = load(data_dir()/'pretrained'/'classifier')
    with torch.no_grad(): next(net.parameters()).add_(seed)
    return net

def _copy_export(folder, seed):
    shutil.copytree(data_dir()/'pretrained'/'student'/('onnx-int8' if seed else 'onnx'), folder/'export')

def _run_export(folder):
    about,sessions = open_parts(folder/'export')
    return about,_drawn_by(sessions)

def _drawn_by(sessions):
    given = {v.name:torch.randn(1, *v.shape[1:], generator=_drawn(0)).numpy() for v in sessions['sampler'].get_inputs()}
    return sessions['sampler'].run(None, given)

def _search(folder, seed=0, trials=4):
    def evaluate(k, params): return dict(loss=(params['x']-.3)**2+seed)
    return search(evaluate, dict(x=('uniform',0.,1.)), trials, folder, 'loss', about=dict(data=seed), replace=True)

def _model(folder, seed): return load(folder/'model')

ARTEFACTS = {
    'weights':Artefact(_save_weights, _model),
    'classifier':Artefact(_save_classifier, _model),
    'activation record':Artefact(_save_record, _read_record, names=('the record is of',)),
    'checkpoint':Artefact(_save_checkpoint, _training),
    'results and their record':Artefact(_save_results, lambda f,_: (load_results(f), load_choice(f))),
    'table':Artefact(_save_table, lambda f,_: read_table(f/'t.parquet')),
    'cached value':Artefact(_kept_value, _kept_value),
    'feature cache':Artefact(_features, _features),
    'set of images':Artefact(_save_set, lambda f,_: _read_set(f)),
    'committed groups':Artefact(_save_group, lambda f,_: load_groups(f, 2)),
    'search':Artefact(lambda f,seed: _search(f, seed, 3), _search),
    'pipeline':Artefact(_save_pipeline, lambda f,_: read_pipeline(f/'pipe')),
    'ONNX export':Artefact(_copy_export, lambda f,_: _run_export(f), written=False),
} # Name → how it is made and read
