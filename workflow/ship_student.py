"""Put the best student of a study where models are shipped: weights, card, ONNX in 32 and in 8 bits.

    python workflow/ship_student.py workflow/config/student.yaml         after the study has run: make study-student

The best is the one of the lowest FD to *fresh teacher samples* (evaluation `choice`) among those that learned from
the teacher's own samples alone: nothing private has a part in the choice. The card's numbers are read from the study's
tables.
"""
import json, shutil, sys
from pathlib import Path
from dfkd_nb.core import frozen, n_parameters
from dfkd_nb.data.sources import own_samples
from dfkd_nb.export.quantise import calibration_for, quantise
from dfkd_nb.export.to_onnx import export
from dfkd_nb.files import atomic, data_dir, read_json, strict_yaml
from dfkd_nb.integrity import seal_files, verify_file
from dfkd_nb.models.registry import load
from dfkd_nb.study.results import read_table

SIZE = 1_000_000 # Bytes that a shipped student may take
WHO = ('arm','source','shape','width','size','seed') # What tells students apart

def read(file):
    "A table of the study"
    if not file.is_file(): sys.exit(f'error: {file} is missing: run the study first, make study-student')
    return read_table(file)

def made_by(study, best):
    "Work folder of a student, by what it says of itself"
    for file in Path('runs',study,'students').glob('*/who.json'):
        who = read_json(file)
        if all(who.get(k)==best[k] for k in WHO) and (file.parent/'student'/'config.json').is_file(): return file.parent
    name = ' '.join(str(best[k]) for k in WHO)
    sys.exit(f'error: runs/{study}/students has no finished {name}, the best student: its work folder was removed; run '
             'the study again')

def card(best, spent, net, teacher, df, study):
    "What the tables of the study say of it"
    one = df[df.model=='student']
    for k in WHO: one = one[one[k]==best[k]]
    lines = []
    for metric,title,scale in (('fd','FD',1), ('root_fid','root-FID',1), ('mse','MSE ×10³ of reconstructions',1e3),
                               ('bpd','bits per dimension',1)):
        mine,its = one[one.metric==metric],df[(df.model=='teacher')&(df.metric==metric)]
        if not len(mine) or not len(its): continue
        lines.append(f"| {title} | {mine.value.iloc[0]*scale:.2f} | {its.value.mean()*scale:.2f} | "
                     f"{mine.protocol.iloc[0]} |\n")
    return f"""---
library_name: dfkd_nb
tags: [vae, hierarchical, distilled, onnx]
---
# A hierarchical VAE of {n_parameters(net):,} parameters, distilled without data
Student of `teacher` ({n_parameters(teacher):,} parameters), which it learned from alone: from {spent['images']:,.0f} of
the teacher's own samples and {spent['teacher_calls']:,.0f} calls of the teacher, over {spent['steps']:,.0f} steps
(study `{study}`, arm {best['arm']}, seed {best['seed']}).

Of the students of teacher samples in that study it has the lowest FD to *fresh* teacher samples: {best['value']:,.0f}
({best['protocol']}).
Private images had no part in this choice. On `private_test`, afterwards:

| | student | teacher | protocol |
|---|---|---|---|
{''.join(lines)}
`onnx` and `onnx-int8` (weights in 8 bits) hold its sampler, encoder and decoder for onnxruntime:
`python examples/draw.py data/pretrained/student/onnx-int8` draws with nothing but numpy, Pillow and onnxruntime.
Licence as the package.
"""

def best_of(results):
    "The student to ship, as a row of the evaluation on fresh teacher samples"
    judged = read(results/'evaluate-choice'/'metrics.parquet')
    free = judged[(judged.model=='student')&(judged.metric=='fd')&(judged.source=='prior')]
    if not len(free): sys.exit(f'error: {results}/evaluate-choice has no student of teacher samples alone')
    return free.loc[free.value.idxmin()]

def main():
    if len(sys.argv)!=2: sys.exit(__doc__)
    study = strict_yaml(Path(sys.argv[1]))['study']
    results = Path('reports',study,'results')
    best,df = best_of(results),read(results/'evaluate'/'metrics.parquet')
    made = made_by(study, best)
    name = made.name
    spent = read(results/'distil'/name.rpartition('-s')[0]/f"seed={best['seed']}"/'metrics.parquet')
    spent = spent.set_index('metric').value
    net,teacher = frozen(load(made/'student')),frozen(load(data_dir()/'pretrained'/'teacher'))
    text = card(best, spent, net, teacher, df, study)
    who = read_json(verify_file(made/'who.json'))
    with atomic(data_dir()/'pretrained'/'student') as tmp:
        tmp.mkdir()
        for f in ('config.json','model.safetensors'): shutil.copy(made/'student'/f, tmp/f)
        (tmp/'README.md').write_text(text, encoding='utf-8')
        (tmp/'who.json').write_text(json.dumps({**who, 'arm':'shipped', 'method':f"shipped, {who['method']}"})+'\n')
        seal_files(tmp)
        graphs = export(net, tmp/'onnx', card='# In 32 bits\n')
        shown = calibration_for(net, own_samples(teacher, 256, 1), 256)
        quantise(graphs, tmp/'onnx-int8', shown, '# Weights in 8 bits\n', weights_only=True)
        size = sum(p.stat().st_size for p in tmp.rglob('*') if p.is_file())
        if size>=SIZE: sys.exit(f'error: {name} with its graphs takes {size:,} bytes, a shipped student below {SIZE:,}')
    print(f"shipped {name}: {size:,} bytes in {data_dir()/'pretrained'/'student'}; now python workflow/check.py sums")

if __name__=='__main__': main()
