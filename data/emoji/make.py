"""How the pictures beside this file were made; needs fonttools.

    python make.py NotoColorEmoji.ttf emoji-test.txt FOLDER

The font is Google's (Debian: fonts-noto-color-emoji 2.042), the list is Unicode's (unicode-data 15.0). Taken are emoji of
one code point, at most `MOST` of each class, chosen and divided by the hashes of their names: nobody looked at them.
"""
import hashlib, io, re, sys
from pathlib import Path
from fontTools.ttLib import TTFont
from PIL import Image

CLASSES = {'Smileys & Emotion':'smiley', 'People & Body':'person', 'Animals & Nature':'animal or plant',
           'Food & Drink':'food or drink', 'Travel & Places':'place', 'Activities':'activity', 'Objects':'object',
           'Symbols':'symbol'}
MOST,SIZE = 100,32
ROLES = (('private_train',1/2), ('private_test',1/3), ('public_train',1/6))

def listed(path):
    "Class, code point and name of every emoji that consists of one code point"
    group = None
    for line in Path(path).read_text(encoding='utf-8').splitlines():
        if line.startswith('# group: '): group = CLASSES.get(line[9:])
        found = re.match(r'([0-9A-F]+)(?: FE0F)? +; fully-qualified +# \S+ E\S+ (.+)', line)
        if group and found: yield group,int(found[1],16),found[2]

def drawn(font, code):
    "The picture of a code point, RGBA, or `None`"
    name = font.getBestCmap().get(code)
    glyph = font['CBDT'].strikeData[0].get(name)
    if glyph is None: return None
    im = Image.open(io.BytesIO(glyph.imageData)).convert('RGBA')
    im.thumbnail((SIZE,SIZE), Image.Resampling.LANCZOS)
    square = Image.new('RGBA', (SIZE,SIZE))
    square.paste(im, ((SIZE-im.width)//2,(SIZE-im.height)//2))
    return square

def hashed(name): return hashlib.sha256(name.encode()).hexdigest()

def main(font, names, out):
    font,of_class = TTFont(font),{c:[] for c in CLASSES.values()}
    for c,code,name in listed(names): of_class[c].append((hashed(name),code,name))
    for c,found in of_class.items():
        ims = [(name,im) for _,code,name in sorted(found) if (im:=drawn(font,code))][:MOST]
        last = 0.
        for role,part in ROLES:
            first,last = last,last+part
            folder = Path(out)/role/c
            folder.mkdir(parents=True, exist_ok=True)
            for name,im in ims[round(first*len(ims)):round(last*len(ims))]:
                im.save(folder/f"{re.sub(r'[^a-z0-9]+',' ',name.lower()).strip()}.png", optimize=True)

if __name__=='__main__': main(*sys.argv[1:])
