"""The checks of `make test`; run from the repository root.

    python workflow/check.py sync       modules, notebooks, README, weights and the wheel are in step; lines are short
    python workflow/check.py lint       only the last: ruff, lines of at most 120 characters, no warnings among outputs
    python workflow/check.py notebooks  the tests of the library notebooks, slow cells included
    python workflow/check.py readme     write README.md, findings' numbers, reports/index.html, the menus of pages
    python workflow/check.py sums       seal the shipped weights: lists beside them, data/pretrained/README.md

`sync`, `lint` and `notebooks` change nothing and end with 1 if anything is wrong.
"""
import contextlib, hashlib, io, os, posixpath, re, shutil, subprocess, sys, tempfile
from pathlib import Path
import nbformat
from nbconvert import MarkdownExporter

LONGEST = 120 # Characters of a line
WEIGHTS = Path(os.environ.get('DFKD_DATA','data'))/'pretrained'

def run(*cmd, **kw): return subprocess.run([str(c) for c in cmd], check=True, **kw)
def tool(name): return Path(sys.executable).with_name(name)
def hidden(path): return any(part.startswith('.') for part in path.parts)

def contents(folder, pattern):
    "Relative path → text of the files below `folder`, without hidden ones"
    names = ((p.relative_to(folder), p) for p in Path(folder).rglob(pattern))
    return {k.as_posix(): p.read_text(encoding='utf-8') for k,p in names if not hidden(k)}

def different(a, b):
    "Names that two dictionaries do not agree on"
    return sorted(k for k in a.keys()|b.keys() if a.get(k)!=b.get(k))

# README and checksums

def shown(output):
    "Whether an output has a place in a README"
    return output.get('name')!='stderr' and not any(k.startswith('image/') for k in output.get('data',{}))

TOLD = {'nbs/index.ipynb':'opening_text()', 'nbs/findings.ipynb':'findings_text()'} # Notebook → its generated cell

def cell_shown(cell):
    "The Markdown that a cell shows"
    return ''.join(o.get('data',{}).get('text/markdown','') for o in cell.outputs)

def told_cell(nb, call): return next(c for c in nb.cells if c.cell_type=='code' and call in c.source)

def told_texts(front=None):
    "Notebook → what its cell should show, from the results in reports/"
    from dfkd_nb.report.front import opening_text
    from dfkd_nb.report.told import findings_text
    return dict(zip(TOLD, (opening_text(front=front), findings_text())))

def stale_opening():
    "Whether the numbers in sentences, and the figure at the top of the README, are those of the committed results"
    from dfkd_nb.report.front import FRONT_FIGURE, Front, figure_digest, index_digest, index_text, results_digest
    from dfkd_nb.study.pages import INDEX, published_pages, stale_menus
    again,front = 'run `python workflow/check.py readme`',Front()
    for path,text in told_texts(front).items():
        if cell_shown(told_cell(nbformat.read(path, as_version=4), TOLD[path]))!=text:
            yield f'{path}: its numbers are not what the results in reports/ say; {again}'
    if figure_digest(FRONT_FIGURE)!=results_digest():
        yield f'{FRONT_FIGURE} is not drawn from the results in reports/; {again}'
    made = Path(INDEX).read_text(encoding='utf-8') if Path(INDEX).is_file() else ''
    if Path('.git').exists() and index_digest(text=index_text(front=front)) not in made:  # Git knows what is published
        yield f'{INDEX} does not lead to the pages in reports/ as they are; {again}'
    for page in stale_menus():
        if page in published_pages(): yield f'the menu of {page} does not lead to the others; {again}'

def readme_text():
    "nbs/index.ipynb as Markdown: no hidden cells, no directives, no pictures; links relative to the root"
    nb = nbformat.read('nbs/index.ipynb', as_version=4)
    nb.metadata['language_info'] = {'name':'python'}
    nb.cells = [c for c in nb.cells if not re.search(r'^#\|\s*hide\b', c.source, re.M)]
    for i,c in enumerate(nb.cells):
        if c.cell_type=='code' and re.search(r'^#\|\s*echo:\s*false', c.source, re.M):
            nb.cells[i] = nbformat.v4.new_markdown_cell(cell_shown(c))
    for c in nb.cells:
        if c.cell_type!='code': continue
        c.source = re.sub(r'^#\|.*\n?', '', c.source, flags=re.M).strip()
        c.outputs = [o for o in c.outputs if shown(o)]
    text,_ = MarkdownExporter().from_notebook_node(nb)
    def from_root(m):
        if re.match(r'[a-z]+:|[#/]', m[2]): return m[0]
        return f"{m[1]}({posixpath.normpath('nbs/'+m[2])})"
    return re.sub(r'(\])\(([^)\s]+)\)', from_root, text).strip()+'\n'

