"""The library on a GPU, beside the same work on the processor: contract, synthesis, distillation, metrics, export.

    python benchmarks/gpu.py                               on the GPU; under a minute
    python benchmarks/gpu.py --out gpu.json                keeps what it prints
    python benchmarks/gpu.py --device cpu --small          the same code without a GPU, to check it

Every part runs on `--device`, and as much of it again on the processor as fits into a minute: `difference` is the
largest one between both, `of` says of what. Both compute in float32 proper (TensorFloat-32 is off), so differences are
those of rounding in another order; they grow with the number of steps that build on each other. The part `paper` has
the shapes of Stable Diffusion 1.5 with random weights, in bfloat16, and a teacher of width 128: what a step of the
slides' scale costs (`--small` takes the smallest shapes that run through the same code). Nothing is downloaded, no data
set is opened. A part that fails says why and the others go on; the exit code is then 1.

`seconds` are wall time of the part on the device, `gpu_mb` the most memory allocated there.
"""
import argparse, json, os, platform, sys, tempfile, time, traceback
from pathlib import Path
os.environ.setdefault('HF_HUB_OFFLINE', '1')
os.environ.setdefault('TRANSFORMERS_VERBOSITY', 'error')
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))                     # it need not be installed
import torch
from dfkd_nb.core import frozen, n_parameters, state_hash
from dfkd_nb.data.images import FASHION_CLASSES
from dfkd_nb.data.sources import own_samples
from dfkd_nb.diffusion.pipeline import latent_shape, load_pipeline
from dfkd_nb.diffusion.published import published_pipeline
from dfkd_nb.distil.arms import ARMS, Distillation
from dfkd_nb.distil.contract import check_contract
from dfkd_nb.evaluate import metrics as M
from dfkd_nb.evaluate.features import build_extractor, extract
from dfkd_nb.files import data_dir
from dfkd_nb.guidance.losses import Guidance
from dfkd_nb.models.lvae import LVAE
from dfkd_nb.models.registry import load
from dfkd_nb.synthesis.dataset import synthesise_group
from dfkd_nb.synthesis.recipe import Recipe, Step
from dfkd_nb.training.loop import Objective, fit

def apart(a, b): return float((a.detach().cpu().float()-b.detach().cpu().float()).abs().max())

def teacher_on(device): return frozen(load(data_dir()/'pretrained'/'teacher')).to(device)

def contract(device, small):
    "Whatever every model has to keep, of a hierarchical VAE on the device; and its samples on both"
    torch.manual_seed(0)
    model = LVAE(8 if small else 32).to(device)
    found = check_contract(model)
    near,far = teacher_on('cpu'),teacher_on(device)
    drawn = [m.sample(m.noise(0, range(8), 'look')).image for m in (near,far)]
    where = {str(p.device.type) for p in model.parameters()}
    if where!={torch.device(device).type}: raise AssertionError(f"the model ended on {where}")
    return dict(checks=len(found), difference=apart(*drawn), of='samples of the shipped teacher, in [0, 1]')

def group_of(device, recipe, n):
    net,pipe = teacher_on(device),load_pipeline(device=device)
    before = state_hash(net)
    made,_,_ = synthesise_group(pipe, Guidance(net, recipe.weights), recipe, list(range(n)), FASHION_CLASSES)
    if state_hash(net)!=before: raise AssertionError("the teacher has changed")
    return made.images

def guided_group(device, small):
    "A group of the shipped pipeline, steered by the shipped teacher; a small one on both"
    weights = dict(typicality=1., batch_norm=1.)
    def recipe(n, steps): return Recipe(n=n, group=n, steps=steps, weights=weights, step=Step(rho=.5))
    n = 4 if small else 64
    far = group_of(device, recipe(n, 3 if small else 20), n)
    both = [group_of(d, recipe(4,4), 4) for d in (device,'cpu')]
    return dict(images=len(far), difference=apart(*both), of='four guided images of four timesteps, in [0, 1]')

def log_of(device, steps, batch, passes, width=8):
    net = teacher_on(device)
    torch.manual_seed(0)
    student = LVAE(width).to(device)
    distil = Distillation(ARMS['B'], net, own_samples(net, passes), batch=batch, passes=passes)
    log = fit(Objective(distil.loss, student=student), steps, 3e-3, log_every=1, desc=f'student on {device}')
    at = next(student.parameters()).device.type
    if at!=torch.device(device).type: raise AssertionError(f"the student was asked for on {device} and ended on {at}")
    return torch.tensor(log.loss.to_numpy())

def student(device, small):
    "Arm B, 300 steps; twenty on both. What is asked for on the processor stays there"
    steps,batch,passes,few = (6,8,16,3) if small else (300,64,512,20)
    began = time.perf_counter()
    far = log_of(device, steps, batch, passes)
    took = time.perf_counter()-began
    a,b = (log_of(d, few, 16, 64) for d in (device,'cpu'))
    return dict(steps=steps, seconds_of_student=round(took,2), first_loss=float(far[0]), last_loss=float(far[-1]),
                first_difference=float((a/b-1).abs()[0]), difference=float((a/b-1).abs().max()),
                of=f'losses of {few} steps, relative')

