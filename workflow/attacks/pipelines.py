"""Pipelines of others: schedulers of every class with random settings, parts missing or renamed, fp16

What is accepted has to be what diffusers itself makes of the folder: its networks bit for bit, its noise schedule to
float precision, and images of its own DDIM sampler, to 1e-4 of their range.
"""
import inspect, json, shutil
import diffusers, torch
from diffusers import DDIMScheduler, SchedulerMixin, StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from dfkd_nb.diffusion.pipeline import PARTS, full_size, latent_shape, load_pipeline, save_pipeline
from dfkd_nb.synthesis.recipe import Recipe
from dfkd_nb.synthesis.sampler import denoise
from . import Trial, fingerprint
from .artefacts import pipeline

def _is_scheduler(cls): return inspect.isclass(cls) and issubclass(cls, SchedulerMixin) and cls is not SchedulerMixin
SCHEDULERS = [k for k in sorted(dir(diffusers)) if k.endswith('Scheduler') and _is_scheduler(getattr(diffusers, k))]
PROMPTS = ['a white bag','']
SETTINGS = dict(
    prediction_type=('epsilon','v_prediction','sample','flow_prediction'), beta_end=(.012,.02,.03), steps_offset=(0,1),
    beta_schedule=('linear','scaled_linear','squaredcos_cap_v2'), timestep_spacing=('leading','trailing','linspace'),
    set_alpha_to_one=(True,False), rescale_betas_zero_snr=(True,False), clip_sample=(True,False),
    thresholding=(False,True),
    use_karras_sigmas=(False,True), use_flow_sigmas=(False,True), use_exponential_sigmas=(False,True),
    trained_betas=(None,[.001]*500+[.02]*500), num_train_timesteps=(1000,500)) # Setting → values that are drawn

def _noise(pipe): return torch.randn(2, *latent_shape(pipe), generator=torch.Generator().manual_seed(0))

def _images(pipe, steps=3):
    "Two images of diffusers' own pipeline, without guidance"
    if pipe.scheduler.config.timestep_spacing=='linspace': return _by_hand(pipe, steps)
    return pipe(PROMPTS, latents=_noise(pipe), num_inference_steps=steps, guidance_scale=1., output_type='pt').images

def _by_hand(pipe, steps):
    "The same by equation 12 of Song et al. (2021): where linspace spaces them, diffusers' steps miss the next"
    scheduler,x = pipe.scheduler,_noise(pipe)
    scheduler.set_timesteps(steps)
    words = pipe.encode_prompt(PROMPTS, 'cpu', 1, False)[0]
    abar = [*scheduler.alphas_cumprod[scheduler.timesteps].double(), torch.tensor(1., dtype=torch.float64)]
    for k,t in enumerate(scheduler.timesteps):
        said,a = pipe.unet(x, t, words).sample,abar[k]
        x0 = dict(epsilon=(x-(1-a)**.5*said)/a**.5, sample=said, v_prediction=a**.5*x-(1-a)**.5*said)[
            scheduler.config.prediction_type]
        x = (abar[k+1]**.5*x0+(1-abar[k+1])**.5*(x-a**.5*x0)/(1-a)**.5).float()
    return (pipe.vae.decode(x/pipe.vae.config.scaling_factor).sample/2+.5).clamp(0, 1)

def _ours(folder, steps=3):
    "The same by this library"
    pipe = load_pipeline(folder)
    made = denoise(pipe, _noise(pipe), PROMPTS, Recipe(steps=steps, guidance_scale=1.), size=full_size(pipe))
    return made.images,pipe.scheduler.alphas_cumprod,pipe.scheduler.config.prediction_type

def _own_ddim(scheduler):
    "DDIM of a scheduler's betas, by diffusers, which leaves latents unclipped and ends at x̂0"
    config = {k:v for k,v in scheduler.config.items() if k in inspect.signature(DDIMScheduler).parameters}
    spacing = config.get('timestep_spacing', 'linspace')
    return DDIMScheduler(**config|dict(clip_sample=False, set_alpha_to_one=True, timestep_spacing=spacing))

def _sampled_alike(folder, name):
    "Whether images and schedule are those of diffusers"
    with torch.no_grad():
        scheduler = getattr(diffusers, name).from_pretrained(folder/'scheduler')
        theirs = StableDiffusionPipeline.from_pretrained(folder, scheduler=_own_ddim(scheduler), safety_checker=None)
        theirs.set_progress_bar_config(disable=True)
        right = _images(theirs)
    def alike(value):
        images,alphas,kind = value
        return (torch.allclose(alphas, scheduler.alphas_cumprod, atol=1e-6) and kind==scheduler.config.prediction_type
                and (images-right).abs().max()<1e-4)
    return alike

def _scheduler(name, draw):
    "A file of a scheduler, as its class writes it, with some settings of others"
    known = inspect.signature(getattr(diffusers, name)).parameters
    own = {k:draw.choice(v) for k,v in SETTINGS.items() if k in known and draw.random()<.4}
    return own,getattr(diffusers, name)(**own)

