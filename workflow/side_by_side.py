"""Train the students of a study side by side on one GPU, and leave checkpoints that the study finishes.

    python workflow/side_by_side.py workflow/config/student.yaml [--real] [--students NAME …] [--device cuda]

A step of a student of 30,000 parameters is over before its kernels are launched. Here every step of every student is
one CUDA graph on a stream of its own, so that many of them run at once. What is made before a training (sets, passes,
networks) and after it (tables, weights) is the experiment's own code, E05: its call of `fit` is replaced by one that
leaves `state.pt` at the last step, from which E05 goes on when the study runs. Loss, order of passes, schedule,
clipping and Adam are those of `training.loop.fit`; losses agree with it to rounding. In two places noise comes from the
GPU's own generator instead of a stream per step: fresh passes, and an arm that is trained without a teacher.

Students of real images are trained by a process of their own (`--real`): no process that may open private images trains
a student without data. What was trained so says it in `training.json` beside its tables.
"""
import argparse, json, math, os, threading, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import nbformat, torch
from dfkd_nb.data import sources
from dfkd_nb.distil import arms, passes
from dfkd_nb.files import atomic, finite
from dfkd_nb.noise import stream
from dfkd_nb.study.jobs import load_jobs
from dfkd_nb.training import loop

# What E05 makes before it trains

class Prepared(Exception):
    "Takes the arguments of `fit` out of an experiment"

def prepare(job):
    "Run E05 up to its training: the objective, and how it is to be minimised"
    def caught(objective, steps, lr, **how): raise Prepared(objective, steps, lr, how)
    cells = [c for c in nbformat.read(job.notebook, as_version=4).cells if c.cell_type=='code']
    names,old = {},loop.fit
    loop.fit = caught
    try:
        for c in cells:
            exec(compile(c.source, str(job.notebook), 'exec'), names)
            if 'parameters' in c.metadata.get('tags', []): names.update(job.params)
    except Prepared as e: return (*e.args, names)
    finally: loop.fit = old
    raise SystemExit(f'error: {job.notebook} trains nothing')

class OnDevice:
    "Images as floats, beside the networks"
    def __init__(self, images, device): self.x = images.batch(slice(None)).to(device)
    def __len__(self): return len(self.x)
    def batch(self, idx): return self.x[idx]

def shared_passes():
    "Students of one teacher, seed and set share their passes: each is made once"
    made = {}
    def once(teacher, n, under='prior', images=None, **kw):
        of = None if images is None else (len(images), hash(images.images.numpy().tobytes()))
        key = (n, under, of, kw['seed'], kw['temperature'])
        if key not in made:
            made[key] = passes.KeptPasses(teacher, n, under, images, **kw)
            if images is not None: made[key].images = OnDevice(images, teacher.device)
        return made[key]
    return once

def shared_samples():
    "Likewise the teacher's samples"
    draw,made = sources.own_samples,{}
    def once(teacher, n, seed=0, *how):
        key = (n, seed, *map(str, how))
        if key not in made: made[key] = draw(teacher, n, seed, *how)
        return made[key]
    return once

# Indices, learning rates

def drawn(seed, begin, end, sizes, batch):
    "Which items every step takes, as `fit` and the passes draw them: `(steps, len(sizes), batch)`"
    out = torch.empty(end-begin, len(sizes), batch, dtype=torch.long)
    for k in range(begin, end):
        generator = stream(seed, k, 0)                                            # of the main process
        for j,n in enumerate(sizes): out[k-begin,j] = torch.randint(n, (batch,), generator=generator)
    return out

def all_drawn(pool, seed, steps, sizes, batch, part=1000):
    "The same for a whole run, on several cores"
    parts = [pool.submit(drawn, seed, k, min(k+part, steps), sizes, batch) for k in range(0, steps, part)]
    return lambda: torch.cat([p.result() for p in parts])

# A training