def metric_suite(device, small):
    "Features on the device, metrics in float64 on the processor"
    n = 32 if small else 512
    net = teacher_on(device)
    a,b = (own_samples(net, n, seed=s).images for s in (0,1))
    name = 'efficientnet-lite0'
    try: build_extractor(name, device)
    except ImportError: name = 'pixels'
    values = [M.standard_metrics(*(extract(o, name, device=d) for o in (a,b))) for d in (device,'cpu')]
    far,near = values
    return dict(extractor=name, n=n, **{k:round(v,4) for k,v in far.items()},
                difference=max(abs(far[k]-near[k])/max(abs(near[k]),1e-9) for k in ('fd','density','coverage')),
                of='FD, density and coverage, relative')

def onnx_export(device, small):
    "A model that lives on the device, as ONNX; its graphs against torch's answers there"
    from dfkd_nb.export.to_onnx import export, open_parts
    import importlib.util
    lacking = [k for k in ('onnx','onnxscript','onnxruntime') if importlib.util.find_spec(k) is None]
    if lacking: return dict(skipped=f"{', '.join(lacking)} not installed")
    torch.manual_seed(0)
    net = frozen(LVAE(8)).to(device)
    with tempfile.TemporaryDirectory() as d:
        about,sessions = open_parts(export(net, Path(d)/'onnx'))
        worst = max(p['parity']['largest'] for p in about['parts'].values())
    if next(net.parameters()).device.type!=torch.device(device).type: raise AssertionError("export moved the model")
    return dict(parts=len(sessions), difference=worst, of="graphs' outputs, against torch")

def paper(device, small):
    "Two images, two timesteps, at Stable Diffusion 1.5's shapes, guided by a width-128 teacher; then one student step"
    name,dtype = ('small',torch.float32) if small else ('sd15',torch.bfloat16)
    pipe = published_pipeline(name, device, dtype)
    torch.manual_seed(0)
    net = frozen(LVAE(16 if small else 128)).to(device)
    recipe = Recipe(n=2, group=2, steps=2, weights=dict(typicality=1.), precision='fp32' if small else 'bf16',
                    step=Step(rho=.5, decoder='checkpointed'))
    guidance,classes = Guidance(net, recipe.weights),('airplane','automobile')
    seconds = []
    for _ in range(2):                                                           # the first call chooses its kernels
        began = time.perf_counter()
        made,_,_ = synthesise_group(pipe, guidance, recipe, [0,1], classes)
        seconds.append(time.perf_counter()-began)
    if not torch.isfinite(made.images).all(): raise AssertionError("images are not finite")
    batch = 4 if small else 128
    distil = Distillation(ARMS['B'], net, own_samples(net, batch), batch=batch, passes=batch)
    steps,began = (2 if small else 20),time.perf_counter()
    fit(Objective(distil.loss, student=LVAE(8 if small else 32).to(device)), steps, 1e-4, desc='width 32')
    return dict(shapes=name, latents=list(latent_shape(pipe)), parameters=n_parameters(pipe.unet),
                first_seconds=round(seconds[0],2), seconds_per_image_step=round(seconds[1]/4,4),
                seconds_per_student_step=round((time.perf_counter()-began)/steps,4))

PARTS = dict(contract=contract, guided_group=guided_group, student=student, metric_suite=metric_suite,
             onnx_export=onnx_export, paper=paper)

def measured(part, device, small):
    "What a part says of itself, its wall time, and the memory that it took on the device"
    cuda,began = torch.device(device).type=='cuda',time.perf_counter()
    if cuda: torch.cuda.empty_cache(); torch.cuda.reset_peak_memory_stats()
    try: said = part(device, small)
    except Exception as e: said = dict(failed=f'{type(e).__name__}: {e}'[:500], trace=traceback.format_exc()[-1500:])
    if cuda: torch.cuda.synchronize()
    said['seconds'] = round(time.perf_counter()-began, 2)
    if cuda: said['gpu_mb'] = round(torch.cuda.max_memory_allocated()/2**20)
    return said

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--device', default='cuda', help='cuda, or cpu')
    p.add_argument('--small', action='store_true', help='sizes for a check of the code')
    p.add_argument('--only', nargs='*', choices=list(PARTS), default=list(PARTS), help='parts to run')
    p.add_argument('--out', help='JSON file')
    o = p.parse_args()
    if o.device!='cpu' and not torch.cuda.is_available():
        raise SystemExit(f"skipped: torch {torch.__version__} sees no GPU; --device cpu --small checks the code")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    gpu = torch.device(o.device).type=='cuda'
    found = dict(device=torch.cuda.get_device_name() if gpu else platform.machine(), torch=torch.__version__,
                 cuda=torch.version.cuda, small=o.small, parts={})
    began = time.perf_counter()
    for name in o.only:
        found['parts'][name] = said = measured(PARTS[name], o.device, o.small)
        print(name, json.dumps({k:v for k,v in said.items() if k!='trace'}), flush=True)
        if 'trace' in said: print(said['trace'], file=sys.stderr, flush=True)
    found['seconds'] = round(time.perf_counter()-began, 1)
    print(found['device'], f"torch {found['torch']}", f"{found['seconds']} s")
    if o.out: Path(o.out).write_text(json.dumps(found, indent=1)+'\n')
    raise SystemExit(any('failed' in v for v in found['parts'].values()))

if __name__=='__main__': main()
