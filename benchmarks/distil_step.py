"""Price of one distillation step of a hierarchical VAE, arm B: the paper's loop, fresh passes, kept passes.

    python benchmarks/distil_step.py            the shipped teacher (width 32) to width 8, batch 128
    python benchmarks/distil_step.py --large    an untrained teacher of width 128 to width 32: minutes

`paper` is how the published code takes a step, as far as its description goes: both networks are called on new noise
and on new images at every step, the teacher with its graph, in the layout that torch begins with. `fresh` is
`distil.passes.FreshPasses`: the same calls, the teacher's without a graph. `kept` is `KeptPasses`: the teacher was
called before. Both train a student in channels-last layout, as `E05` does; `compiled` fuses what they do, which takes a
minute before the first step and needs a C++ compiler. Before anything is timed, all give the loss of one pass, which
has to agree to one part in a thousand.

Seconds are processor time of one thread, the median of the timed steps; one step is loss, gradient and Adam. Images are
the teacher's own samples, so no data is needed.
"""
import os
# before torch is loaded; the same for all
for k in ('OMP_NUM_THREADS','OPENBLAS_NUM_THREADS','MKL_NUM_THREADS'): os.environ[k] = '1'
import argparse, statistics, time
import torch
from dfkd_nb.core import frozen
from dfkd_nb.data.sources import own_samples
from dfkd_nb.distil.arms import ARMS, Distillation
from dfkd_nb.distil.passes import run
from dfkd_nb.files import data_dir
from dfkd_nb.models.lvae import LVAE
from dfkd_nb.models.registry import load
from dfkd_nb.noise import stream

torch._dynamo.config.fail_on_recompile_limit_hit = True      # else it would time what was not compiled

# Name, whether passes are kept, whether all is fused
WAYS = ('fresh',0,False),('kept',1,False),('fresh compiled',0,True),('kept compiled',1,True)

def student_of_width(width, layout):
    torch.manual_seed(0)
    return LVAE(width).to(memory_format=layout).train()

def paper_loss(teacher, student, images, batch, generator):
    "Arm B by hand: both networks on new noise and images, whatever they compute in the graph"
    total = 0.
    for under in ('prior','data'):
        noise = teacher.draw(batch, generator)
        data = images.batch(torch.randint(len(images), (batch,), generator=generator)) if under=='data' else None
        with torch.enable_grad(): went = run(teacher, under, noise, data)
        came = run(student, under, noise, data)
        for term in ARMS['B'].active:
            if term.under==under: total = total+term.weight*term(went, came).mean()
    return total

def agree(teacher, width, images, batch):
    "The loss of one pass, every way"
    plain,packed,values = torch.contiguous_format,torch.channels_last,{}
    for name,kept,compiled in (('paper',0,False), *WAYS):
        torch.compiler.reset()
        layout,kept = plain if name=='paper' else packed,kept*len(images)
        distil = Distillation(ARMS['B'], teacher, images, batch=batch, passes=kept, compiled=compiled)
        student,total = student_of_width(width, layout),0.
        for key,passes in distil.passes.items():
            taken = passes[torch.arange(batch)] if kept else passes.make(torch.arange(batch))
            terms = [t for t in ARMS['B'].active if t.under==key]
            if name!='paper': total += distil._compare(terms, taken, student, teacher, 0.)[0].item()
            else:
                came = run(student, key, taken.trace.noise, taken.data)
                total += sum(t.weight*t(taken.trace, came).mean().item() for t in terms)
        values[name] = total
    worst = max(values.values())/min(values.values())-1
    if worst>1e-3: raise SystemExit(f'the losses differ by {worst:.1e}: {values}')
    return values

def timed(loss, student, steps):
    "Median processor seconds of a step, after two to warm up"
    opt,seconds = torch.optim.Adam(student.parameters(), lr=1e-3),[]
    for k in range(steps+2):
        begun = time.process_time()
        loss(stream(0,k)).backward(); opt.step(); opt.zero_grad()
        seconds.append(time.process_time()-begun)
    return statistics.median(seconds[2:])

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--large', action='store_true', help='width 128 to 32 instead of 32 to 8')
    p.add_argument('--batch', type=int, default=128, help='images per step')
    p.add_argument('--steps', type=int, default=10, help='timed steps')
    o = p.parse_args()
    torch.set_num_threads(1)
    if o.large: torch.manual_seed(1)
    teacher = frozen(LVAE(128) if o.large else load(data_dir()/'pretrained'/'teacher'))
    width,images = (32 if o.large else 8),own_samples(teacher, 2*o.batch)
    values = agree(teacher, width, images, o.batch)
    graph = teacher.requires_grad_(True)
    plain,packed = torch.contiguous_format,torch.channels_last
    student = student_of_width(width, plain)
    seconds = dict(paper=timed(lambda g: paper_loss(graph, student, images, o.batch, g), student, o.steps))
    teacher = frozen(graph)
    for name,kept,compiled in WAYS:
        torch.compiler.reset()
        student = student_of_width(width, packed)
        distil = Distillation(ARMS['B'], teacher, images, batch=o.batch, passes=kept*2*o.batch, compiled=compiled)
        seconds[name] = timed(lambda g: distil.loss(g, 0., student)[0], student, o.steps)
    print(f"width {128 if o.large else 32} to {width}, arm B, batch {o.batch}; one thread, median of {o.steps} steps")
    print(f"{'':16}{'ms':>8}{'ratio':>8}  loss of one pass")
    for name,s in seconds.items(): print(f"{name:16}{1e3*s:8.0f}{seconds['paper']/s:8.1f}  {values[name]:.6g}")

if __name__=='__main__': main()
