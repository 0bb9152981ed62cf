"""One small study on several machines' terms: in shards, and through Slurm with a job killed on the way; equal bits.

    python workflow/test_machines.py shards      two shards against one
    python workflow/test_machines.py slurm       a cluster of one node, started here, against this machine alone
    python workflow/test_machines.py time        how much faster two shards are than one, on two idle cores

`slurm` takes what is installed (Debian: slurm-wlm, munge; and the extra `slurm` of this library) and says so if
something is missing; it has to run as root, as the daemons do. They get keys, ports and folders of their own in a
temporary folder, to which /etc/slurm/slurm.conf links while the test runs, and end with it. Work goes to `runs/test-*`
and `reports/test-*`, which are removed again. Nothing is installed or downloaded.
"""
import argparse, contextlib, getpass, importlib.util, os, shutil, socket, subprocess, sys, tempfile, time
from pathlib import Path
import pandas as pd, yaml

ROOT = Path(__file__).resolve().parents[1]
TIMES = ('seconds','single_ms','single_iqr_ms','batch_ms','batch_iqr_ms','peak_bytes')

def study(name, shards=1, n=20, group=5, steps=3, leaks=True):
    "A set, a student, an evaluation and (unless told otherwise) a leak check, as small as they go"
    asked = dict(n=20, n_held=100, n_members=500, n_non_members=200, n_membership=100, sets=['guided-s0'],
                 students=['B-guided-w8-s0'])
    return dict(
        study=name, dataset='fashion-mnist', seeds=[0], reports=[], shards=shards,
        synthesis_defaults=dict(n=n, group=group, steps=steps, weights=dict(batch_norm=1.0, typicality=1.0)),
        synthesis=dict(guided=dict(rho=.3)),
        distil=dict(n=20, steps=6, batch=8, passes=20),
        students=[dict(arms=['B'], sources=['guided'], widths=[8])],
        evaluate=dict(n=20, n_reference=40, n_test=40, latency_runs=2),
        **(dict(guidance=dict(leakage=asked)) if leaks else {}))

def leak_table(name): return f'reports/{name}/results/leakage/metrics.parquet'

def snakemake(config, *words, wait=True, **env):
    "Run a study; the process where nobody waits"
    study = yaml.safe_load(config.read_text())
    name = study['study']
    line = [sys.executable, '-m', 'snakemake', '-s', 'workflow/Snakefile', '--nolock', '--configfile', str(config),
            '--rerun-incomplete', '--rerun-triggers', 'mtime', 'params', '--quiet', 'rules', *words, '--', 'all',
            *([leak_table(name)] if study.get('guidance') else [])]
    started = subprocess.Popen(line, cwd=ROOT, env=os.environ|dict(OMP_NUM_THREADS='1')|env)
    if not wait: return started
    if started.wait(): raise SystemExit(f'failed: {" ".join(line)}')
    return started

def table(path):
    df = pd.read_parquet(path)
    df = df[~df.metric.str.endswith(TIMES)].drop(columns=[k for k in ('protocol',) if k in df])
    return df.sort_values(list(df.columns), key=lambda c: c.astype(str)).reset_index(drop=True)

def results(name):
    "Whatever a study made that has to be equal: bytes of images, records and weights, and tables without timings"
    work,tables = ROOT/'runs'/name,ROOT/'reports'/name/'results'
    files = [*work.glob('sets/*/images/*'), *work.glob('sets/*/groups/*'), *work.glob('sets/*/strips/*'),
             *work.glob('students/*/student/*.safetensors')]
    found = {f.relative_to(work).as_posix():f.read_bytes() for f in sorted(files)}
    return found,{f.relative_to(tables).as_posix():table(f) for f in sorted(tables.rglob('metrics.parquet'))}

def compare(a, b):
    "End with an error that names the first difference"
    (files,tables),(others,other_tables) = results(a),results(b)
    if not files or not tables: raise SystemExit(f'runs/{a} holds nothing to compare')
    for mine,theirs in ((files,others),(tables,other_tables)):
        if lone := sorted(mine.keys()^theirs.keys()): raise SystemExit(f'only one of {a} and {b} has {lone[:5]}')
    for k,v in files.items():
        if v!=others[k]: raise SystemExit(f'{k} differs between runs/{a} and runs/{b}')
    for k,v in tables.items(): pd.testing.assert_frame_equal(v, other_tables[k], check_exact=True, obj=k)
    print(f'{len(files)} files and {len(tables)} tables of {a} and {b} are equal, bit for bit')

@contextlib.contextmanager
def configs(*studies):
    "Configurations as files; whatever they make is removed"
    with tempfile.TemporaryDirectory() as d:
        paths = [Path(d)/f"{s['study']}.yaml" for s in studies]
        for path,s in zip(paths, studies): path.write_text(yaml.safe_dump(s))
        def remove():
            for s in studies:
                for place in ('runs','reports'): shutil.rmtree(ROOT/place/s['study'], ignore_errors=True)
        remove()
        try: yield paths
        finally: remove()

def shards():
    with configs(study('test-one'), study('test-two', 2)) as (one,two):
        for path in (one,two): snakemake(path, '-c', '2')
        compare('test-one', 'test-two')

def lacking():
    "What a cluster needs and this machine lacks; empty if nothing"
    daemons = [k for k in ('munged','slurmctld','slurmd','sbatch','scancel') if not shutil.which(k, path=PATH)]
    if daemons: return f"{', '.join(daemons)} not found (Debian: apt install slurm-wlm munge)"
    if importlib.util.find_spec('snakemake_executor_plugin_slurm') is None:
        return "snakemake-executor-plugin-slurm is not installed (pip install '.[slurm]')"
    if os.geteuid(): return f'{getpass.getuser()} is not root, as whom the daemons run'
    return f'{INSTALLED} exists: this machine has a cluster of its own' if INSTALLED.exists() else ''

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
INSTALLED = Path('/etc/slurm/slurm.conf')                                # jobs lose $SLURM_CONF, and look here

