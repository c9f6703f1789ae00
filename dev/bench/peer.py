#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The same network and training step as rin's in PyTorch, as fast as PyTorch does it: what `rin bench` is compared with.
"""Times a training step and a forward of an image preset in PyTorch on the CPU and prints one JSON object."""
import argparse
import configparser
import json
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
EPS = 1e-6  # of every layer norm


def read_preset(name):
    parser = configparser.ConfigParser()
    if not parser.read(CONFIGS / f"{name}.ini"):
        sys.exit(f"peer.py: no preset '{name}'; there are: {', '.join(sorted(f.stem for f in CONFIGS.glob('*.ini')))}")
    text = dict(parser["model"])
    o = SimpleNamespace(num_layers=[int(n) for n in text.pop("num_layers").split(",")])
    for key, value in text.items():
        words = {"true": True, "false": False}
        number = value.replace(".", "", 1).isdigit()
        setattr(o, key, (float(value) if "." in value else int(value)) if number else words.get(value, value))
    if o.seq_len != 1:
        sys.exit(f"peer.py: preset '{name}' is for video; only image presets are compared")
    o.cond_dim = o.cond_dim or o.tape_dim
    o.has_label_slot = o.cond_on_latent and o.num_classes > 0
    o.carries_latent, o.carries_tape = "latent" in o.self_cond, "tape" in o.self_cond
    return o


def waves(value, width):
    """Sines of the even angles, then cosines of the odd ones."""
    pair = torch.arange(width, device=value.device) // 2 * 2
    angle = value.unsqueeze(-1) / 10000.0 ** (pair / width)
    return torch.cat([angle[..., ::2].sin(), angle[..., 1::2].cos()], dim=-1)


