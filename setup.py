"Packaging: everything is read from settings.ini, so that nbdev and pip never disagree"
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

here = Path(__file__).resolve().parent
config = ConfigParser(delimiters=['='], interpolation=None)
config.read(here/'settings.ini', encoding='utf-8')
s = config['DEFAULT']
status = ['1 - Planning', '2 - Pre-Alpha', '3 - Alpha', '4 - Beta', '5 - Production/Stable', '6 - Mature',
          '7 - Inactive']
extra = '_requirements'   # `study_requirements` in settings.ini is the extra `study`

setup(
    name=s['lib_name'], version=s['version'], description=s['description'],
    long_description=(here/'README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    author=s['author'], author_email=s['author_email'], url=s['git_url'], keywords=s['keywords'].split(),
    license={'apache2':'Apache-2.0'}[s['license']],   # an SPDX name; licence classifiers are deprecated beside it
    classifiers=[f"Development Status :: {status[int(s['status'])-1]}", 'Intended Audience :: Science/Research',
                 f"Natural Language :: {s['language']}", 'Programming Language :: Python :: 3',
                 'Topic :: Scientific/Engineering :: Artificial Intelligence'],
    packages=find_packages(include=[s['lib_path'], f"{s['lib_path']}.*"]), python_requires=f">={s['min_python']}",
    install_requires=s['requirements'].split(),
    extras_require={k.removesuffix(extra): v.split() for k,v in s.items() if k.endswith(extra)},
    entry_points={'nbdev': [f"{s['lib_path']} = {s['lib_path']}._modidx:d"],
                  'console_scripts': s['console_scripts'].split()},
    zip_safe=False)
