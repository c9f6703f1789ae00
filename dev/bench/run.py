#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Compares rin with its PyTorch peer on this machine and writes the result into docs/performance.md.
"""Alternates rin and PyTorch, round by round, keeps the best of each, and rewrites the table of docs/performance.md."""
import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REPORT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
INFO_RUNS = 10


class Row(NamedTuple):
    preset: str
    batch: int
    steps: int
    step_target: float  # PyTorch's seconds over rin's
    forward_target: float

    def __str__(self):
        return f"{self.preset},{self.batch}"


ROWS = [
    Row("cifar10", 16, 3, 1.30, 1.12),
    Row("cifar10", 1, 10, 1.60, 1.40),
    Row("small", 16, 30, 1.80, 1.60),
    Row("small", 1, 150, 5.0, 4.0),
    Row("imagenet64_released", 4, 2, 1.35, 1.10),
]
MAIN = ROWS[0]  # where the share of the peak and the scaling over threads are measured


class Failure(Exception):
    """One line for the user."""


# What runs


def output_of(command, remedy):
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    except OSError as e:
        raise Failure(f"{command[0]}: {e.strerror}; {remedy}") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise Failure(f"'{' '.join(map(str, command))}' failed: {said}; {remedy}")
    return done.stdout


def json_of(command, remedy):
    text = output_of(command, remedy)
    try:
        return json.loads(text)
    except ValueError:
        raise Failure(f"'{' '.join(map(str, command))}' printed no JSON object; {remedy}") from None


class Programs:
    """The two programs that are compared."""

    def __init__(self, rin, python):
        self.rin, self.python = rin, python
        self.rin_remedy = "build rin with 'make' or name it with --rin"
        self.peer_remedy = "make an environment with 'dev/bench/setup.sh DIR' and give --python DIR/peer-python"

    def versions(self):
        rin = output_of([self.rin, "--version"], self.rin_remedy).splitlines()
        ask = "import platform, torch; print(torch.__version__, platform.python_version())"
        torch, python = output_of([self.python, "-c", ask], self.peer_remedy).split()
        built = [line for line in rin[1:] if line.startswith("built with")]
        return ", ".join([" ".join(rin[:1] + built[:1]), f"PyTorch {torch}", f"Python {python}"])

    def bench(self, row, steps, *more):
        options = ["--preset", row.preset, "--batch", row.batch, "--steps", steps, "--json", *more]
        return json_of([self.rin, "bench", *options], self.rin_remedy)

    def gemm(self):
        return json_of([self.rin, "bench", "--gemm", "--json"], self.rin_remedy)

    def peer(self, row, steps, *more):
        options = ["--preset", row.preset, "--batch", row.batch, "--steps", steps, *more]
        return json_of([self.python, HERE / "peer.py", *options], self.peer_remedy)

    def info_seconds(self, model):
        best = float("inf")
        for _ in range(INFO_RUNS):
            begin = time.perf_counter()
            output_of([self.rin, "info", model], "name a model file with --model")
            best = min(best, time.perf_counter() - begin)
        return {"info_s": best}


# Measuring


class Job(NamedTuple):
    key: tuple  # (row or None, what)
    run: object


