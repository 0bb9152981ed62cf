# The classifier study: transfer sets (E08) → students (E09) → evaluation (E10) → report. Included by the Snakefile;
# names, defaults and rows come from the configuration's `classifiers`
C     = config.get("classifiers", {})
judge = C.get("teacher", f"{shipped}/classifier")

def classifier_students():
    "Every student of the configuration: ROW-nIMAGES-sSEED; n0 is all images of the source"
    return [f"{row}-n{n}-s{seed}" for row,how in C.get("students", {}).items() for n in how.get("n", [C["n"]]) for seed in how.get("seeds", C["seeds"])]

def transfer_sets():
    "Every set that some student learns from"
    return sorted({f"{how['source']}-s{seed}" for how in C.get("students", {}).values() if how["source"]!="real" for seed in how.get("seeds", C["seeds"])})

wildcard_constraints:
    row=r"[a-z0-9+_-]+", set=r"[a-z0-9+_-]+", size=r"\d+"

def transfer_command(w):
    folder,how = f"{w.set}-s{w.seed}",{**C["set_defaults"], **C["sets"][w.set]}
    how = {**C.get("method_defaults", {}).get(how["method"], {}), **how}
    return notebook("E08_transfer_set", f"{work}/transfer/{folder}/run.ipynb", {**how, "label":w.set, "seed":int(w.seed), "dataset":config["dataset"], "teacher":judge,
        **({"generator":generator, "student":C["student"]} if how["method"]=="diffusion" else {}), "out":f"{work}/transfer/{folder}", "results":f"{results}/transfer/{w.set}/seed={w.seed}"})

rule transfer_set:
    input: "nbs/experiments/E08_transfer_set.ipynb", f"{judge}/model.safetensors", weights
    output: f"{work}/transfer/{{set}}-s{{seed}}/images/metadata.jsonl", f"{results}/transfer/{{set}}/seed={{seed}}/metrics.parquet"
    threads: 1
    params: cmd=transfer_command
    shell: "{params.cmd}"

def transfer_needed(w):
    source = C["students"][w.row]["source"]
    return [] if source=="real" else [f"{work}/transfer/{source}-s{w.seed}/images/metadata.jsonl"]

def classifier_command(w):
    folder,how = f"{w.row}-n{w.size}-s{w.seed}",{k:v for k,v in C["students"][w.row].items() if k not in ("n","seeds")}
    source = how.pop("source")
    return notebook("E09_classifier_student", f"{work}/classifiers/{folder}/run.ipynb", {**C["student_defaults"], **how, "arch":C["student"], "label":w.row, "n":int(w.size), "seed":int(w.seed),
        "source":source if source=="real" else f"{work}/transfer/{source}-s{w.seed}", "dataset":config["dataset"], "teacher":judge,
        "out":f"{work}/classifiers/{folder}", "results":f"{results}/classifier/{w.row}-n{w.size}/seed={w.seed}"})

rule classifier_student:
    input: transfer_needed, "nbs/experiments/E09_classifier_student.ipynb", f"{judge}/model.safetensors"
    output: f"{work}/classifiers/{{row}}-n{{size}}-s{{seed}}/student/model.safetensors", f"{results}/classifier/{{row}}-n{{size}}/seed={{seed}}/metrics.parquet"
    threads: 1
    params: cmd=classifier_command
    shell: "{params.cmd}"

evaluate_classifiers_command = notebook("E10_evaluate_classifiers", f"{work}/evaluate_classifiers/run.ipynb", {**C.get("evaluate", {}), "students":f"{work}/classifiers",
    "student_names":",".join(classifier_students()), "dataset":config["dataset"], "teacher":judge, "out":f"{results}/evaluate_classifiers"})

rule evaluate_classifiers:
    input: expand(f"{work}/classifiers/{{s}}/student/model.safetensors", s=classifier_students()), "nbs/experiments/E10_evaluate_classifiers.ipynb"
    output: f"{results}/evaluate_classifiers/metrics.parquet"
    threads: 1
    params: cmd=evaluate_classifiers_command
    shell: "{params.cmd}"

rule render_classifiers:
    input: "nbs/reports/classifiers.ipynb", f"{results}/evaluate_classifiers/metrics.parquet"
    output: f"{pages}/classifiers.html"
    threads: 1
    shell: "python -m dfkd_nb.runs {input[0]} {output} study={study}"
