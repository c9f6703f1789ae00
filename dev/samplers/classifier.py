#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small classifier of CIFAR-10, by whose features and answers samplers are compared (docs/sampling.md).

    classifier.py train IMAGES CLASSIFIER       IMAGES: train/<class>/*.jpg and test/<class>/*.jpg
    classifier.py features CLASSIFIER IMAGES OUT.npy [LIMIT]
                                                IMAGES: a folder of pictures or of folders of them; prints how many are
                                                taken for the class that their folder, or their name as in
                                                0007-frog.png, says

Needs PyTorch, NumPy and Pillow. Features are the 96 numbers before the last layer.
"""
import os
import sys

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [(3, 24, 1), (24, 48, 2), (48, 48, 1), (48, 96, 2), (96, 96, 1)]
        self.layers = nn.ModuleList(nn.Conv2d(i, o, 3, s, 1, bias=False) for i, o, s in widths)
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for _, o, _ in widths)
        self.last = nn.Linear(96, 10)

    def features(self, x):
        for layer, norm in zip(self.layers, self.norms):
            y = F.relu(norm(layer(x)))
            x = x + y if x.shape == y.shape else y
        return x.mean((2, 3))

    def forward(self, x):
        return self.last(self.features(x))


def picture(path):
    return np.asarray(Image.open(path).convert("RGB"), np.uint8)


def listed(folder):
    """Paths with their classes, in the order of their names."""
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            if not name.lower().endswith((".png", ".jpg")):
                continue
            word = os.path.splitext(name)[0].split("-")[-1]
            word = word if word in CLASSES else os.path.basename(root)
            found.append((os.path.join(root, name), CLASSES.index(word) if word in CLASSES else -1))
    return sorted(found)


def load(folder, limit=0):
    found = listed(folder)
    if limit:
        found = found[:: max(1, len(found) // limit)][:limit]
    pixels = np.stack([picture(path) for path, _ in found])
    return torch.from_numpy(pixels), torch.tensor([label for _, label in found])


def as_input(pixels):
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def augment(x):
    x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    dx, dy = torch.randint(0, 9, (2,)).tolist()
    return F.pad(x, (4, 4, 4, 4), mode="reflect")[:, :, dy : dy + 32, dx : dx + 32]


@torch.no_grad()
def run(model, pixels):
    model.eval()
    parts = [model.features(as_input(p)) for p in pixels.split(500)]
    features = torch.cat(parts)
    return features, model.last(features).argmax(1)


def train(folder, out, epochs=8, batch=128):
    torch.manual_seed(0)
    pixels, labels = load(os.path.join(folder, "train"))
    test_pixels, test_labels = load(os.path.join(folder, "test"))
    model = Classifier().to(memory_format=torch.channels_last)
    steps = epochs * (len(pixels) // batch)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=steps)
    for epoch in range(epochs):
        model.train()
        for part in torch.randperm(len(pixels)).split(batch):
            if len(part) < batch:
                break
            loss = F.cross_entropy(model(augment(as_input(pixels[part]))), labels[part], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        right = (run(model, test_pixels)[1] == test_labels).float().mean().item()
        print(f"epoch {epoch + 1}/{epochs}: loss {loss.item():.3f}, {100 * right:.1f}% of the test pictures", flush=True)
    torch.save(model.state_dict(), out)


def features(classifier, folder, out, limit=0):
    model = Classifier()
    model.load_state_dict(torch.load(classifier))
    pixels, labels = load(folder, int(limit))
    found, answers = run(model, pixels)
    np.save(out, found.numpy().astype(np.float32))
    known = labels >= 0
    print(f"{100 * (answers == labels)[known].float().mean().item():.1f}")


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in ("train", "features"):
        sys.exit(__doc__)
    {"train": train, "features": features}[sys.argv[1]](*sys.argv[2:])
