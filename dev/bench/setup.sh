#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a Python environment with PyTorch for peer.py and run.py: setup.sh DIR, then run.py --python DIR/peer-python.
# PyTorch may come built for graphics cards; of the libraries that such a build loads when it starts, as few as possible
# are installed: first none, then the small ones (the large ones of an installed CUDA toolkit serve), then all.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: setup.sh DIR" >&2
    exit 2
fi
if ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "setup.sh: needs Python 3.10 or newer with venv; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd)

install() {
    "$dir/bin/pip" install --quiet --disable-pip-version-check "$@"
}

# A python that finds the shared libraries among the installed packages and sees no graphics card.
write_python() {
    folders=$(find "$dir/lib" -path '*nvidia*' -name 'lib*.so*' -exec dirname {} \; | sort -u | tr '\n' ':')
    cat >"$dir/peer-python" <<END
#!/bin/sh
export LD_LIBRARY_PATH="$folders/usr/local/cuda/lib64\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export CUDA_VISIBLE_DEVICES=
exec "$dir/bin/python" "\$@"
END
    chmod +x "$dir/peer-python"
}

works() {
    write_python
    "$dir/peer-python" -c 'import torch; torch.ones(2, 2) @ torch.ones(2, 2)' 2>/dev/null
}

python3 -m venv "$dir"
install numpy filelock typing_extensions sympy networkx jinja2 fsspec setuptools
install --no-deps torch
if ! works; then
    install nvidia-cufile nvidia-cusparselt-cu13 nvidia-nvshmem-cu13 nvidia-nccl-cu13 triton || true
fi
if ! works; then
    echo "setup.sh: PyTorch needs more libraries here; installing all of them, some gigabytes" >&2
    install torch
fi
if ! works; then
    "$dir/peer-python" -c 'import torch' >&2 || true
    echo "setup.sh: PyTorch does not start in $dir; the lines above say why" >&2
    exit 1
fi
"$dir/peer-python" -c 'import torch; print("PyTorch", torch.__version__, "with", torch.get_num_threads(), "threads")'
echo "now run: dev/bench/run.py --python $dir/peer-python"