class Training:
    "One student's training, whose steps can be replayed"
    def __init__(self, name, job, device, pool):
        objective,self.steps,lr,how,names = prepare(job)
        self.name,self.how,self.names,self.device = name,dict(how, lr=lr),names,device
        self.distil,self.pools = objective.loss_fn.__self__,set(objective.nets)-{'student'}
        if self.pools: raise SystemExit(f'error: {name} learns from a pool; train it with make run')
        if how['weight_decay'] or how['precision']!='fp32': raise SystemExit(f'error: {name}: unknown to this script')
        self.student = objective.nets['student'].to(device).train()
        self.params = [p for p in self.student.parameters() if p.requires_grad]
        self.objective,self.probe = objective,how['probe']
        cuda = device.type=='cuda'
        self.opt = torch.optim.Adam(self.params, lr=torch.tensor(lr, device=device), betas=tuple(how['betas']),
                                    fused=cuda, foreach=False, capturable=cuda)
        cosine = [lr*(loop.cosine_lr(k, self.steps) if how['schedule']=='cosine' else 1.) for k in range(self.steps)]
        self.lrs = torch.tensor(cosine, dtype=torch.float64).float().to(device)
        self.k = torch.zeros(1, dtype=torch.long, device=device)
        self.sick = torch.zeros((), dtype=torch.bool, device=device)
        self.average,self.fresh = None,[]
        if how['ema']: self.average = {n:v.clone() for n,v in objective.nets.state_dict().items()}
        self.log,self.loss,self.parts,self.at = [],None,{},0
        self._patch(pool)

    def _patch(self, pool):
        "What is taken at a step is looked up on the device, by the step's number"
        d = self.distil
        kept = [p for p in d.passes.values() if isinstance(p, passes.KeptPasses)]
        alone = [t for t in d.arm.active if t.alone]
        if alone: d.images = OnDevice(d.images, self.device)
        sizes = [p.n for p in kept]+[len(d.images) for _ in alone]
        self.table = all_drawn(pool, self.how['seed'], self.steps, sizes, d.batch)
        noise = torch.Generator(self.device)
        noise.manual_seed(self.how['seed'])
        self.noise = noise                                                        # of what no stream gives
        def normal(model):
            shapes = {k:v.shape for k,v in model.variables.items() if v.law!='none'}
            return {k:torch.randn(d.batch, *shape, device=self.device, generator=noise) for k,shape in shapes.items()}
        def looked_up(j): return self.table.index_select(0, self.k)[0,j]
        for key,p in list(d.passes.items()):
            if p in kept:
                d.passes[key] = Row(p, lambda j=kept.index(p): looked_up(j))
                continue
            if p.images is not None: p.images = OnDevice(p.images, self.device)
            def fresh(n, generator, part, p=p):
                of = 1 if p.images is None else len(p.images)
                return p.make(torch.randint(of, (n,), device=self.device, generator=noise), normal(p.teacher))
            p.take,p.run = fresh,passes.run
            self.fresh.append(p)
        if alone:
            d._own_data = lambda t, generator, progress, student: (d.images.batch(looked_up(len(kept))), None)
            self.student.draw = lambda n, generator: normal(self.student)

    def step(self):
        "One step of `fit`"
        for group in self.opt.param_groups: group['lr'].copy_(self.lrs.index_select(0, self.k)[0])
        self.opt.zero_grad(set_to_none=True)
        self.loss,self.parts = self.distil.loss(None, self.at/self.steps, student=self.student)
        self.loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, self.how['clip'])
        self.opt.step()
        self.sick |= ~torch.isfinite(self.loss)
        if self.average is not None:
            for a,p in zip(self.average.values(), self.objective.nets.state_dict().values()):
                if a.is_floating_point(): a.lerp_(p, 1-self.how['ema'])
                else: a.copy_(p)
        self.k += 1

    def begin(self, warm=3):
        "Some true steps, then one is recorded"
        if callable(self.table): self.table = self.table().to(self.device)
        if self.device.type!='cuda': return
        self.stream = getattr(self, 'stream', None) or torch.cuda.Stream()
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for _ in range(warm): self.step(); self.at += 1
        torch.cuda.synchronize()
        self.graph = None                                                         # the memory of the first half's
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(self.noise)
        self.opt.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph, stream=self.stream): self.step()
        torch.cuda.synchronize()

    def go(self, end):
        "Steps up to a number, one after the other"
        while self.at<end: self.step(); self.at += 1

    def note(self):
        "A row of the log"
        if bool(self.sick): raise FloatingPointError(f'{self.name}: the loss was not finite before step {self.at}')
        parts = {n:float(v.detach()) for n,v in self.parts.items()}
        self.log.append({'step':self.at, 'loss':self.loss.item(), **parts, **loop._probe(self.probe, self.objective)})

    def save(self, file, seconds, beside):
        "The checkpoint of the last step, as `fit` writes it, and how it came about"
        for group in self.opt.param_groups: group['lr'] = float(self.lrs[-1])
        h = self.how
        config = dict(steps=self.steps, lr=h['lr'], seed=h['seed'], warmup=.1, schedule=h['schedule'],
                      weight_decay=h['weight_decay'], clip=h['clip'], ema=h['ema'], precision=h['precision'])
        if tuple(h['betas'])!=(.9,.999): config |= dict(betas=list(h['betas']))
        nets = {k:v.cpu() for k,v in self.objective.nets.state_dict().items()}
        state = dict(step=self.steps, config=config|h['about'], nets=nets, opt=self.opt.state_dict(), log=self.log,
                     ema=self.average and {k:v.cpu() for k,v in self.average.items()}, kept=None)
        file.parent.mkdir(parents=True, exist_ok=True)
        finite(nets, f'{file}: weights', 'not saved; lower lr, or clip gradients')
        with atomic(file) as tmp: torch.save(state, tmp)
        results = Path(self.names['results'])
        results.mkdir(parents=True, exist_ok=True)
        card = torch.cuda.get_device_name() if self.device.type=='cuda' else 'cpu'
        said = dict(script='workflow/side_by_side.py', device=card, torch=torch.__version__, side_by_side=beside,
                    seconds=round(seconds, 1), tf32=torch.backends.cudnn.allow_tf32)
        with atomic(results/'training.json') as tmp: tmp.write_text(json.dumps(said, indent=1)+'\n')

