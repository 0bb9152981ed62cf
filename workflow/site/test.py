"""That the checks of the site see what is wrong, and how Markdown of the checkout reads there; run from the root.

    python workflow/site/test.py

Takes seconds and needs no Sphinx; the pages themselves are looked through by `make site`.
"""
import tempfile
from pathlib import Path
import nbformat
from fastcore.test import ExceptionExpected, test_eq
from build import arrows, broken, led_back, missing, module_of, notebooks, rewritten, rooms, staged

def said(**files):
    "What is wrong with a site of these files (`a_html` is `a.html`), without its folder"
    with tempfile.TemporaryDirectory() as d:
        for k,text in files.items(): (Path(d)/k.replace('_', '.')).write_text(text, encoding='utf-8')
        return [o.replace(f'{Path(d).resolve()}/', '').replace(f'{d}/', '') for o in broken(Path(d))]

def test_broken():
    whole = '<h2 id="here">b</h2><a href="a.html?v=1#%C3%A4">a</a><a href="https://x.org">x</a><a href="#here">c</a>'
    test_eq(said(a_html='<p id="ä">a</p>', b_html=whole,
                 s_css='p{background:url(a.png)}', s_js='// see https://x.org'), [])
    test_eq(said(a_html='<p>a</p>', b_html=whole), ['b.html: no such anchor: a.html?v=1#%C3%A4'])
    test_eq(said(b_html='<img src="gone.png">'), ['b.html: gone.png leads nowhere'])
    test_eq(said(b_html='<script src="https://x.org/a.js"></script>'), ['b.html: fetches https://x.org/a.js'])
    test_eq(len(said(s_css='@import "//x.org/a.css"; p{background:url(http://x.org/b.png)}')), 2)
    test_eq(len(said(s_js='fetch("https://x.org/a.json"); e.src = "//x.org/b.png"')), 2)

def test_missing():
    "An empty site lacks every notebook and page"
    with tempfile.TemporaryDirectory() as d: lacks = '\n'.join(missing(Path(d)))
    for p in ('nbs/quickstart.ipynb has no page', 'dfkd_nb.models.lvae has no page', 'reports/index.html is not'):
        assert p in lacks, p

def test_reports():
    menu = '<nav class="menu" aria-label="Pages">'
    test_eq(led_back(f'{menu}<a href="../../nbs/distil/depth.ipynb">depth</a>', 'reports/x/y.html'),
            f'{menu}<a href="../../index.html">documentation</a><a href="../../nbs/distil/depth.html">depth</a>')

def test_markdown():
    test_eq(rewritten('[i](../index.ipynb#Up)', 'nbs/models/lvae.ipynb'), '[i](../../index.md#up)')
    test_eq(rewritten('[r](../reports/index.html)', 'nbs/findings.ipynb'), '<a href="../reports/index.html">r</a>')
    test_eq(rewritten('[m](models/lvae.ipynb), `reports/none.html`', 'nbs/findings.ipynb'),
            '[m](models/lvae.ipynb), `reports/none.html`')
    test_eq(arrows('flowchart LR\n A["a"] -- "x" --> B["b"]'), '- **a** → **b**: x\n')
    with ExceptionExpected(SystemExit, regex='cannot read'): arrows('flowchart LR\n A ==> B')

def test_notebooks():
    "Rooms hold notebooks that exist; nothing hidden is shown, and what is folded in JupyterLab is folded"
    listed = {f'nbs/{k}.ipynb' for books in rooms().values() for k in books}
    assert len(listed)>50 and listed<={p.as_posix() for p in notebooks()}
    nb = staged(Path('nbs/models/lvae.ipynb'))
    nbformat.validate(nb)
    assert not [c for c in nb.cells if '#|' in c.source]
    assert '../../api/models.lvae.rst' in nb.cells[1].source
    folded = [c for c in staged(Path('nbs/quickstart.ipynb')).cells if 'hide-input' in c.metadata.get('tags', [])]
    assert folded and all(c.cell_type=='code' for c in folded)
    test_eq(module_of(nbformat.read('nbs/quickstart.ipynb', as_version=4)), '')

if __name__=='__main__':
    tests = [f for k,f in list(globals().items()) if k.startswith('test_') and f.__module__=='__main__']
    for f in tests: f()
    print(f'{len(tests)} tests of the site hold')
