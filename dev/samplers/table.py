#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table of docs/sampling.md: samplers by evaluations of the network and by guidance.

    table.py RIN MODEL CLASSIFIER REFERENCE.npy RESULTS.jsonl [--count N] [--guidance W,..] [--evaluations E,..]
             [--samplers NAME,..]

Makes N pictures a cell, spread over the classes, always of the same seed; their quality is the Frechet distance of the
classifier's features to REFERENCE.npy (classifier.py features of the test pictures) by `rin eval fid`, and how many are
taken for the class that was asked for. An evaluation is one pass of the network over a picture: a guided one takes two,
so that guided cells have half the steps. Cells that RESULTS.jsonl has are left out; then the table is printed.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLERS = {
    "ddpm": ["--sampler", "ddpm"],
    "ddpm@small": ["--sampler", "ddpm@small"],
    "ddim": ["--sampler", "ddim"],
    "euler": ["--sampler", "euler"],
    "dpmpp2m": ["--sampler", "dpmpp2m"],
    "dpmpp2m uniform": ["--sampler", "dpmpp2m", "--spacing", "uniform"],
    "dpmpp2m eta 1": ["--sampler", "dpmpp2m", "--set", "sample.eta=1"],
    "unipc": ["--sampler", "unipc"],
    "heun": ["--sampler", "heun"],
}


def numbers(text, kind):
    return [kind(word) for word in text.split(",")]


def steps_of(sampler, evaluations, guidance):
    passes = evaluations // 2 if guidance else evaluations
    return (passes + 1) // 2 if sampler == "heun" else passes


def measure(a, sampler, evaluations, guidance):
    folder = tempfile.mkdtemp()
    try:
        steps = steps_of(sampler, evaluations, guidance)
        command = [a.rin, "sample", "--model", a.model, "--out", f"{folder}/grid.png", "--save-each", f"{folder}/each"]
        command += ["--count", str(a.count), "--seed", "1", "--steps", str(steps), "--guidance", str(guidance)]
        subprocess.run(command + SAMPLERS[sampler], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        features = f"{folder}/features.npy"
        right = subprocess.run(
            [sys.executable, f"{HERE}/classifier.py", "features", a.classifier, f"{folder}/each", features],
            check=True, capture_output=True, text=True).stdout
        score = subprocess.run([a.rin, "eval", "fid", "--data", features, "--reference", a.reference, "--json"],
                               check=True, capture_output=True, text=True).stdout
        return {"sampler": sampler, "evaluations": evaluations, "guidance": guidance, "steps": steps,
                "count": a.count, "distance": json.loads(score)["fid"], "right": float(right)}
    finally:
        shutil.rmtree(folder)


def show(rows, a):
    for guidance in a.guidance:
        print(f"\nGuidance {guidance:g}: Frechet distance, and per cent taken for their class\n")
        print("| sampler | " + " | ".join(str(e) for e in a.evaluations) + " |")
        print("|" + "---|" * (len(a.evaluations) + 1))
        for sampler in a.samplers:
            cells = [rows.get((sampler, e, guidance, a.count)) for e in a.evaluations]
            print(f"| {sampler} | " + " | ".join(f"{c['distance']:.2f}, {c['right']:.0f}" if c else "" for c in cells)
                  + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("rin", "model", "classifier", "reference", "results"):
        parser.add_argument(name)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--guidance", type=lambda t: numbers(t, float), default=[0.0, 0.5, 1.0, 2.0])
    parser.add_argument("--evaluations", type=lambda t: numbers(t, int), default=[10, 25, 50, 100, 250, 400])
    parser.add_argument("--samplers", type=lambda t: t.split(","), default=list(SAMPLERS))
    a = parser.parse_args()
    rows = {}
    if os.path.exists(a.results):
        with open(a.results) as lines:
            for row in map(json.loads, lines):
                rows[row["sampler"], row["evaluations"], row["guidance"], row["count"]] = row
    for evaluations in a.evaluations:
        for guidance in a.guidance:
            for sampler in a.samplers:
                key = (sampler, evaluations, guidance, a.count)
                if key in rows:
                    continue
                rows[key] = measure(a, sampler, evaluations, guidance)
                with open(a.results, "a") as out:
                    out.write(json.dumps(rows[key]) + "\n")
    show(rows, a)


if __name__ == "__main__":
    main()
