"""Draw with an exported model, and let it reconstruct the pictures: numpy, Pillow and onnxruntime are all it takes.

    pip install numpy pillow onnxruntime
    python examples/draw.py FOLDER          FOLDER: written by export.to_onnx.export or export.quantise.quantise
"""
import hashlib, json, sys
from pathlib import Path
import numpy as np, onnxruntime
from PIL import Image

if len(sys.argv)!=2 or not Path(sys.argv[1], 'export.json').is_file(): sys.exit(__doc__)
folder,noise = Path(sys.argv[1]),np.random.default_rng(0)
about = json.loads((folder/'export.json').read_text())

def run(part, **inputs):
    "Run a part, if its file is the one that was exported"
    if part not in about['parts']: sys.exit(f"error: {folder} has no {part}; it has {', '.join(about['parts'])}")
    made = about['parts'][part]
    data = (folder/made['file']).read_bytes()
    if hashlib.sha256(data).hexdigest()!=made['sha256']:
        sys.exit(f"error: {folder/made['file']} is damaged; copy it again")
    session = onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider'])
    return dict(zip([o['name'] for o in made['outputs']], session.run(None, inputs)))

def save(images, path, columns=8):
    "A sheet of images `(n, c, h, w)` in [0, 1]"
    tiles = (images.clip(0, 1)*255).round().astype('uint8').transpose(0, 2, 3, 1)
    rows = [np.concatenate(list(tiles[i:i+columns]), 1) for i in range(0, len(tiles), columns)]
    Image.fromarray(np.concatenate(rows).squeeze()).save(path)

if about['condition']: sys.exit('error: this model draws on a condition; give it as the input `cond`')
wanted = about['parts'].get('sampler', {}).get('inputs', [])
drawn = run('sampler', **{v['name']:noise.standard_normal((32, *v['shape']), 'float32') for v in wanted})
save(drawn['x'], 'samples.png'); print('wrote samples.png')
save(run('decoder', **run('encoder', x=drawn['x']))['x'], 'reconstructions.png'); print('wrote reconstructions.png')
