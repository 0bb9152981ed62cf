"Sphinx's configuration of the documentation site; build.py stages what it reads"
import configparser, inspect, re, sys
from functools import cache
from pathlib import Path
from docutils import nodes
from fastcore.docments import docments
from latex2mathml.converter import convert
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
settings = configparser.ConfigParser(delimiters=['='], interpolation=None)
settings.read(ROOT/'settings.ini', encoding='utf-8')
s = settings['DEFAULT']

project,author,version,release = s['title'],s['author'],s['version'],s['version']
copyright = s['copyright']
extensions = ['myst_nb', 'sphinx.ext.autodoc']
html_theme,html_title = 'furo',f"{s['title']} {s['version']}"
html_theme_options = dict(top_of_page_buttons=[], navigation_with_keys=True)
html_static_path,html_css_files = [str(Path(__file__).parent/'static')],['site.css']
html_show_sourcelink = html_copy_source = False
pygments_style,pygments_dark_style = 'friendly','monokai'

# outputs as committed; nothing is run, and widgets stay still
nb_execution_mode,nb_ipywidgets_js = 'off',{}
nb_merge_streams = True
myst_enable_extensions = ['dollarmath', 'amsmath']
myst_heading_anchors = 4
suppress_warnings = [
    'myst.header',      # an experiment's step may be a level below its title
    'myst-nb.lexer',    # notebooks are kept without the metadata that names their language
    'ref.python',       # a name that two modules share
]

# the interface
autodoc_typehints,autodoc_member_order,autodoc_preserve_defaults = 'description','bysource',True
autodoc_typehints_description_target = 'documented_params'
autodoc_default_options = {'members':True, 'undoc-members':True, 'no-value':True, 'show-inheritance':True,
                           'exclude-members':'model_config,model_post_init'}
default_role,python_use_unqualified_type_names,add_module_names = 'code',True,False
maximum_signature_line_length = 88

def as_rst(text):
    "A comment or docstring in words and `code`, as reStructuredText"
    def shown(m): return rf'\{m[3]}' if m[3] else m[1]+(m[2] and rf'\ {m[2]}')    # `unit`s: an end needs a break
    return re.sub(r'(`[^`]+`)(\w?)|([\\*|_])', shown, text)

@cache
def source(module): return inspect.getsource(sys.modules[module])

def docments_as_fields(app, what, name, obj, options, lines):
    "Comments beside parameters as a field list; a constant has the comment beside it"
    lines[:] = [as_rst(line) for line in lines]
    if what=='data':
        module,_,short = name.rpartition('.')
        said = re.search(rf'^{short}\b[^#\n]*=.*?\s# (.+)$', source(module), re.M)
        lines[:] = [as_rst(said[1]), ''] if said else []            # what autodoc found is its class's
    if what in ('function','method','class'):
        try: found = docments(obj, full=True)
        except (TypeError,ValueError,OSError,AttributeError): return
        said = {k:' '.join(v['docment'].split()) for k,v in found.items() if v.get('docment')}
        lines += ['', *(f":{'returns' if k=='return' else f'param {k}'}: {as_rst(v)}" for k,v in said.items()), '']

def mathml(block):
    "Formulas as MathML, which browsers draw without a script"
    def visit(self, node):
        made = convert(node.astext(), display='block' if block else 'inline')
        if '\\' in made: logging.getLogger(__name__).warning('no MathML for %s', node.astext(), location=node)
        self.body.append(made)
        raise nodes.SkipNode
    return visit, None

def setup(app):
    app.connect('autodoc-process-docstring', docments_as_fields)
    app.add_html_math_renderer('mathml', mathml(False), mathml(True))
    app.config.html_math_renderer = 'mathml'