class Row:
    "Kept passes, of which a step takes those of its row"
    def __init__(self, kept, rows): self.kept,self.rows = kept,rows
    def take(self, n, generator, part): return self.kept[self.rows()]
    def settle(self, student): pass

# All of them

def replay(trainings, end, threads):
    "Every thread keeps some streams filled"
    failed = []
    def work(mine):
        try:
            for k in range(mine[0].at, end):
                for t in mine:
                    with torch.cuda.stream(t.stream): t.graph.replay()
                    t.at += 1
                if k%50==0 or k+1==end:
                    for t in mine: t.stream.synchronize()
        except Exception as e: failed.append(e)
    parts = [trainings[k::threads] for k in range(threads)]
    running = [threading.Thread(target=work, args=(p,)) for p in parts if p]
    for r in running: r.start()
    for r in running: r.join()
    if failed: raise failed[0]

def train(trainings, threads, say, compiled, limit):
    "All trainings of one length, side by side; they are saved as soon as the last step is taken"
    steps,begun = trainings[0].steps,time.time()
    every = max(1, steps//10)
    cuda = trainings[0].device.type=='cuda'
    for t in trainings: t.distil._compare = arms._compared
    if compiled:
        torch._dynamo.config.cache_size_limit = torch._dynamo.config.recompile_limit = 256
        one = torch.compile(arms._compared, dynamic=False)
        call = torch.compile(passes.run, dynamic=False)
        for t in trainings:
            t.distil._compare = one
            for p in t.fresh: p.run = call
    half = math.ceil(.5*steps)
    marks = sorted({*range(every, steps+1, every), half, steps})
    for t in trainings:
        t.begin()
        say(f'{t.name} recorded')
    for end in marks:
        if cuda: replay(trainings, end, threads)
        else:
            for t in trainings: t.go(end)
        if end%every==0 or end==steps:
            for t in trainings: t.note()
            say(f'step {end:,}: '+', '.join(f"{t.log[-1].get('held_out_gen_sse', math.nan):.3f}" for t in trainings))
        if end==half and cuda:                                                     # batch norms are fixed from here on
            for t in trainings: t.begin(warm=1)
        if limit and time.time()-begun>limit: say('out of time'); return False
    for t in trainings:
        t.save(Path(t.how['checkpoint']), time.time()-begun, len(trainings))
    say(f'{len(trainings)} trainings of {steps:,} steps in {time.time()-begun:.0f} s')
    return True

def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument('config')
    ask.add_argument('--students', nargs='*', help='names; all by default')
    ask.add_argument('--real', action='store_true', help='those of real images, and only those')
    ask.add_argument('--device', default='cuda')
    ask.add_argument('--threads', type=int, default=8)
    ask.add_argument('--plain', action='store_true', help='without torch.compile')
    ask.add_argument('--limit', type=float, default=0, help='seconds after which it gives up')
    a = ask.parse_args()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    os.environ.setdefault('MPLBACKEND', 'Agg')
    begun = time.time()
    def say(text): print(f'{time.time()-begun:7.1f} s  {text}', flush=True)
    J = list(load_jobs([a.config], {}).values())[0]
    names = a.students or list(J.study.all_students())
    jobs = {n:J.distil(n) for n in names if ('real' in J.study.all_students()[n].sources)==a.real}
    finished = [n for n,j in jobs.items() if any((Path(j.params['out'])/f).exists() for f in ('state.pt','student'))]
    arms.KeptPasses,sources.own_samples = shared_passes(),shared_samples()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        pool.submit(int, 0).result()                                                # forked before the GPU is opened
        trainings = []
        for n,j in jobs.items():
            if n in finished: say(f'{n} is there already'); continue
            j.params['device'] = a.device
            trainings.append(Training(n, j, torch.device(a.device), pool))
            say(f'{n} prepared')
        if not trainings: return
        for steps in sorted({t.steps for t in trainings}):
            train([t for t in trainings if t.steps==steps], a.threads, say, not a.plain, a.limit)

if __name__=='__main__': main()