def _schedulers(draw, n, folder):
    "Random schedulers in a whole folder"
    index = json.loads((folder/'model_index.json').read_text())
    drawn = [SCHEDULERS[k%len(SCHEDULERS)] for k in range(max(n, len(SCHEDULERS)))]
    for name in draw.sample(drawn, n):
        try: own,scheduler = _scheduler(name, draw)
        except Exception: continue                                                # diffusers refuses it by itself
        shutil.rmtree(folder/'scheduler')
        scheduler.save_pretrained(folder/'scheduler')
        (folder/'model_index.json').write_text(json.dumps(index|dict(scheduler=['diffusers',name])))
        said = ', '.join(f'{k}={v if not isinstance(v, list) else "given"}' for k,v in own.items()) or 'as it comes'
        yield Trial(name, said, lambda: _ours(folder), ('scheduler',name),
                    lambda value: _sampled_alike(folder, name)(value))

WEIGHTS = dict(vae='diffusion_pytorch_model', unet='diffusion_pytorch_model', text_encoder='model')

def _networks(folder):
    pipe = load_pipeline(folder)
    return [fingerprint(getattr(pipe, p)) for p in WEIGHTS]

def _half(folder, part):
    "Only a variant of half precision is there"
    path = folder/part/f'{WEIGHTS[part]}.safetensors'
    save_file({k:v.half() if v.is_floating_point() else v for k,v in load_file(path).items()},
              path.with_name(f'{WEIGHTS[part]}.fp16.safetensors'), metadata=dict(format='pt'))
    path.unlink()

def _both(folder, part):
    "A variant of half precision is there, too"
    path = folder/part/f'{WEIGHTS[part]}.safetensors'
    whole = path.read_bytes()
    _half(folder, part)
    path.write_bytes(whole)

def _tensors(change):
    "Change the tensors of a part"
    def apply(folder, part, draw):
        path = folder/part/f'{WEIGHTS[part]}.safetensors'
        tensors = load_file(path)
        change(tensors, draw.choice(sorted(tensors)))
        save_file(tensors, path, metadata=dict(format='pt'))
    return apply

def _rename(tensors, k): tensors[k+'_'] = tensors.pop(k)
def _drop(tensors, k): tensors.pop(k)
def _add(tensors, k): tensors['of_another'] = tensors[k].clone()
def _reshape(tensors, k): tensors[k] = tensors[k].flatten()[:-1].clone() if tensors[k].numel()>1 else torch.zeros(7)

def _config(change):
    "Change a part's configuration"
    def apply(folder, part, draw):
        path = folder/part/'config.json'
        config = json.loads(path.read_text())
        numbers = sorted(k for k,v in config.items() if k[0]!='_' and isinstance(v, (int,float,list)))
        change(config, draw.choice(numbers))
        path.write_text(json.dumps(config))
    return apply

def _gone(config, k): config.pop(k)
def _larger(config, k):
    v = config[k]
    config[k] = v+v if isinstance(v, list) else not v if isinstance(v, bool) else 2*v+1

REFUSED = {'a tensor renamed':_tensors(_rename), 'a tensor missing':_tensors(_drop), 'a tensor too many':_tensors(_add),
           'a tensor of another shape':_tensors(_reshape)} # What is done to a part, and may not be accepted
OTHERWISE = {'a key of its configuration missing':_config(_gone),
             'a number of its configuration changed':_config(_larger)} # What diffusers understands, too

def _theirs(folder):
    "Networks as diffusers loads them, which is how they are right"
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    return [fingerprint(getattr(pipe, p)) for p in WEIGHTS]

def _parts(draw, n, whole, to):
    "Random parts, changed"
    for k in range(n):
        shutil.rmtree(to, ignore_errors=True); shutil.copytree(whole, to)
        part,how = draw.choice(sorted(WEIGHTS)),draw.choice([*REFUSED,*OTHERWISE])
        ({**REFUSED,**OTHERWISE})[how](to, part, draw)
        same = None if how in REFUSED else lambda value: value==_theirs(to)
        yield Trial(part, how, lambda: _networks(to), (f'{to}',), same)

def _variants(whole, to):
    "Weights of half precision: alone, and beside whole ones"
    for part in WEIGHTS:
        shutil.rmtree(to, ignore_errors=True); shutil.copytree(whole, to)
        wanted = {k:v.half().float() if v.is_floating_point() else v
                  for k,v in load_file(to/part/f'{WEIGHTS[part]}.safetensors').items()}
        _half(to, part)
        yield Trial(part, 'only its fp16 variant', lambda: getattr(load_pipeline(to), part).state_dict(), (part,),
                    lambda got: all(torch.equal(got[k], v) for k,v in wanted.items() if k in got))
        shutil.rmtree(to); shutil.copytree(whole, to); right = _networks(to)
        _both(to, part)
        yield Trial(part, 'its fp16 variant beside it', lambda: _networks(to), (part,), lambda got: got==right)

def _files(whole, to):
    "Every file missing"
    for path in sorted(f for f in whole.rglob('*') if f.is_file()):
        shutil.rmtree(to, ignore_errors=True); shutil.copytree(whole, to)
        right = _networks(to)
        (to/path.relative_to(whole)).unlink()
        yield Trial(str(path.relative_to(whole)), 'missing', lambda: _networks(to), (str(to),), lambda got: got==right)

def trials(full, draw, folder):
    "Schedulers, parts, variants, files"
    whole = folder/'whole'
    save_pipeline(whole, **{p:getattr(pipeline(0), p) for p in PARTS})
    for f in whole.rglob('SHA256SUMS'): f.unlink()                                # as others write it
    shutil.copytree(whole, folder/'scheduled')
    yield from _schedulers(draw, 400 if full else 30, folder/'scheduled')
    yield from _parts(draw, 150 if full else 15, whole, folder/'changed')
    yield from _variants(whole, folder/'changed')
    if full: yield from _files(whole, folder/'changed')