def readme():
    from dfkd_nb.report.front import (FRONT_FIGURE, figure_digest, index_digest, results_digest, save_front_figure,
                                      save_index)
    from dfkd_nb.study.pages import INDEX, link_pages
    if figure_digest(FRONT_FIGURE)!=results_digest(): save_front_figure()
    for path,text in told_texts().items():
        nb = nbformat.read(path, as_version=4)
        cell = told_cell(nb, TOLD[path])
        if cell_shown(cell)==text: continue
        data = {'text/markdown':text, 'text/plain':'<IPython.core.display.Markdown object>'}
        cell.outputs = [nbformat.v4.new_output('execute_result', data)]
        nbformat.write(nb, path)
    Path('README.md').write_text(readme_text(), encoding='utf-8')
    if not Path(INDEX).is_file() or index_digest() not in Path(INDEX).read_text(encoding='utf-8'): save_index()
    link_pages()

SUMS = """# Shipped weights

Made from `data/fashion-mnist`, `helmholtz` from `data/old-faithful`, `vrnn` from `data/pen-strokes`; the model
cards beside the weights tell how, and `make pretrain` makes comparable ones. The teachers (`E03`, `E07`) have seen
only `private_train`, the generator (`E01`, `E02`) only `public_train`; the cheap decoders (`E11`) saw no data, only
the generator.

| file | bytes | sha256 |
|---|---|---|
"""

def sums_text():
    "One row for every file of the shipped weights"
    files = (p for p in sorted(WEIGHTS.rglob('*')) if p.suffix in ('.safetensors','.json','.onnx') and not hidden(p))
    def row(p):
        digest = hashlib.sha256(p.read_bytes()).hexdigest()
        return f"| {p.relative_to(WEIGHTS).as_posix()} | {p.stat().st_size:,} | `{digest}` |\n"
    return SUMS+''.join(map(row, files))

def sums():
    from dfkd_nb.integrity import seal_tree
    for folder in WEIGHTS.iterdir():
        if folder.is_dir() and not hidden(folder.relative_to(WEIGHTS)): seal_tree(folder)
    (WEIGHTS/'README.md').write_text(sums_text(), encoding='utf-8')

# What `sync` looks at; each returns what is wrong, one line each

def out_of_step():
    "Export and clean a copy of the project, and compare; README and weights against what they are made from"
    with tempfile.TemporaryDirectory() as d:
        for p in ('settings.ini','pyproject.toml'): shutil.copy(p, d)
        for p in ('nbs','dfkd_nb'): shutil.copytree(p, f'{d}/{p}', ignore=shutil.ignore_patterns('.*', '__pycache__'))
        for cmd in ('nbdev_export','nbdev_clean'): run(tool(cmd), cwd=d)
        modules = different(contents('dfkd_nb','*.py'), contents(f'{d}/dfkd_nb','*.py'))
        unclean = different(contents('nbs','*.ipynb'), contents(f'{d}/nbs','*.ipynb'))
    bad = [f'dfkd_nb/{k} is not what its notebook exports' for k in modules]+[f'nbs/{k} is not clean' for k in unclean]
    made = {Path('README.md'):(readme_text, 'is not what nbs/index.ipynb says'),
            WEIGHTS/'README.md':(sums_text, 'does not list the weights beside it: restore them, or run '
                                            '`python workflow/check.py sums` if they are meant to change')}
    for path,(text,why) in made.items():
        if not path.is_file() or path.read_text(encoding='utf-8')!=text(): bad.append(f'{path} {why}')
    if bad: bad.append('Edit the notebook, never what is made from it; `make prepare` brings them in step.')
    return bad

def unsealed():
    "Lists of checksums against the files beside them: of all shipped weights, and of results that have a list"
    from dfkd_nb.integrity import READ, SUMS, verifier, verify_files
    weights = {p.parent for p in WEIGHTS.rglob('*') if p.suffix in READ and not hidden(p.relative_to(WEIGHTS))}
    for folder in sorted(weights):
        if not (folder/SUMS).is_file(): yield f'{folder} has no {SUMS}: run `python workflow/check.py sums`'; continue
        try: verify_files(folder, 'restore it, or run `python workflow/check.py sums` if it is meant to change')
        except (ValueError,OSError) as e: yield str(e)
    for sums in sorted(Path('reports').rglob(SUMS)):
        try: list(map(verifier(sums.parent), [*sums.parent.glob('*.parquet'), *sums.parent.glob('*.json')]))
        except (ValueError,OSError) as e: yield str(e)

def missing_in_wheel():
    "What a wheel holds against what there is: a room that packaging forgets is missed only by those who install"
    with tempfile.TemporaryDirectory() as d:
        for p in ('settings.ini','setup.py','pyproject.toml','README.md','MANIFEST.in','LICENSE'): shutil.copy(p, d)
        shutil.copytree('dfkd_nb', f'{d}/dfkd_nb', ignore=shutil.ignore_patterns('__pycache__'))
        run(sys.executable, 'setup.py', '-q', 'build_py', '--build-lib', 'wheel', cwd=d, stderr=subprocess.DEVNULL)
        lost = different(contents('dfkd_nb','*.py'), contents(f'{d}/wheel/dfkd_nb','*.py'))
    return [f'dfkd_nb/{k} is not in a wheel: setup.py forgets it' for k in lost]

