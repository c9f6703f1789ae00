#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the tests: changes one operator at a time in the reference's kernels and prints the changes no test sees.

Usage: dev/mutate.py BUILD [--all] [--list] [--jobs N] [FILE ...]

BUILD is a finished build folder of this source tree (its librin.a is linked against). FILEs default to
src/backend/ref/kernels/*.c. Only functions that serve the gradient are changed: kernels called *_grad and linear_d*,
and what the loss shares with its gradient; --all changes every function. The source tree is not touched: a changed
copy is compiled for ref64 and linked before the library, in front of which it wins. Exit status: 0 when every change
is seen, 1 when some survive.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TESTS = ["tests/op/gradient_test.c", "tests/op/loss_test.c"]
SUPPORT = ["tests/support/lab.c", "tests/support/cases.c"]
FLAGS = ["-std=c17", "-O1", "-w", "-fopenmp", "-D_DEFAULT_SOURCE", "-fno-math-errno", "-DRIN_VARIANT=ref64",
         "-DRIN_ELEMENT=double", "-I" + ROOT + "/src", "-I" + ROOT + "/include", "-I" + ROOT + "/tests"]
LIBS = ["-lcjson", "-linih", "-lcmocka", "-lpthread", "-lm"]
GRADIENT = re.compile(r"_grad\b|linear_d[xwz]\b|_slope\b|\bpredict\b|\bunit\b")

# (pattern, replacement): a sign flipped, a factor or term dropped, a comparison or an index moved.
CHANGES = [
    (r" \+ ", " - "), (r" - ", " + "), (r" \+= ", " -= "), (r" -= ", " += "), (r" \+= ", " = "),
    (r" \* ", " + "), (r" / ", " * "), (r"= -(?=\w)", "= "), (r"\(real\)-", "(real)"), (r"(?<=\()-(?=\w)", ""),
    (r" < ", " <= "), (r" > ", " < "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "), (r" && ", " || "),
    (r" \* \w+(\[[^\]]*\])?(?=[ ;),])", ""), (r" \+ \w+(\[[^\]]*\])?(?=[ ;),])", ""),
    (r" - \w+(\[[^\]]*\])?(?=[ ;),])", ""), (r"\? (\w+) : (\w+)", r"? \2 : \1"), (r"sqrt\(", "("), (r"exp\(", "("),
]
# Loops that read beyond their arrays or never end are found by crashes, not by numbers: their heads are left alone.
SKIPPED = re.compile(r"^\s*(for \(|#|/?\*|//|static |RIN_REF|const rin_|typedef|case .*: break;$)|^\}|^$")


def functions(lines):
    """The head line of the function that each line is in."""
    head, result = "", []
    for line in lines:
        if line and not line[0].isspace() and line.rstrip().endswith("{"):
            head = line
        result.append(head)
        if line.startswith("}"):
            head = ""
    return result


def changed_lines(text, every):
    lines = text.split("\n")
    for number, (line, head) in enumerate(zip(lines, functions(lines))):
        if not head or not (every or GRADIENT.search(head)):
            continue
        if SKIPPED.search(line) and not re.match(r"\s*for \(.*\) .*(=|put\()", line):
            continue
        start = line.index(") ", line.index("++")) if line.lstrip().startswith("for (") and "++" in line else 0
        seen = {line}
        for pattern, replacement in CHANGES:
            for match in re.finditer(pattern, line[start:]):
                new = line[:start + match.start()] + match.expand(replacement) + line[start + match.end():]
                if new not in seen:
                    seen.add(new)
                    yield number, new
        if re.match(r"\s+\w[\w>\-\[\] +*.]* [+\-*]?= .*;$", line) and "real " not in line and "int64_t" not in line:
            yield number, "    ;"


def run(command, seconds, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, **options)


def outcome(file, lines, number, new, folder, objects, library):
    """'seen', 'survives' or 'not compiled'."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        source, program = os.path.join(own, os.path.basename(file)), os.path.join(own, "test")
        with open(source, "w") as out:
            out.write("\n".join(lines[:number] + [new] + lines[number + 1:]))
        for test in objects["tests"]:
            if run(["gcc", *FLAGS, source, test, *objects["support"], library, "-o", program, *LIBS], 120).returncode:
                return "not compiled"
            try:
                if run([program], 60, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode:
                    return "seen"
            except subprocess.TimeoutExpired:
                return "seen"
    return "survives"


def compile_tests(folder):
    def compiled(source):
        target = os.path.join(folder, source.replace("/", "_") + ".o")
        run(["gcc", *FLAGS, "-c", os.path.join(ROOT, source), "-o", target], 120, check=True)
        return target
    return {"tests": [compiled(s) for s in TESTS], "support": [compiled(s) for s in SUPPORT]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--all", action="store_true", help="change every function, not only those of gradients")
    parser.add_argument("--list", action="store_true", help="print the changes, run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    files = args.files or sorted(glob.glob(ROOT + "/src/backend/ref/kernels/*.c"))
    survivors = total = broken = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        library = os.path.join(args.build, "librin.a")
        objects = None if args.list else compile_tests(folder)
        for file in files:
            with open(file) as source:
                text = source.read()
            lines = text.split("\n")
            changes = list(changed_lines(text, args.all))
            if args.list:
                for number, new in changes:
                    print(f"{file}:{number + 1}: {new.strip()}")
                continue
            results = pool.map(lambda change: outcome(file, lines, *change, folder, objects, library), changes)
            for (number, new), result in zip(changes, results):
                total += 1
                broken += result == "not compiled"
                if result == "survives":
                    survivors += 1
                    print(f"{file}:{number + 1}: survives\n  - {lines[number].strip()}\n  + {new.strip()}", flush=True)
    if not args.list:
        print(f"{total} changes, {broken} not compiled, {survivors} survive")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
