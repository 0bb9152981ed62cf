"""The documentation site: every notebook with its outputs, the interface, the reports; run from the repository root.

    python workflow/site/build.py         build runs/site, then look it through
    python workflow/site/build.py check   only the last

Both end with 1 if anything is wrong: a warning of Sphinx, a notebook without a page, a link that leads nowhere,
anything that a page would fetch from elsewhere. With CORES=2 in the environment two processes build it.
"""
import os, re, shutil, sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag
import nbformat
from dfkd_nb.study.loads import external_loads
from dfkd_nb.study.pages import INDEX, published_pages

SITE,WORK = Path('runs/site'),Path('runs/site-work')
STAGE,MADE = WORK/'source',WORK/'html'                             # What Sphinx reads, and writes
CORES = os.environ.get('CORES','1')
PLAIN = ('CONTRIBUTING.md','CHANGELOG.md','workflow/README.md',
         'data/pretrained/student/README.md') # Pages beside notebooks
ROW = re.compile(r'^\| (?:\*\*(\w+)\*\*)? ?\| \[\w+\]\(([\w/]+)\.ipynb\) \| (.+) \|$', re.M) # Of the reading order

# What is read

def source(path): return nbformat.read(path, as_version=4)
def hidden(path): return any(part.startswith('.') for part in path.parts)
def notebooks(): return [p for p in sorted(Path('nbs').rglob('*.ipynb')) if not hidden(p)]
def text_of(nb): return '\n'.join(c.source for c in nb.cells if c.cell_type=='markdown')

def rooms():
    "Room → its notebooks (`models/dgm`) and what each is about, in reading order"
    found,room = {},None
    for name,stem,said in ROW.findall(text_of(source('nbs/index.ipynb'))):
        room = name or room
        found.setdefault(room, {})[stem] = said
    return found

def module_of(nb):
    "`models.dgm`; empty for a notebook that exports nothing"
    said = re.search(r'^#\|\s*default_exp (\S+)', '\n'.join(c.source for c in nb.cells), re.M)
    return said[1] if said else ''

# What Sphinx reads

def rewritten(text, path):
    "Markdown of the file `path`: links to pages of the reports, to the landing page, to anchors; no diagram code"
    up = os.path.relpath('.', Path(path).parent)
    def page(m): return f'<a href="{up}/{m[2]}">{m[1]}</a>'
    text = re.sub(r'\[([^]]+)\]\((?:\.\./)*(reports/[\w./-]+\.html)\)', page, text)
    def named(m): return page((0, m[1], m[1])) if Path(m[1]).is_file() else m[0]
    text = re.sub(r'(?<!`)`(reports/[\w./-]+\.html)`(?!`)', named, text)
    text = re.sub(r'\]\((?:\.\./)*(?:nbs/)?index\.ipynb', f']({up}/index.md', text)
    text = re.sub(r'(\]\([^)\s]*#)([^)\s]+)\)', lambda m: f'{m[1]}{m[2].lower()})', text)
    return re.sub(r'^```mermaid\n(.*?)^```', lambda m: arrows(m[1]), text, flags=re.M|re.S)

NODE = r'(\w+)(?:[\[(]+"([^"]+)"[\])]+)?'
def arrows(chart):
    "A flow chart as a list: readable without a script, and on a telephone"
    names,lines = {},[]
    chart = chart.replace('<br>', ' ').splitlines()[1:]
    for line in chart:
        m = re.fullmatch(rf'\s*{NODE} (?:-->|-\.?-? "([^"]+)" -?\.?->|-- "([^"]+)" -->) {NODE}', line)
        if not m: sys.exit(f'nbs/index.ipynb: the site cannot read this line of the flow chart: {line.strip()}')
        a,a_is,dotted,solid,b,b_is = m.groups()
        names |= {k:v for k,v in ((a, a_is),(b, b_is)) if v}
        lines.append((a, b, dotted or solid))
    return '\n'.join(f"- **{names[a]}** → **{names[b]}**{f': {said}' if said else ''}" for a,b,said in lines)+'\n'

def staged(path):
    "A notebook as the site shows it: without hidden cells and directives, with a way to its interface"
    nb = source(path)
    module = module_of(nb)
    nb.cells = [c for c in nb.cells if not re.search(r'^#\|\s*hide\b', c.source, re.M)]
    for c in nb.cells:
        if c.cell_type=='markdown': c.source = rewritten(c.source, path)
        else: c.source = re.sub(r'^#\|.*\n?', '', c.source, flags=re.M).strip()
        if c.metadata.get('jupyter', {}).get('source_hidden'): c.metadata['tags'] = ['hide-input']   # folded, as there
    nb.cells = [c for c in nb.cells if c.source]
    if module:
        up = os.path.relpath('.', path.parent)
        nb.cells.insert(1, nbformat.v4.new_markdown_cell(f'Interface: [`dfkd_nb.{module}`]({up}/api/{module}.rst)'))
    nb.metadata = {'language_info':{'name':'python', 'pygments_lexer':'ipython3'}}
    return nb

