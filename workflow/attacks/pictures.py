"""Random pictures and folders of them, against Pillow's own conversions and labels that are known"""
import io, os, shutil, struct
import numpy as np
from PIL import Image, ImageOps
from dfkd_nb.data.decode import decode_image
from dfkd_nb.data.folders import image_folder
from . import Trial

PNG = ('1','L','LA','P','RGB','RGBA','I;16')
MODES = {'PNG':PNG, 'JPEG':('L','RGB','CMYK'), 'BMP':('1','L','P','RGB'), 'GIF':('L','P','RGB','RGBA'),
         'TIFF':('1','L','LA','P','RGB','RGBA','CMYK','I;16','F','YCbCr','LAB'), 'WEBP':('RGB','RGBA'),
         'PPM':('1','L','RGB','I;16')} # Format → modes that are written in it
ORIENTED = ('JPEG','PNG','TIFF','WEBP') # Formats with EXIF

def _picture(mode, draw):
    "Noise of a mode"
    w,h = draw.randrange(1, 40),draw.randrange(1, 40)
    noise = np.random.default_rng(draw.randrange(2**32))
    if mode=='I;16': return Image.fromarray(noise.integers(0, 2**16, (h,w), dtype=np.uint16))
    if mode=='F': return Image.fromarray(noise.random((h,w), dtype=np.float32))
    im = Image.frombytes('RGBA', (w,h), noise.integers(0, 256, (h,w,4), dtype=np.uint8).tobytes())
    return im.convert('RGB').convert(mode) if mode in ('1','L','P','YCbCr','LAB','CMYK') else im.convert(mode)

def _encoded(im, kind, draw):
    "A file of it: how it was written, its bytes"
    how,kw = [f'{kind} of mode {im.mode}'],{}
    if kind in ORIENTED and draw.random()<.5:
        exif = Image.Exif(); exif[274] = draw.randrange(1, 9)
        kw['exif'] = exif; how.append(f'turned {exif[274]}')
    if kind in ('PNG','GIF') and im.mode=='P' and draw.random()<.7:
        kw['transparency'] = draw.randrange(256); how.append('with a transparent colour')
    if kind=='TIFF' and im.mode not in ('1','F','I;16'):
        kw['compression'] = draw.choice(['raw','tiff_lzw','tiff_deflate'])
    if kind=='WEBP': kw['lossless'] = draw.random()<.5
    data = io.BytesIO()
    im.save(data, kind, **kw)
    return ', '.join(how),data.getvalue()

def _reference(data, background):
    "The same by Pillow alone; 16 bits by their share of the whole range"
    with Image.open(io.BytesIO(data)) as im:
        im.load(); im = ImageOps.exif_transpose(im)
        if im.mode in ('I','I;16','I;16B','F'):
            x = np.asarray(im, dtype=np.float64)
            return np.repeat(np.round(x*(255 if im.mode=='F' else 255/65535)).astype(np.uint8)[...,None], 3, -1)
        if im.mode in ('LA','PA','RGBA') or 'transparency' in im.info:
            top = np.asarray(im.convert('RGBA'), dtype=np.float64)
            a = top[...,3:]/255
            return np.round(top[...,:3]*a+np.array(background)*(1-a))
        return np.asarray(im.convert('RGB'))

def _close(image, right):
    "Equal; where something was blended, to one level of 255, which is how far Pillow's and exact sums are apart"
    got = np.asarray(image)
    return got.shape==right.shape and np.abs(got.astype(float)-right).max(initial=0)<=(1 if right.dtype==float else 0)

def _whole(draw, n):
    for k in range(n):
        kind = draw.choice(sorted(MODES))
        background = tuple(draw.randrange(256) for _ in range(3))
        try: how,data = _encoded(_picture(draw.choice(MODES[kind]), draw), kind, draw)
        except OSError: continue                                                  # this Pillow does not write it
        yield how,data,background

def _pictures(draw, n):
    for how,data,background in _whole(draw, n):
        right = _reference(data, background)
        yield Trial('a picture', how, lambda: decode_image(data, 'some.picture', background)[0], ('some.picture',),
                    lambda im: _close(im, right))

