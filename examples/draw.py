"""Draw with an exported student, and let it reconstruct the pictures: numpy, Pillow and onnxruntime are all it takes.

    pip install numpy pillow onnxruntime
    python examples/draw.py data/pretrained/student/onnx          writes samples.png and reconstructions.png
"""
import hashlib, json, sys
from pathlib import Path
import numpy as np, onnxruntime
from PIL import Image

def open_part(folder, name):
    "A checked graph: the file is the one that was exported"
    part = json.loads((folder/'export.json').read_text())['parts'][name]
    data = (folder/part['file']).read_bytes()
    if hashlib.sha256(data).hexdigest()!=part['sha256']:
        sys.exit(f"error: {folder/part['file']} is damaged; copy it again")
    return onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider']),part

def run(part, **inputs):
    session,about = part
    return dict(zip([o['name'] for o in about['outputs']], session.run(None, inputs)))

def save(images, path, columns=8):
    "A sheet of images `(n, c, h, w)` in [0, 1]"
    tiles = (images.clip(0, 1)*255).round().astype('uint8').transpose(0, 2, 3, 1)
    rows = [np.concatenate(list(tiles[i:i+columns]), 1) for i in range(0, len(tiles), columns)]
    Image.fromarray(np.concatenate(rows).squeeze()).save(path)

folder = Path(sys.argv[1] if len(sys.argv)>1 else 'data/pretrained/student/onnx')
sampler,encoder,decoder = (open_part(folder, k) for k in ('sampler','encoder','decoder'))
noise = np.random.default_rng(0)
drawn = run(sampler, **{v['name']:noise.standard_normal((32, *v['shape']), 'float32') for v in sampler[1]['inputs']})
save(drawn['x'], 'samples.png')
save(run(decoder, **run(encoder, x=drawn['x']))['x'], 'reconstructions.png')
print('wrote samples.png and reconstructions.png')
