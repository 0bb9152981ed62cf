# The classifier study: transfer sets (E08) → students (E09) → evaluation (E10) → report. Included by the Snakefile
def of_transfer_set(w):
    return J.transfer_set(w.set, int(w.seed))

rule transfer_set:
    input: inputs(of_transfer_set)
    output:
        f"{work}/transfer/{{set}}-s{{seed}}/images/metadata.jsonl",
        f"{results}/transfer/{{set}}/seed={{seed}}/metrics.parquet"
    threads: 1
    params: cmd=shell_line(of_transfer_set)
    shell: "{params.cmd}"

def of_classifier(w):
    return J.classifier_student(w.row, int(w.size), int(w.seed))

rule classifier_student:
    input: inputs(of_classifier)
    output:
        f"{work}/classifiers/{{row}}-n{{size}}-s{{seed}}/student/config.json",
        f"{results}/classifier/{{row}}-n{{size}}/seed={{seed}}/metrics.parquet"
    threads: 1
    params: cmd=shell_line(of_classifier)
    shell: "{params.cmd}"

rule evaluate_classifiers:
    input: inputs(lambda w: J.evaluate_classifiers())
    output: f"{results}/evaluate_classifiers/metrics.parquet"
    threads: 1
    params: cmd=shell_line(lambda w: J.evaluate_classifiers())
    shell: "{params.cmd}"