def plain_files():
    "Files that ruff does not read"
    found = [Path('Makefile'), Path('environment.yml'), Path('.ci/run'), Path('workflow/Snakefile')]
    for pattern in ('*.smk','*.yaml','*.yml','*.json'): found += Path('workflow').rglob(pattern)
    return sorted([*found, *Path('examples').rglob('*.html')])

def long_lines():
    "Lines of more than 120 characters in rules, configurations and the text of notebooks"
    bad = []
    def look(text, where):
        for k,line in enumerate(text.split('\n'), 1):
            if len(line)>LONGEST: bad.append(f'{where}:{k}: {len(line)} characters, expected at most {LONGEST}')
    for p in plain_files(): look(p.read_text(encoding='utf-8'), p)
    for p in sorted(Path('nbs').rglob('*.ipynb')):
        if hidden(p): continue
        for k,c in enumerate(nbformat.read(p, as_version=4).cells, 1):
            if c.cell_type=='markdown': look(c.source, f'{p}:cell {k}')
    return bad

def noise():
    "Saved outputs that teach nothing: warnings, and widgets, which show only while their kernel runs"
    for p in sorted(Path('nbs').rglob('*.ipynb')):
        if hidden(p): continue
        for k,c in enumerate(nbformat.read(p, as_version=4).cells, 1):
            made = c.get('outputs', [])
            kinds = {o.get('name') for o in made}.union(*(o.get('data', {}) for o in made))
            if kinds&{'stderr','application/vnd.jupyter.widget-view+json'}:
                yield f'{p}:cell {k}: its outputs hold warnings or progress bars; clear them'

def ruff():
    "What ruff finds in notebooks and scripts; its rules stand in pyproject.toml"
    # a notebook's tests import with a star, which hides a name that its module lacks: so modules are looked at too
    scripts = ('nbs', 'workflow', 'benchmarks', 'examples', 'setup.py')
    return [*_ruff(*scripts), *_ruff('--select', 'F821', 'dfkd_nb')]

def _ruff(*args):
    out = subprocess.run([tool('ruff'), 'check', '--no-cache', '--output-format', 'concise', *args],
                         capture_output=True, text=True)
    if out.returncode not in (0,1): return [f'ruff stopped: {out.stderr.strip()}']
    return [line for line in out.stdout.splitlines() if re.match(r'.+:\d+:\d+: ', line)]

def tell(*looks):
    "Run the looks, print what is wrong, and end"
    bad = [line for look in looks for line in look()]
    if bad: sys.exit('\n'.join(bad))

def lint():
    tell(ruff, long_lines, noise)
    print(f'no line above {LONGEST} characters, and nothing for ruff to say')

def sync():
    tell(out_of_step, stale_opening, unsealed, missing_in_wheel, ruff, long_lines, noise)
    print('modules, notebooks, README, checksums and wheel are in step; lines are short')

# Tests

def test_files():
    "The notebooks with tests: all but experiments and reports, which papermill runs"
    files = (p for p in sorted(Path('nbs').rglob('*.ipynb')) if not hidden(p) and not p.name.startswith('_'))
    return [p for p in files if not {'experiments','reports'}&set(p.parts)]

def tested(path, **how):
    "Whether the tests of a notebook passed, the seconds they took, and what was printed"
    import matplotlib
    from hypothesis import settings
    from nbdev.test import test_nb
    settings.load_profile('ci')                           # the same examples in every run
    matplotlib.rcdefaults()                               # a style is set by the notebook that needs it
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said): passed,seconds = test_nb(path, **how)
    print(f'{seconds:6.0f} s  {path.name}{"" if passed else ": failed"}', flush=True)
    return passed,seconds,said.getvalue()

def notebooks():
    "Run the tests of every library notebook; ends with what failed ones said, and the number that passed and failed"
    from check import tested                              # by this name: a test may put another module at __main__
    from fastcore.parallel import parallel
    from nbdev.config import get_config
    files,skip = test_files(),get_config().tst_flags.split()
    done = parallel(tested, [p.absolute() for p in files], skip_flags=skip, force_flags=['slow'],
                    basepath=get_config().config_path, n_workers=2)
    for p,(_,seconds,_) in sorted(zip(files, done), key=lambda o: -o[1][1]): print(f'{seconds:6.0f} s  {p}')
    failed = [p for p,(passed,*_) in zip(files, done) if not passed]
    for p,(passed,_,said) in zip(files, done):
        short = said if len(said)<4500 else f'{said[:1500]} […] {said[-3000:]}'
        if not passed: print(f'failed: {p}', short, sep='\n', flush=True)
    for p in failed: print(f'failed: {p}', flush=True)
    print(f'{len(files)-len(failed)} passed, {len(failed)} failed', flush=True)
    sys.exit(bool(failed))

if __name__=='__main__':
    todo = {f.__name__:f for f in (sync, lint, notebooks, readme, sums)}
    if len(sys.argv)!=2 or sys.argv[1] not in todo: sys.exit(__doc__)
    todo[sys.argv[1]]()