def _cut_pictures(draw, n):
    "A cut file is refused; if only what follows the last pixel is gone, it may be read"
    for how,data,background in _whole(draw, n):
        data,right = data[:draw.randrange(len(data))],_reference(data, background)
        yield Trial('a cut picture', how, lambda: decode_image(data, 'some.picture', background)[0], ('some.picture',),
                    lambda im: _close(im, right))

def _bomb(side):
    "A small file that says it is a huge picture"
    data = io.BytesIO(); Image.new('1', (8,8)).save(data, 'PNG')
    head = struct.pack('>II', side, side)
    return data.getvalue()[:16]+head+data.getvalue()[24:]

def _no_pictures(draw):
    for what,data in {'nothing':b'', 'text':b'hello', 'noise':draw.randbytes(99), 'a bomb':_bomb(100_000),
                      'a lie about its size':_bomb(4_000), 'half a name':b'\x89PNG', 'a page':b'<svg/>'}.items():
        yield Trial('no picture', what, lambda: decode_image(data, 'some.picture'), ('some.picture',))

NAMES = ('a','B','c d','é','e\u0301x','10','9','日本','x.y') # Of classes
LITTER = ('.DS_Store','Thumbs.db','notes.txt','list.csv','.hidden.png') # What lies about in folders

def _image_tree(folder, draw):
    "Class folders with a picture of one grey each, litter, links, depth; grey → class"
    known,names = {},draw.sample(NAMES, draw.randrange(2, 6))
    for name in names:
        for _ in range(draw.randrange(1, 4)):
            grey = draw.choice(sorted({*range(256)}-set(known)))
            at = folder/name/draw.choice(['','deeper'])
            at.mkdir(parents=True, exist_ok=True)
            suffix = draw.choice(['.png','.PNG','.bmp','.tiff','.webp'])
            exact = dict(lossless=True) if suffix=='.webp' else {}
            Image.new('RGB', (5,5), (grey,)*3).save(at/f'{grey}{suffix}', **exact)
            known[grey] = name
        if draw.random()<.5: (folder/name/draw.choice(LITTER)).write_bytes(b'x')
    for odd in draw.sample(['.ipynb_checkpoints','@eaDir','empty','__MACOSX'], 2): (folder/odd).mkdir()
    shutil.copytree(folder/names[0], folder/'.ipynb_checkpoints', dirs_exist_ok=True)
    if draw.random()<.5: os.symlink(folder/names[0], folder/names[0]/'again')                     # a circle
    return known

def _labelled(known):
    "Whether every grey has the label of its class"
    import unicodedata
    def right(made):
        greys = made.images[:,0,2,2].tolist()
        said = [made.classes[y] for y in made.labels.tolist()]
        classes = {unicodedata.normalize('NFC', v) for v in known.values()}
        return (sorted(greys)==sorted(known) and set(made.classes)==classes
                and all(unicodedata.normalize('NFC', known[g])==c for g,c in zip(greys, said)))
    return right

def _folders(draw, n, folder):
    for k in range(n):
        at = folder/f'tree-{k}'; at.mkdir()
        known = _image_tree(at, draw)
        yield Trial('a folder of classes', f'{len(known)} pictures, litter', lambda: image_folder(at, 5), (str(at),),
                    _labelled(known))
        victim = draw.choice(sorted(f for f in at.rglob('*') if f.suffix.lower() in ('.png','.bmp','.tiff','.webp')
                                    and '/.' not in str(f.relative_to(at.parent)) and not f.is_symlink()))
        whole = victim.read_bytes(); victim.write_bytes(whole[:len(whole)//2])
        yield Trial('a folder of classes', 'one picture is cut', lambda: image_folder(at, 5), (victim.name,))

def trials(full, draw, folder):
    "Whole and cut pictures, things that are none, trees of folders"
    n = 1000 if full else 100
    yield from _pictures(draw, n)
    yield from _cut_pictures(draw, n)
    yield from _no_pictures(draw)
    yield from _folders(draw, n//10, folder)