def toctree(docs, caption='', how=''):
    head = ''.join([f':caption: {caption}\n' if caption else '', f':{how}:\n' if how else ''])
    return '\n```{toctree}\n'+head+'\n'+'\n'.join(docs)+'\n```\n'

def titled(module): return f'``{module}``\n{"="*(len(module)+4)}\n\n'

def constants(module):
    "The ones that a module exports: autodoc passes over those without a docstring"
    text = Path('dfkd_nb', *module.split('.')).with_suffix('.py').read_text(encoding='utf-8')
    names = re.findall(r"'([A-Z][A-Z0-9_]*)'", text.partition('__all__ = [')[2].partition(']')[0])
    return '\n'.join(f'.. autodata:: dfkd_nb.{module}.{k}\n   :no-value:\n' for k in names
                     if not re.search(rf'^class {k}\b', text, re.M))

def put(name, text, into=STAGE):
    (into/name).parent.mkdir(parents=True, exist_ok=True)
    (into/name).write_text(text, encoding='utf-8')

def stage():
    "Write what Sphinx reads: the checkout's own layout, and a page for every room and module"
    exports,house = {},rooms()
    for p in notebooks():
        exports[p.relative_to('nbs').with_suffix('').as_posix()] = module_of(source(p))
        if p!=Path('nbs/index.ipynb'): put(p, nbformat.writes(staged(p)))
    for p in PLAIN: put(p, rewritten(Path(p).read_text(encoding='utf-8'), p))
    for p in ('reports/front.png','CITATION.cff','LICENSE','workflow/config/emoji.yaml'):
        (STAGE/p).parent.mkdir(parents=True, exist_ok=True); shutil.copy(p, STAGE/p)
    for room,books in house.items():
        said = {k:re.sub(r'\]\((?=[\w/]+\.ipynb)', '](../nbs/', v) for k,v in books.items()}
        rows = [f'| [{Path(k).name}](../nbs/{k}.ipynb) | {rewritten(v, f"rooms/{room}.md")} |' for k,v in said.items()]
        put(f'rooms/{room}.md', '\n'.join([f'# {room}\n', '| | |\n|---|---|', *rows, ''])+
            toctree([f'/nbs/{k}' for k in books], how='hidden'))
    for k,module in exports.items():
        if module: put(f'api/{module}.rst', f'{titled(module)}Explained, shown and tested in :doc:`/nbs/{k}`.\n\n'
                                            f'.. automodule:: dfkd_nb.{module}\n\n'+constants(module))
    listed = [k for books in house.values() for k in books]
    modules = [exports[k] for k in listed if exports[k]]+sorted({m for k,m in exports.items() if m and k not in listed})
    put('api/index.md', '# Interface\n\nWhat the notebooks export, by module.\n'+toctree(modules, how='titlesonly'))
    others = [k for k in exports if k not in listed and k!='index']
    def there(room): return [f'/nbs/{k}' for k in others if k.startswith(room)]
    begin = [f'/nbs/{k}' for k in ('quickstart','own_data','own_model','explore','findings')]
    rest = [f'/nbs/{k}' for k in others if '/' not in k and f'/nbs/{k}' not in begin]
    put('rooms/experiments.md', '# experiments\n\nPapermill inputs, a question each.\n'+toctree(there('experiments/')))
    put('rooms/pages.md', '# pages\n\nRead saved results only, and draw the reports.\n'+toctree(there('reports/')))
    put('reports.md', '# Reports\n\nOne page leads to all, and opens with what came out: '
        f'<a href="{INDEX}">the index of all reports</a>.\n\n'+
        '\n'.join(f'- <a href="{p}">{title(p)}</a>, {Path(p).parent.name}' for p in published_pages()))
    put('index.md', rewritten(Path('README.md').read_text(encoding='utf-8'), 'index.md')+
        toctree(['reports', *begin], 'Begin', 'hidden')+toctree([f'rooms/{r}' for r in house], 'Library', 'hidden')+
        toctree(['api/index'], 'Interface', 'hidden')+
        toctree(['rooms/experiments','rooms/pages','workflow/README'], 'Studies', 'hidden')+
        toctree([*rest, 'data/pretrained/student/README', 'CONTRIBUTING', 'CHANGELOG'], 'More', 'hidden'))

