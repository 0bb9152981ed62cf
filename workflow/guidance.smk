# What the guidance study adds to sets, students and their evaluation: what a step costs (E12), a search without data
# (E14), a leak check (E13). Included by the Snakefile; the configuration's `guidance` says which of them to run
rule guidance_cost:
    input: inputs(lambda J, w: J.guidance_cost(w.rung))
    output: f"{results}/ladder/{{rung}}/seed=0/metrics.parquet"
    threads: 1
    resources: **set_aside(lambda J, w: J.guidance_cost(w.rung))
    params: cmd=shell_line(lambda J, w: J.guidance_cost(w.rung))
    shell: "exec {params.cmd}"

rule search_guidance:
    input: inputs(lambda J, w: J.search_guidance())
    output: f"{results}/search/metrics.parquet", touch(f"{work}/search/done")
    threads: 1
    resources: **set_aside(lambda J, w: J.search_guidance())
    params: cmd=shell_line(lambda J, w: J.search_guidance())
    shell: "exec {params.cmd}"

# the only place where the private images meet the trials: after the search is over
rule evaluate_search:
    input: inputs(lambda J, w: J.evaluate_search())
    output: f"{results}/evaluate_search/metrics.parquet"
    threads: 1
    resources: **set_aside(lambda J, w: J.evaluate_search())
    params: cmd=shell_line(lambda J, w: J.evaluate_search())
    shell: "exec {params.cmd}"

rule leak_check:
    input: inputs(lambda J, w: J.leak_check())
    output: f"{results}/leakage/metrics.parquet"
    threads: 1
    resources: **set_aside(lambda J, w: J.leak_check())
    params: cmd=shell_line(lambda J, w: J.leak_check())
    shell: "exec {params.cmd}"

rule leak_shard:
    input: inputs(lambda J, w: J.leak_shard(int(w.k)))
    output: touch(f"{work}/leakage/{{k}}of{{shards}}/done")
    threads: 1
    resources: **set_aside(lambda J, w: J.leak_shard(int(w.k)))
    params: cmd=shell_line(lambda J, w: J.leak_shard(int(w.k)))
    shell: "exec {params.cmd}"
