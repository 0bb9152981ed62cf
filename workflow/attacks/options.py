"""Wrong values and misspelt names: of experiments, recipes, configurations, models; refused by name"""
import copy, functools, json, math, string
from functools import partial
import yaml
from dfkd_nb.models.registry import build, load, save_model
from dfkd_nb.options import CHOICES_OF, OF_ITEMS, range_of
from dfkd_nb.study.config import Study, parse_study
from dfkd_nb.study.runs import check_params, declared
from dfkd_nb.study.settings import EXPERIMENTS, RECIPE_TYPES, _inside, words_of
from dfkd_nb.synthesis.recipe import CHOICES, SETTINGS, recipe_from
from . import ROOT, Trial

def misspelt(word, draw, known):
    "One letter is lost, doubled, changed or swapped with the next; no other known word"
    def typed():
        k,letter = draw.randrange(len(word)),draw.choice(string.ascii_lowercase)
        return draw.choice([word[:k]+word[k+1:], word[:k]+word[k]*2+word[k+1:], word[:k]+letter+word[k+1:],
                            word[:k]+word[k+1:k+2]+word[k]+word[k+2:]])
    return next(t for t in (typed() for _ in range(1000)) if t and t!=word and t not in known)

_NONE = (math.nan,math.inf,-math.inf)
FOREIGN = {int:(1.5,'3',None,[1],*_NONE), float:('x',None,[1.],*_NONE), str:(3,None,['a'],.5), bool:(1,'yes',None,0.),
           list:('a',{},3,None), dict:('a',[1],3,None)} # Type → values of none of it

def _outside(within):
    "Numbers just outside a range"
    least,most = within.least,within.most
    if math.isfinite(least): yield least if within.above else least-1
    if math.isfinite(most): yield most if within.below else most+1

def wrong_values(name, t, draw, where=''):
    "Values that no setting of that name and type may have"
    values = list(FOREIGN.get(t, ()))
    within = range_of(name, where) if t in (int,float) else None
    if within is not None: values += [t(v) for v in _outside(within)]
    choices = {**CHOICES_OF,**CHOICES}.get(name, ()) if t is str else ()
    values += [misspelt(c, draw, choices) for c in choices if c]
    if t is list and name in OF_ITEMS: values += [[v] for v in _outside(OF_ITEMS[name][0])]+[['x'],[None],[math.nan]]
    return values

def _notebooks(draw):
    "Every parameter of every experiment"
    for nb in sorted((ROOT/EXPERIMENTS).glob('E*.ipynb')):
        known = declared(nb)
        for name,p in known.items():
            typo = misspelt(name, draw, known)
            yield Trial(f'{nb.stem}: {name}', f'called {typo}', partial(check_params, nb, {typo:p.default}),
                        (repr(typo),))
            for v in wrong_values(name, p.type, draw, nb.stem):
                yield Trial(f'{nb.stem}: {name}', f'= {v!r}', partial(check_params, nb, {name:v}),
                            (f'{name}=',f'{name} of'))

def _plain(t): return getattr(t, '__origin__', t) if isinstance(getattr(t, '__origin__', t), type) else str

def _recipes(draw):
    "Every setting of a recipe"
    for name in SETTINGS:
        typo = misspelt(name, draw, SETTINGS)
        yield Trial(f'recipe: {name}', f'called {typo}', partial(recipe_from, {typo:1}), (repr(typo),))
        for v in wrong_values(name, _plain(RECIPE_TYPES[name]), draw):
            yield Trial(f'recipe: {name}', f'= {v!r}', partial(recipe_from, {name:v}), (name,))

def _leaves(value, t, path=()):
    "Keys of a configuration that are words of its type: path, the words, what stands there"
    if isinstance(value, list):
        for k,v in enumerate(value): yield from _leaves(v, _inside(t, k), (*path,k))
    if not isinstance(value, dict) or t is None: return
    words = words_of(t)
    for k,v in value.items():
        inner = words[k] if k in words else _inside(t, k)
        if k in words: yield (*path,k),words,v
        if inner is not None: yield from _leaves(v, inner, (*path,k))

def _changed(data, path, change):
    "A copy of a configuration, changed in one place: `change(mapping, key)`"
    out = copy.deepcopy(data)
    at = functools.reduce(lambda o,k: o[k], path[:-1], out)
    change(at, path[-1])
    return out

def _other_kind(v):
    "A value of another kind"
    for t in (bool,int,float,str,list,dict):
        if isinstance(v, t): return FOREIGN[t]
    return ()

def _configurations(draw):
    "Every word of the shipped configurations"
    for path in sorted((ROOT/'workflow'/'config').glob('*.yaml')):
        data = yaml.safe_load(path.read_text())
        for at,words,v in _leaves(data, Study):
            typo,where = misspelt(at[-1], draw, words),f"{path.stem}: {'.'.join(map(str, at))}"
            def rename(o, k): o[typo] = o.pop(k)
            renamed = _changed(data, at, rename)
            yield Trial(where, f'called {typo}', partial(parse_study, renamed), (typo,))
            if (bad := _other_kind(v)) and v is not None:
                value = draw.choice([b for b in bad if b is not None])
                def put(o, k): o[k] = value
                changed = _changed(data, at, put)
                yield Trial(where, f'= {value!r}', partial(parse_study, changed), (str(at[-1]),))

def _models(draw, folder):
    "Every key of the configurations of models"
    for kind,config in dict(LVAE=dict(width=4), Classifier=dict(arch='resnet-8-4')).items():
        save_model(build(kind, **config).eval(), folder/kind)
        path = folder/kind/'config.json'
        (folder/kind/'SHA256SUMS').unlink()                                           # it was edited on purpose
        whole = json.loads(path.read_text())
        for name,v in whole.items():
            typo = misspelt(name, draw, whole)
            def ask(given):
                path.write_text(json.dumps(given))
                return load(folder/kind)
            yield Trial(f'{kind}/config.json: {name}', f'called {typo}',
                        lambda: ask({k:w for k,w in whole.items() if k!=name}|{typo:v}), ('config.json',))
            if isinstance(v, str): continue
            for bad in ('x',-1,[],{}):
                yield Trial(f'{kind}/config.json: {name}', f'= {bad!r}', lambda: ask(whole|{name:bad}),
                            ('config.json',name))

def _some(trials, n, draw):
    "So many of them"
    trials = list(trials)
    return trials if n is None or n>=len(trials) else draw.sample(trials, n)

def trials(full, draw, folder):
    "Some of all of these, or all"
    n = None if full else 60
    for made in (_notebooks(draw), _recipes(draw), _configurations(draw)): yield from _some(made, n, draw)
    yield from _models(draw, folder)