def title(page):
    "Of a page of the reports"
    said = re.search(r'<title>(.*?)</title>', Path(page).read_text(encoding='utf-8'), re.S)
    return said[1] if said else Path(page).stem

def led_back(html, page):
    "A page of the reports that leads to the site, and to the pages of notebooks"
    html = re.sub(r'(href="(?:\.\./)+nbs/[\w/]+)\.ipynb', r'\1.html', html)
    back = f'<a href="{os.path.relpath(".", Path(page).parent)}/index.html">documentation</a>'
    return re.sub(r'(<nav class="menu"[^>]*>)', rf'\1{back}', html, count=1)

def copy_reports():
    "The published pages"
    for p in [INDEX, *published_pages()]: put(p, led_back(Path(p).read_text(encoding='utf-8'), p), MADE)

# What is wrong with the result

class Links(HTMLParser):
    "Addresses and anchors of a page"
    def __init__(self): super().__init__(); self.to,self.ids = [],set()
    def handle_starttag(self, tag, attrs):
        for k,v in attrs:
            if k in ('href','src') and v: self.to.append(v)
            if k=='id' or (tag=='a' and k=='name'): self.ids.add(v)

@cache
def links(page): p = Links(); p.feed(page.read_text(encoding='utf-8')); p.close(); return p

def astray(page):
    "Links of a page that lead nowhere inside"
    for to in links(page).to:
        if re.match(r'[a-z][a-z+.-]*:|//', to, re.I): continue
        path,anchor = urldefrag(to)
        path = path.partition('?')[0]
        at = (page.parent/unquote(path)).resolve() if path else page
        if not at.is_file(): yield f'{page}: {to} leads nowhere'
        elif anchor and at.suffix=='.html' and not {anchor, unquote(anchor)}&links(at).ids:
            yield f'{page}: no such anchor: {to}'

def fetched(file):
    "What a page, style sheet or script would load from another machine"
    text = file.read_text(encoding='utf-8')
    if file.suffix=='.js':                                   # libraries name addresses in comments and texts
        return re.findall(r"""(?:import|from|fetch|open|importScripts|(?:src|href)\s*=)\s*\(?\s*"""
                          r"""["'`](?:https?:)?//[^"'`]+""", text)
    loads = external_loads(f'<style>{text}</style>' if file.suffix=='.css' else text)
    return [a for a in loads if re.match(r'(?:[a-z][a-z+.-]*:)?//', a, re.I)]

def missing(site=SITE):
    "What the site should hold, one line each"
    for p in notebooks():
        if p!=Path('nbs/index.ipynb') and not (site/p.with_suffix('.html')).is_file(): yield f'{p} has no page'
        if (m := module_of(source(p))) and not (site/f'api/{m}.html').is_file(): yield f'{p}: dfkd_nb.{m} has no page'
    for p in [INDEX, *published_pages()]:
        if not (site/p).is_file(): yield f'{p} is not in the site'
        elif '>documentation</a>' not in (site/p).read_text(encoding='utf-8'): yield f'{p} does not lead back'

def broken(site=SITE):
    "What is wrong with the pages there are, one line each"
    for f in sorted(site.rglob('*')):
        if f.suffix in ('.html','.css','.js'): yield from (f'{f}: fetches {a}' for a in fetched(f))
        if f.suffix=='.html': yield from astray(f.resolve())

def build():
    from sphinx.cmd.build import main as sphinx
    os.environ.setdefault('TRANSFORMERS_VERBOSITY', 'error')      # it says which optional packages are missing
    shutil.rmtree(WORK, ignore_errors=True)
    stage()
    how = ['-q', '-W', '--keep-going', '-c', Path(__file__).parent, '-d', WORK/'doctrees', '-j', CORES]
    if sphinx([str(o) for o in (*how, STAGE, MADE)]): sys.exit('the site was not built: see the warnings above')
    copy_reports()
    shutil.rmtree(SITE, ignore_errors=True)
    MADE.rename(SITE)

if __name__=='__main__':
    if sys.argv[1:] not in ([], ['check']): sys.exit(__doc__)
    if not sys.argv[1:]: build()
    bad = [*missing(), *broken()]
    if bad: sys.exit('\n'.join(bad))
    print(f"{len(list(SITE.rglob('*.html')))} pages; every notebook is there, links lead somewhere, nothing is fetched")