def free_port():
    with socket.socket() as s: s.bind(('',0)); return s.getsockname()[1]

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={other}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
JobRequeue=0
MinJobAge=600
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

@contextlib.contextmanager
def cluster():
    "munged, slurmctld and slurmd of our own; yields the environment to reach them with"
    folder = Path(tempfile.mkdtemp(prefix='slurm-', dir='/tmp'))
    for sub in ('state','spool'): (folder/sub).mkdir()
    host = socket.gethostname().partition('.')[0]
    memory = int(Path('/proc/meminfo').read_text().split()[1])//1024
    (folder/'slurm.conf').write_text(CONF.format(folder=folder, host=host, port=free_port(), other=free_port(),
                                                 cpus=os.cpu_count(), memory=memory))
    key = folder/'munge.key'; key.write_bytes(os.urandom(128)); key.chmod(0o400)
    env = os.environ|dict(PATH=PATH)
    daemons = (['munged','--foreground','--force',f'--key-file={key}',f'--socket={folder}/munge.sock',
                f'--pid-file={folder}/munged.pid',f'--log-file={folder}/munged.log',
                f'--seed-file={folder}/munged.seed'],
               ['slurmctld','-D'], ['slurmd','-D','-N',host])
    started = []
    try:
        INSTALLED.parent.mkdir(exist_ok=True); INSTALLED.unlink(missing_ok=True)     # of a test that was killed
        INSTALLED.symlink_to(folder/'slurm.conf')
        for words in daemons:
            with (folder/f'{words[0]}.out').open('w') as out:
                started.append(subprocess.Popen(words, env=env, stdout=out, stderr=out)); time.sleep(1)
        until = time.time()+60
        def state(): return subprocess.run(['sinfo','-h','-o','%T'], env=env, capture_output=True, text=True).stdout
        while 'idle' not in (said := state()):
            if time.time()>until or any(p.poll() is not None for p in started):
                logs = '\n'.join(f'{f.name}: {f.read_text()[-500:]}' for f in folder.glob('*.log'))
                raise SystemExit(f'the cluster did not start ({said.strip()})\n{logs}')
            time.sleep(1)
        print(subprocess.run(['sinfo'], env=env, capture_output=True, text=True).stdout, flush=True)
        yield dict(PATH=PATH)
    finally:
        if len(started)==3: subprocess.run(['scancel','--user=root'], env=env, capture_output=True)
        for p in reversed(started):
            p.terminate()
            try: p.wait(20)
            except subprocess.TimeoutExpired: p.kill()
        if INSTALLED.is_symlink(): INSTALLED.unlink()
        shutil.rmtree(folder, ignore_errors=True)

def killed(running, env):
    "Cancel the job of the first shard while it works; how snakemake ended"
    marks = ROOT/'runs'/'test-slurm'/'shards'/'guided-s0'/'0of2'
    while not list(marks.glob('groups/*.json')):                           # it has made something, and is not done
        if running.poll() is not None: raise SystemExit('the study ended before a job could be killed')
        time.sleep(.2)
    def queue(): return subprocess.run(['squeue','-h','-t','R','-o','%i %k'], env=os.environ|env, capture_output=True,
                                       text=True).stdout.splitlines()
    jobs = [line.split()[0] for line in queue() if 'synthesise_shard' in line]
    print('killing', jobs, 'with', len(list(marks.glob('groups/*.json'))), 'groups made', flush=True)
    subprocess.run(['scancel',*jobs], env=os.environ|env, check=True)
    return running.wait()

def slurm():
    if why := lacking(): print(f'skipped: {why}'); return
    kw = dict(n=24, group=3, steps=5, leaks=False)
    one,two = study('test-here', 1, **kw),study('test-slurm', 2, **kw)
    words = ['--executor','slurm','--cores','2','--jobs','4','--latency-wait','20','--retries','0',
             '--default-resources','tasks=1',
             '--set-resources',*[f'{k}:mem_mb=2000' for k in ('synthesise_shard','synthesise','distil','measure_shard',
                                                              'evaluate','leak_shard','leak_check')],
             '--slurm-init-seconds-before-status-checks','3','--slurm-no-account','--slurm-status-command','squeue']
    with configs(one, two) as (here,there):
        with cluster() as env:
            began = time.time()
            code = killed(snakemake(there, *words, wait=False, **env), env)
            print(f'snakemake ended with {code} after its job was killed; again:', flush=True)
            if not code: raise SystemExit('a killed job went unnoticed')
            snakemake(there, *words, **env)
            print(f'through Slurm: {time.time()-began:.0f} s, kill and rerun included', flush=True)
        snakemake(here, '-c', '2')
        compare('test-here', 'test-slurm')

def seconds(config, *targets):
    began = time.time()
    snakemake(config, '-c', '2', *targets)
    return time.time()-began

def timed():
    "A set alone, large enough for its start not to count"
    kw = dict(n=96, group=16, steps=10, leaks=False)
    with configs(study('test-one', 1, **kw), study('test-two', 2, **kw)) as paths:
        took = [seconds(p, '--until', 'synthesise') for p in paths]
    load = os.getloadavg()[0]
    print(f'one shard {took[0]:.0f} s, two {took[1]:.0f} s on two cores: efficiency {took[0]/took[1]/2:.2f} '
          f'(load average {load:.1f}; 2 without others at work)')

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('what', choices=('shards','slurm','time'))
    dict(shards=shards, slurm=slurm, time=timed)[p.parse_args().what]()
