# What the guidance study adds to sets, students and their evaluation: what a step costs (E12), a search without data (E14), a leak check (E13).
# Included by the Snakefile; the configuration's `guidance` says which of them to run
G = config.get("guidance", {})

def guidance_results():
    "Tables that the report `guidance` reads beside the study's own"
    wanted = expand(f"{results}/ladder/{{rung}}/seed=0/metrics.parquet", rung=G.get("ladder", {}))
    if G.get("search"): wanted += [f"{found}/metrics.parquet", f"{results}/evaluate_search/metrics.parquet"]
    if G.get("leakage"): wanted += [f"{results}/leakage/metrics.parquet"]
    return wanted

def rung(w): return dict(G["ladder"][w.rung] or {})
def rung_needs_search(w): return [f"{found}/metrics.parquet"] if rung(w).get("searched") else []

def rung_command(w):
    own = rung(w)
    if rung_needs_search(w): own["searched"] = found
    return notebook("E12_ladder", f"{work}/ladder/{w.rung}/run.ipynb", {**G.get("ladder_defaults", {}), **own, "rung":w.rung,
        "dataset":config["dataset"], "teacher":teacher, "generator":generator, "out":f"{results}/ladder/{w.rung}/seed=0"})

rule guidance_cost:
    input: "nbs/experiments/E12_ladder.ipynb", f"{teacher}/model.safetensors", weights, rung_needs_search
    output: f"{results}/ladder/{{rung}}/seed=0/metrics.parquet"
    threads: 1
    params: cmd=rung_command
    shell: "{params.cmd}"

rule search_guidance:
    input: "nbs/experiments/E14_search.ipynb", f"{teacher}/model.safetensors", weights
    output: f"{found}/metrics.parquet", touch(f"{work}/search/done")
    threads: 1
    params: cmd=notebook("E14_search", f"{work}/search/run.ipynb", {**G.get("search", {}), "dataset":config["dataset"], "teacher":teacher, "generator":generator, "out":f"{work}/search", "results":found, "replace":True})
    shell: "{params.cmd}"

asked = G.get("search", {})
trials_command = notebook("E06_evaluate", f"{work}/evaluate_search/run.ipynb", {**config.get("evaluate", {}), "n":asked.get("n", 0), "sets":f"{work}/search/sets",
    "dataset":config["dataset"], "teacher":teacher, "generator":generator, "out":f"{results}/evaluate_search", "work":f"{work}/evaluate_search"})

# the only place where the private images meet the trials: after the search is over
rule evaluate_search:
    input: f"{work}/search/done", "nbs/experiments/E06_evaluate.ipynb", f"{teacher}/model.safetensors", weights
    output: f"{results}/evaluate_search/metrics.parquet"
    threads: 1
    params: cmd=trials_command
    shell: "{params.cmd}"

leak = G.get("leakage", {})
suspects = {k:leak.get(k, []) for k in ("students", "sets")}
leak_command = notebook("E13_leakage", f"{work}/leakage/run.ipynb", {**{k:v for k,v in leak.items() if k not in suspects},
    **{k:f"{work}/{k}" for k,names in suspects.items() if names}, "student_names":",".join(suspects["students"]), "set_names":",".join(suspects["sets"]),
    "records":f"{results}/distil", "dataset":config["dataset"], "teacher":teacher, "out":f"{results}/leakage", "work":f"{work}/leakage"})

rule leak_check:
    input: expand(f"{work}/students/{{s}}/student/model.safetensors", s=suspects["students"]), expand(f"{work}/sets/{{s}}/images/metadata.jsonl", s=suspects["sets"]), "nbs/experiments/E13_leakage.ipynb"
    output: f"{results}/leakage/metrics.parquet"
    threads: 1
    params: cmd=leak_command
    shell: "{params.cmd}"
