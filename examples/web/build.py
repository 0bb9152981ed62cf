"""Put a page that draws with an exported student into one folder, which any static server can serve.

    python examples/web/build.py MODEL OUT         MODEL: a folder that export.to_onnx.export or export.quantise wrote
    python -m http.server -d OUT                   then open http://localhost:8000

onnxruntime-web comes from npm at the version below, once, and lies in OUT beside the page: the page loads nothing from
anywhere else. Needs npm.
"""
import json, shutil, subprocess, sys, tarfile, tempfile
from pathlib import Path

VERSION = '1.30.0'
FILES = ('ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm')

def runtime(out):
    "The three files of onnxruntime-web that run on a processor"
    mark = out/f'onnxruntime-web-{VERSION}'
    if mark.is_file() and all((out/f).is_file() for f in FILES): return
    npm = shutil.which('npm')
    if not npm: sys.exit('error: npm is not installed; on Debian: apt install npm')
    with tempfile.TemporaryDirectory() as tmp:
        try: subprocess.run([npm, 'pack', f'onnxruntime-web@{VERSION}'], cwd=tmp, check=True, capture_output=True)
        except subprocess.CalledProcessError as e:
            sys.exit(f'error: npm cannot fetch onnxruntime-web@{VERSION}: {e.stderr.decode().strip()[-200:]}')
        with tarfile.open(next(Path(tmp).glob('*.tgz'))) as package:
            for f in FILES:
                with package.extractfile(f'package/dist/{f}') as source: (out/f).write_bytes(source.read())
    mark.touch()

def main():
    if len(sys.argv)!=3: sys.exit(__doc__)
    model,out = Path(sys.argv[1]),Path(sys.argv[2])
    if not (model/'export.json').is_file(): sys.exit(f'error: {model} holds no exported model (export.json is missing)')
    if 'sampler' not in json.loads((model/'export.json').read_text())['parts']:
        sys.exit(f'error: {model} has no sampler: nothing to draw with')
    out.mkdir(parents=True, exist_ok=True)
    runtime(out)
    for f in ('export.json', 'sampler.onnx'): shutil.copy(model/f, out/f)
    shutil.copy(Path(__file__).with_name('index.html'), out/'index.html')
    print(f'{out}/index.html is ready; serve it with: python -m http.server -d {out}')

if __name__=='__main__': main()
