"""The checks of `make test`; run from the repository root.

    python workflow/check.py sync       modules, notebooks and README are in step (nothing is changed)
    python workflow/check.py notebooks  nbdev_test over the library notebooks, slow cells included
    python workflow/check.py readme     write README.md from nbs/index.ipynb
    python workflow/check.py sums       write data/pretrained/README.md: sizes and checksums of the shipped weights
"""
import hashlib, os, posixpath, re, shutil, subprocess, sys, tempfile
from pathlib import Path
import nbformat
from nbconvert import MarkdownExporter

def run(*cmd, **kw): return subprocess.run([str(c) for c in cmd], check=True, **kw)

def contents(folder, pattern):
    "Relative path → text of the files below `folder`, without hidden ones"
    names = ((p.relative_to(folder), p) for p in Path(folder).rglob(pattern))
    return {k.as_posix(): p.read_text(encoding='utf-8') for k,p in names if not any(o.startswith('.') for o in k.parts)}

def different(a, b):
    "Names that two dictionaries do not agree on"
    return sorted(k for k in a.keys()|b.keys() if a.get(k)!=b.get(k))

def readme_text():
    "nbs/index.ipynb as Markdown: no hidden cells, no directives, no pictures; links relative to the root"
    nb = nbformat.read('nbs/index.ipynb', as_version=4)
    nb.metadata['language_info'] = {'name':'python'}
    nb.cells = [c for c in nb.cells if not re.search(r'^#\|\s*hide\b', c.source, re.M)]
    for c in nb.cells:
        if c.cell_type!='code': continue
        c.source = re.sub(r'^#\|.*\n?', '', c.source, flags=re.M).strip()
        c.outputs = [o for o in c.outputs if o.get('name')!='stderr' and not any(k.startswith('image/') for k in o.get('data',{}))]
    text,_ = MarkdownExporter().from_notebook_node(nb)
    def from_root(m): return m[0] if re.match(r'[a-z]+:|[#/]', m[2]) else f"{m[1]}({posixpath.normpath('nbs/'+m[2])})"
    return re.sub(r'(\])\(([^)\s]+)\)', from_root, text).strip()+'\n'

def readme(): Path('README.md').write_text(readme_text(), encoding='utf-8')

WEIGHTS = Path(os.environ.get('DFKD_DATA','data'))/'pretrained'
def sums_text():
    files = sorted(p for p in WEIGHTS.rglob('*') if p.suffix in ('.safetensors','.json') and not any(o.startswith('.') for o in p.parts))
    row = lambda p: f"| {p.relative_to(WEIGHTS).as_posix()} | {p.stat().st_size:,} | `{hashlib.sha256(p.read_bytes()).hexdigest()}` |"
    return """# Shipped weights

Made from `data/fashion-mnist` alone; the model cards beside the weights tell how, and `make pretrain` makes comparable ones. The teachers (`E03`, `E07`) have seen only
`private_train`, the generator (`E01`, `E02`) only `public_train`; the cheap decoders (`E11`) saw no data, only the generator.

| file | bytes | sha256 |
|---|---|---|
"""+'\n'.join(map(row, files))+'\n'

def sums(): (WEIGHTS/'README.md').write_text(sums_text(), encoding='utf-8')

def sync():
    "Export and clean a copy of the project, and compare; the weights against their checksums"
    with tempfile.TemporaryDirectory() as d:
        for p in ['settings.ini', 'pyproject.toml']: shutil.copy(p, d)
        for p in ['nbs', 'dfkd_nb']: shutil.copytree(p, f'{d}/{p}', ignore=shutil.ignore_patterns('.*', '__pycache__'))
        for cmd in ['nbdev_export', 'nbdev_clean']: run(Path(sys.executable).with_name(cmd), cwd=d)
        bad  = [f'dfkd_nb/{k} is not what its notebook exports' for k in different(contents('dfkd_nb','*.py'), contents(f'{d}/dfkd_nb','*.py'))]
        bad += [f'nbs/{k} is not clean' for k in different(contents('nbs','*.ipynb'), contents(f'{d}/nbs','*.ipynb'))]
    if not Path('README.md').is_file() or Path('README.md').read_text(encoding='utf-8')!=readme_text():
        bad.append('README.md is not what nbs/index.ipynb says')
    if not (WEIGHTS/'README.md').is_file() or (WEIGHTS/'README.md').read_text(encoding='utf-8')!=sums_text():
        bad.append(f'{WEIGHTS}/README.md does not list the weights beside it: restore them, or run `python workflow/check.py sums` if they are meant to change')
    if bad: sys.exit('\n'.join(bad)+'\nEdit the notebook, never what is made from it; `make prepare` brings modules, notebooks and README in step.')
    print('modules, notebooks and README are in step')

def notebooks():
    "Run nbdev_test and end with the number of notebooks that passed and failed"
    skip = r'^(experiments|reports|[_.].*)$'
    files = [p for p in Path('nbs').rglob('*.ipynb') if p.name[0] not in '_.' and not {'experiments','reports'}&set(p.parts)]
    cmd = [Path(sys.executable).with_name('nbdev_test'), '--n_workers', 2, '--do_print', '--timing', '--flags', 'slow', '--skip_folder_re', skip]
    with subprocess.Popen([str(c) for c in cmd], stderr=subprocess.PIPE, text=True) as p:
        err = [(sys.stderr.write(line), line)[1] for line in p.stderr]
    failed = [o for o in err if o.startswith('\t') and o.strip() in {f.name for f in files}]
    if p.returncode and not failed: sys.exit(f'nbdev_test stopped with exit code {p.returncode} before it finished')
    print(f'{len(files)-len(failed)} passed, {len(failed)} failed', flush=True)
    sys.exit(p.returncode)

if __name__=='__main__':
    todo = {f.__name__:f for f in (sync, notebooks, readme, sums)}
    if len(sys.argv)!=2 or sys.argv[1] not in todo: sys.exit(__doc__)
    todo[sys.argv[1]]()
