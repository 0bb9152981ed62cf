# The classifier study: transfer sets (E08) → students (E09) → evaluation (E10) → report. Included by the Snakefile
def of_transfer_set(J, w):
    return J.transfer_set(w.set, int(w.seed))

rule transfer_set:
    input: inputs(of_transfer_set)
    output:
        f"{work}/transfer/{{set}}-s{{seed}}/images/metadata.jsonl",
        f"{results}/transfer/{{set}}/seed={{seed}}/metrics.parquet"
    threads: 1
    resources: **set_aside(of_transfer_set)
    params: cmd=shell_line(of_transfer_set)
    shell: "exec {params.cmd}"

def of_classifier(J, w):
    return J.classifier_student(w.row, int(w.size), int(w.seed))

rule classifier_student:
    input: inputs(of_classifier)
    output:
        f"{work}/classifiers/{{row}}-n{{size}}-s{{seed}}/student/config.json",
        f"{results}/classifier/{{row}}-n{{size}}/seed={{seed}}/metrics.parquet"
    threads: 1
    resources: **set_aside(of_classifier)
    params: cmd=shell_line(of_classifier)
    shell: "exec {params.cmd}"

rule evaluate_classifiers:
    input: inputs(lambda J, w: J.evaluate_classifiers())
    output: f"{results}/evaluate_classifiers/metrics.parquet"
    threads: 1
    resources: **set_aside(lambda J, w: J.evaluate_classifiers())
    params: cmd=shell_line(lambda J, w: J.evaluate_classifiers())
    shell: "exec {params.cmd}"