def fixed_positions(rows, cols, width, scaling):
    def axis(n, w):
        return waves(torch.arange(n) / max(n - 1, 1) * scaling, w)

    if min(rows, cols) == 1:
        return axis(rows * cols, width)
    down = axis(rows, width // 2).repeat_interleave(cols, dim=0)
    return torch.cat([down, axis(cols, width // 2).repeat(rows, 1)], dim=-1)


class Attention(nn.Module):
    def __init__(self, width, source_width, inner, heads):
        super().__init__()
        self.heads = heads
        self.query, self.out = nn.Linear(width, inner), nn.Linear(inner, width)
        self.key, self.value = nn.Linear(source_width, inner), nn.Linear(source_width, inner)

    def by_head(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x, source):
        q, k, v = self.by_head(self.query(x)), self.by_head(self.key(source)), self.by_head(self.value(source))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width, ratio, dropout=0.0):
        super().__init__()
        self.dense1, self.dense2 = nn.Linear(width, width * ratio), nn.Linear(width * ratio, width)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x):
        return self.dense2(self.dropout(F.gelu(self.dense1(x))))


class CarryMlp(Mlp):
    """A residual MLP on what the last denoising step left."""

    def __init__(self, width, ratio):
        super().__init__(width, ratio)
        self.ln = nn.LayerNorm(width, EPS)

    def forward(self, x):
        return x + super().forward(self.ln(x))


class Layer(nn.Module):
    """Attention and an MLP, each added to x; attention looks at itself (source_width 0) or at a source."""

    def __init__(self, width, source_width, inner, heads, mlp_ratio, source_ln=False, drop_path=0.0, drop_units=0.0):
        super().__init__()
        self.drop_path = drop_path
        self.attn_ln = nn.LayerNorm(width, EPS)
        self.attn_enc_ln = nn.LayerNorm(source_width, EPS) if source_ln else nn.Identity()
        self.attn = Attention(width, source_width or width, inner, heads)
        self.mlp = None
        if mlp_ratio:
            self.mlp_ln, self.mlp = nn.LayerNorm(width, EPS), Mlp(width, mlp_ratio, drop_units)

    def kept(self, branch):
        if not self.training or not self.drop_path:
            return branch
        keep = 1 - self.drop_path
        return branch * (branch.new_empty(branch.shape[0], 1, 1).bernoulli_(keep) / keep)

    def forward(self, x, source=None):
        normed = self.attn_ln(x)
        x = x + self.kept(self.attn(normed, normed if source is None else self.attn_enc_ln(source)))
        return x + self.kept(self.mlp(self.mlp_ln(x))) if self.mlp else x


class Block(nn.Module):
    def __init__(self, o, n_layers):
        super().__init__()
        latent, tape, ln = o.latent_dim, o.tape_dim, o.xattn_enc_ln
        heads, inner = o.rw_num_heads, min(latent, tape)
        self.decoupled = o.cond_decoupled_read
        if self.decoupled:
            self.read_cond = Layer(latent, o.cond_dim, min(o.cond_dim, latent), heads, o.latent_mlp_ratio, ln)
        self.read = Layer(latent, tape, inner, heads, o.latent_mlp_ratio, ln)
        self.latent = nn.ModuleList(
            Layer(latent, 0, latent, o.latent_num_heads, o.latent_mlp_ratio, False, o.drop_path, o.drop_units)
            for _ in range(n_layers))
        self.write = Layer(tape, latent, inner, heads, o.tape_mlp_ratio, ln) if n_layers else None

    def forward(self, latents, tape, read_only):
        if read_only is None:
            latents = self.read(latents, tape)
        elif self.decoupled:
            latents = self.read(self.read_cond(latents, read_only), tape)
        else:
            latents = self.read(latents, torch.cat([tape, read_only], dim=1))
        for layer in self.latent:
            latents = layer(latents)
        return latents, self.write(tape, latents) if self.write else tape


class Rin(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.o = o
        self.rows, self.cols = o.image_height // o.patch_size, o.image_width // o.patch_size
        pixels = o.patch_size**2 * o.image_channels
        self.time_dim = (o.latent_dim if o.time_on_latent else o.cond_dim) // 4
        self.stem, self.stem_ln = nn.Linear(pixels, o.tape_dim), nn.LayerNorm(o.tape_dim, EPS)
        self.time_emb = nn.ModuleDict({"dense0": nn.Linear(self.time_dim, 4 * self.time_dim),
                                       "dense1": nn.Linear(4 * self.time_dim, 4 * self.time_dim)})
        if o.num_classes:
            self.cond_proj = nn.Linear(o.num_classes, o.latent_dim if o.cond_on_latent else o.cond_dim)
        own_slots = o.latent_slots - o.time_on_latent - o.has_label_slot
        self.make_positions("latent_pos_emb", o.latent_pos_encoding, own_slots, 1, o.latent_dim)
        self.make_positions("tape_pos_emb", o.tape_pos_encoding, self.rows, self.cols, o.tape_dim)
        if o.carries_latent:
            self.latent_prev_proj = CarryMlp(o.latent_dim, o.latent_mlp_ratio)
            self.latent_prev_ln = nn.LayerNorm(o.latent_dim, EPS)
        if o.carries_tape:
            self.tape_prev_proj = CarryMlp(o.tape_dim, o.tape_mlp_ratio)
            self.tape_prev_ln = nn.LayerNorm(o.tape_dim, EPS)
        self.blocks = nn.ModuleList(Block(o, n) for n in o.num_layers)
        self.output_ln, self.output_linear = nn.LayerNorm(o.tape_dim, EPS), nn.Linear(o.tape_dim, pixels)

    def make_positions(self, name, encoding, rows, cols, width):
        learned = nn.Parameter(0.02 * torch.randn(rows * cols, width)) if "learned" in encoding else None
        if encoding == "learned":
            self.register_parameter(name, learned)
        else:
            self.register_buffer(name, fixed_positions(rows, cols, width, self.o.time_scaling), persistent=False)
            self.register_parameter(name + "_res", learned)

    def positions(self, name):
        added = getattr(self, name + "_res", None)
        return getattr(self, name) if added is None else getattr(self, name) + added

    def tokens(self, x):
        n, p = x.shape[0], self.o.patch_size
        patches = x.view(n, self.rows, p, self.cols, p, -1).transpose(2, 3).reshape(n, self.rows * self.cols, -1)
        return self.stem_ln(self.stem(patches)) + self.positions("tape_pos_emb")

    def pixels(self, tape):
        p = self.o.patch_size
        patches = self.output_linear(self.output_ln(tape)).view(tape.shape[0], self.rows, self.cols, p, p, -1)
        return patches.transpose(2, 3).reshape(tape.shape[0], self.rows * p, self.cols * p, -1)

    def time_token(self, gamma):
        e = waves(gamma * self.o.time_scaling, self.time_dim)
        e = (e - e.mean(-1, keepdim=True)) / e.std(-1, correction=0, keepdim=True)
        return self.time_emb["dense1"](F.silu(self.time_emb["dense0"](e))).unsqueeze(1)

    def forward(self, x, gamma, labels, latent_prev, tape_prev):
        o, n_tape = self.o, self.rows * self.cols
        latents = [self.positions("latent_pos_emb").expand(x.shape[0], -1, -1)]
        read_only = []
        (latents if o.time_on_latent else read_only).append(self.time_token(gamma))
        if o.num_classes:
            (latents if o.cond_on_latent else read_only).append(self.cond_proj(labels).unsqueeze(1))
        latents, tape = torch.cat(latents, dim=1), self.tokens(x)
        if o.carries_latent:
            latents = latents + self.latent_prev_ln(self.latent_prev_proj(latent_prev))
        if o.carries_tape:
            tape = tape + self.tape_prev_ln(self.tape_prev_proj(tape_prev))
        read_only = torch.cat(read_only, dim=1) if read_only else None
        if o.cond_tape_writable and read_only is not None:
            tape, read_only = torch.cat([tape, read_only], dim=1), None
        for block in self.blocks:
            latents, tape = block(latents, tape, read_only)
        tape = tape[:, :n_tape]
        return self.pixels(tape), latents, tape


def signal_level(t, start=-3.0, end=3.0, tau=0.9):
    """The schedule sigmoid@-3,3,0.9."""
    last, first = (torch.sigmoid(torch.tensor(v / tau)) for v in (end, start))
    return ((last - torch.sigmoid((start + t * (end - start)) / tau)) / (last - first)).clamp(1e-9, 1)


def loss_of(net, images, labels, zeros, rate=0.9):
    """Squared error of the noise; an estimate from zeros is carried into the examples that chance picks."""
    n = images.shape[0]
    noise, gamma = torch.randn_like(images), signal_level(torch.rand(n))
    g = gamma.view(n, 1, 1, 1)
    noisy = (2 * images - 1) * g.sqrt() + noise * (1 - g).sqrt()
    carried = (None, None)
    if any(z is not None for z in zeros):
        with torch.no_grad():
            estimate = net(noisy, gamma, labels, *zeros)[1:]
        picked = (torch.rand(n, 1, 1) > 1 - rate).float()
        carried = [None if z is None else e * picked for e, z in zip(estimate, zeros)]
    return F.mse_loss(net(noisy, gamma, labels, *carried)[0], noise)


class Lamb:
    RATE, BETA1, BETA2, EPS, DECAY = 1e-3, 0.9, 0.999, 1e-8, 1e-2

    def __init__(self, weights):
        self.weights, self.steps = weights, 0
        self.first, self.second = ([torch.zeros_like(w) for w in weights] for _ in range(2))
        self.scaled = [i for i, w in enumerate(weights) if w.ndim > 1]  # biases and norms neither decay nor adapt

    @torch.no_grad()
    def step(self):
        gradients = [w.grad for w in self.weights]
        self.steps += 1
        torch._foreach_lerp_(self.first, gradients, 1 - self.BETA1)
        torch._foreach_mul_(self.second, self.BETA2)
        torch._foreach_addcmul_(self.second, gradients, gradients, 1 - self.BETA2)
        root = torch._foreach_div(self.second, 1 - self.BETA2**self.steps)
        torch._foreach_sqrt_(root)
        torch._foreach_add_(root, self.EPS)
        update = torch._foreach_div(self.first, 1 - self.BETA1**self.steps)
        torch._foreach_div_(update, root)
        weights, updates = ([of[i] for i in self.scaled] for of in (self.weights, update))
        torch._foreach_add_(updates, weights, alpha=self.DECAY)
        sizes = zip(torch._foreach_norm(weights), torch._foreach_norm(updates))
        torch._foreach_mul_(updates, [torch.where((w > 0) & (u > 0), w / u, 1.0) for w, u in sizes])
        torch._foreach_add_(self.weights, update, alpha=-self.RATE)


def seconds(run, n):
    taken = []
    for i in range(n + 2):  # two to warm up
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    taken = sorted(taken[2:])
    return {"min": taken[0], "median": taken[n // 2]}


def bench(options):
    torch.manual_seed(0)
    if options.threads:
        torch.set_num_threads(options.threads)
    o, n = read_preset(options.preset), options.batch
    model = Rin(o)
    net = torch.compile(model) if options.compile else model
    weights = list(model.parameters())
    average = [w.detach().clone() for w in weights]
    optimiser = Lamb(weights)
    images = torch.rand(n, o.image_height, o.image_width, o.image_channels)
    labels = F.one_hot(torch.randint(o.num_classes, (n,)), o.num_classes).float() if o.num_classes else None
    zeros = (torch.zeros(n, o.latent_slots, o.latent_dim) if o.carries_latent else None,
             torch.zeros(n, model.rows * model.cols, o.tape_dim) if o.carries_tape else None)

    def train_step():
        loss_of(net, images, labels, zeros).backward()
        optimiser.step()
        torch._foreach_lerp_(average, [w.detach() for w in weights], 1e-4)
        for w in weights:
            w.grad = None

    step = seconds(train_step, options.steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # of the step, as rin bench has it
    model.eval()
    with torch.no_grad():
        gamma = torch.rand(n)
        forward = seconds(lambda: net(images, gamma, labels, *zeros), 2 * options.steps)
    print(json.dumps({"preset": options.preset, "batch": n, "compile": options.compile, "torch": torch.__version__,
                      "threads": torch.get_num_threads(), "parameters": sum(w.numel() for w in weights),
                      "train_step_s": step, "forward_s": forward, "peak_rss_bytes": peak}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="small", help="an image preset of configs/; small unless given")
    parser.add_argument("--batch", type=int, default=16, help="images in a step; 16 unless given")
    parser.add_argument("--steps", type=int, default=5, help="steps timed, and twice as many forwards; 5 unless given")
    parser.add_argument("--threads", type=int, default=0, help="threads that compute; PyTorch chooses unless given")
    parser.add_argument("--compile", action="store_true", help="run the network through torch.compile")
    bench(parser.parse_args())


if __name__ == "__main__":
    main()