def jobs_of_a_round(programs, rows, model, quick):
    jobs = [Job((None, "gemm"), programs.gemm)]
    for row in rows:
        steps = max(1, row.steps // 10) if quick else row.steps

        def job(what, function, *more, row=row, steps=steps):
            jobs.append(Job((row, what), lambda: function(row, steps, *more)))

        # As many runs of rin as of PyTorch: the machine is never quite quiet, and the best of more runs is better.
        job("eager", programs.peer)
        job("rin", programs.bench)
        job("compiled", programs.peer, "--compile")
        job("rin", programs.bench)
        if row == MAIN and cores() > 1:
            job("one thread", programs.bench, "--threads", 1)
    if model:
        jobs.append(Job((None, "info"), lambda: programs.info_seconds(model)))
    return jobs


def best_of(old, new):
    """The better of each quantity: less of times and bytes, more of rates."""
    if old is None:
        return new
    merged = dict(new)
    for key in ("train_step_s", "forward_s"):
        if key in new:
            merged[key] = min(old[key], new[key], key=lambda seconds: seconds["min"])
    for choose, keys in ((min, ("peak_rss_bytes", "info_s")), (max, ("gemm_peak_gflops_per_s", "gflops_per_s"))):
        merged.update({key: choose(old[key], new[key]) for key in keys if key in new})
    return merged


def say_progress(label, done, total, begun, durations, ahead):
    known = sum(durations.values()) / len(durations) if durations else None
    left = "" if known is None else f", about {sum(durations.get(key, known) for key in ahead) / 60:.0f} min left"
    print(f"[{done + 1}/{total}] {(time.monotonic() - begun) / 60:.1f} min{left}: {label}", file=sys.stderr, flush=True)


def measure(jobs, rounds):
    best, durations, begun = {}, {}, time.monotonic()
    plan = [(number, job) for number in range(1, rounds + 1) for job in jobs]
    for i, (number, job) in enumerate(plan):
        row, what = job.key
        label = f"round {number}, {row}, {what}" if row else f"round {number}, {what}"
        say_progress(label, i, len(plan), begun, durations, [ahead.key for _, ahead in plan[i:]])
        from_ = time.monotonic()
        best[job.key] = best_of(best.get(job.key), job.run())
        durations[job.key] = time.monotonic() - from_
    return best


# The report


def first_field(path, name):
    try:
        for line in Path(path).read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip().lower() == name:
                return value.strip()
    except OSError:
        pass
    return ""


def cores():
    return len(os.sched_getaffinity(0))


def machine():
    model = first_field("/proc/cpuinfo", "model name") or platform.machine()
    flags = (first_field("/proc/cpuinfo", "flags") or first_field("/proc/cpuinfo", "features")).split()
    vectors = [flag for flag in ("avx2", "avx512f", "asimd", "sve") if flag in flags]
    kib = first_field("/proc/meminfo", "memtotal").split()
    memory = f"{int(kib[0]) / 2**20:.0f} GiB" if kib else "unknown memory"
    return f"{cores()} cores of {model} ({', '.join(vectors) or 'no known vector extensions'}), {memory}"


def time_text(seconds):
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def bytes_text(n):
    return f"{n / 1e9:.2f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB"


def compared(best, row, quantity, target):
    """Four cells: PyTorch's best way and its time, rin's time, their ratio, the target."""
    way = min(("eager", "compiled"), key=lambda w: best[row, w][quantity]["min"])
    peer, rin = best[row, way][quantity]["min"], best[row, "rin"][quantity]["min"]
    return [f"{time_text(peer)} {way}", time_text(rin), f"{peer / rin:.2f}", f"{target:.2f}"]


def table(best, rows):
    head = ["preset, batch"]
    for what in ("step", "forward"):
        head += [f"{what}, PyTorch", f"{what}, rin", "ratio", "target"]
    head += ["memory, PyTorch", "rin", "rin / PyTorch"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [f"{row.preset}, {row.batch}"]
        cells += compared(best, row, "train_step_s", row.step_target)
        cells += compared(best, row, "forward_s", row.forward_target)
        peer = min(best[row, way]["peak_rss_bytes"] for way in ("eager", "compiled"))
        rin = best[row, "rin"]["peak_rss_bytes"]
        lines.append(cells + [bytes_text(peer), bytes_text(rin), f"{rin / peer:.2f}"])
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def gemm_peak(best):
    return max(result["gemm_peak_gflops_per_s"] for (_, what), result in best.items() if what in ("gemm", "rin"))


def summary(best):
    peak = gemm_peak(best)
    text = f"The peak of a large product (`rin bench --gemm`) is {peak:.0f} GFLOP/s."
    main = best.get((MAIN, "rin"))
    if main:
        forward = main["flops_forward"] / main["forward_s"]["min"] * 1e-9
        step = main["gflops_per_s"]
        text += (f" Of it, {MAIN.preset} with batch {MAIN.batch} reaches {step / peak:.0%} in a training step"
                 f" and {forward / peak:.0%} in a forward, everything included.")
    one = best.get((MAIN, "one thread"))
    if one:
        ratio = one["train_step_s"]["min"] / main["train_step_s"]["min"]
        text += f" That step is {ratio:.2f} times as fast on {main['threads']} threads as on one."
    if (None, "info") in best:
        text += f" `rin info` takes {time_text(best[None, 'info']['info_s'])}."
    return text


def wrapped(text, width=118):
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


def report(best, rows, rounds, versions):
    threads = f"PyTorch {best[rows[0], 'eager']['threads']}, rin {best[rows[0], 'rin']['threads']}"
    about = (f"Machine: {machine()}. {versions}. Threads: {threads}. Measured on {datetime.date.today().isoformat()},"
             f" the best of {rounds} round{'s' if rounds > 1 else ''}.")
    return "\n".join(wrapped(about) + [""] + table(best, rows) + [""] + wrapped(summary(best)))


def marked_part(text):
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise Failure(f"{REPORT}: needs one line '{BEGIN}' and, after it, one line '{END}'; put them back")
    return text.index(BEGIN) + len(BEGIN), text.index(END)


def rewrite(part):
    text = REPORT.read_text()
    begin, end = marked_part(text)
    fresh = REPORT.with_suffix(".md.new")
    fresh.write_text(text[:begin] + "\n" + part + "\n" + text[end:])
    os.replace(fresh, REPORT)


# The command line


def row_named(text):
    for row in ROWS:
        if str(row) == text:
            return row
    raise argparse.ArgumentTypeError(f"'{text}' is none of {' '.join(map(str, ROWS))}")


def at_least_one(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of at least 1")
    return int(text)


def parse():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--python", required=True, help="a python with PyTorch; dev/bench/setup.sh makes one")
    p.add_argument("--rin", default=ROOT / "build" / "rin", help="the program; build/rin unless given")
    p.add_argument("--rounds", type=at_least_one, default=3, help="3 unless given")
    p.add_argument("--rows", type=row_named, nargs="+", default=ROWS, metavar="PRESET,BATCH",
                   help=f"some of {' '.join(map(str, ROWS))}; all unless given")
    p.add_argument("--model", help="a model file; also time 'rin info' on it")
    p.add_argument("--quick", action="store_true", help="few steps, one round: does it run? The file stays as it is")
    p.add_argument("--write", action="store_true", help="write the file even after --quick or with only some rows")
    return p.parse_args()


def main():
    o = parse()
    rows = [row for row in ROWS if row in o.rows]
    rounds = 1 if o.quick else o.rounds
    programs = Programs(o.rin, o.python)
    write = o.write or (not o.quick and rows == ROWS)
    try:
        if write:
            marked_part(REPORT.read_text())  # before an hour is spent
        versions = programs.versions()
        best = measure(jobs_of_a_round(programs, rows, o.model, o.quick), rounds)
        part = report(best, rows, rounds, versions)
        print(part)
        if write:
            rewrite(part)
        print(f"{REPORT.name}: {'rewritten' if write else 'left as it is; --write changes it'}", file=sys.stderr)
    except Failure as e:
        sys.exit(f"run.py: {e}")
    except KeyboardInterrupt:
        sys.exit("run.py: interrupted; nothing was written")


if __name__ == "__main__":
    main()
