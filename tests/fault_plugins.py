"""Plugins that go wrong in every way that a process can, in every phase of a cell that runs others' code."""

from __future__ import annotations

from pathlib import Path

FAULTS = ("raise", "exit", "crash", "hang", "memory", "flood", "nan", "shape")
CALLS = ("raise", "exit", "crash", "hang", "memory", "flood")  # those that need no tensor

TROUBLE = '''
import os, signal, time

def trouble(how, value=None):
    """Go wrong in one way; `value` is what would have been returned, of a fault of numbers the wrong one is."""
    if how == "raise":
        raise RuntimeError("a deliberate failure")
    if how == "exit":
        os._exit(0)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hang":
        time.sleep(600)
    if how == "memory":
        raise MemoryError("no more")
    if how == "flood":
        for _ in range(100):
            print("x" * 100_000, flush=True)
        raise RuntimeError("after the flood")
    if how == "nan":
        return value * float("nan")
    if how == "shape":
        return value[:, :1]
    return value
'''
METHODS = '''
import sys
from methods.ddim import DDIM
from methods.method import CacheMethod, Parameter
from methods.plan import Plan, Span, uncached

HOW = Parameter(str, required=True)

def reuse(model, sampler):
    count = len(sampler.evaluations(model.noise_schedule))
    return Plan(model.num_branches, tuple((Span(0, model.num_branches),) if k % 2 else () for k in range(count)))

class Good(CacheMethod):
    """Reuses every second evaluation."""
    name = "good"
    def plan(self, model, sampler):
        return reuse(model, sampler)

class InPlan(CacheMethod):
    """Goes wrong while it plans."""
    name = "in-plan"
    parameters = {"how": HOW}
    def plan(self, model, sampler):
        made = reuse(model, sampler)
        if self.how == "shape":
            return uncached(len(made) + 1, model.num_branches)
        return trouble(self.how, made) if self.how != "nan" else float("nan")

class InStep(DDIM):
    """Goes wrong at its second evaluation."""
    name = "in-step"
    parameters = DDIM.parameters | {"how": HOW}
    def sample(self, denoise, x, schedule, step_noise):
        def troubled(k, x):
            out = denoise(k, x)
            return trouble(self.how, out) if k == 1 and self.how != "shape" else out
        samples = super().sample(troubled, x, schedule, step_noise)
        return samples[:, :1] if self.how == "shape" else samples

class InTiming(CacheMethod):
    """Goes wrong while it is timed, and not before."""
    name = "in-timing"
    parameters = {"how": HOW}
    def plan(self, model, sampler):
        frame, files = sys._getframe(), []
        while frame:
            files.append(frame.f_code.co_filename)
            frame = frame.f_back
        if any(file.endswith("measure/session.py") for file in files):
            trouble(self.how)
        return reuse(model, sampler)
'''
BUILT = '''
class Built_{how}(CacheMethod):
    """Goes wrong while it is built."""
    name = "built-{how}"
    def __init__(self, **params):
        trouble("{how}")
        super().__init__(**params)
    def plan(self, model, sampler):
        return reuse(model, sampler)
'''
MODELS = '''
from pathlib import Path
import torch
from safetensors.torch import save
from bench.quality.extractors.extractor import Extractor
from models.autoencoders.autoencoder import Autoencoder
from models.dit import DiT
from models.spec import ModelSpec, build_random

CONFIG = dict(input_size=4, patch_size=2, in_channels=2, hidden_size=16, depth=4, num_heads=2, num_classes=3)
WEIGHTS = Path(__file__).with_name("tiny.safetensors")

class Pixels(Autoencoder):
    """Latents as grey images."""
    rounding = "none"
    def __init__(self, how):
        self.how, self.name, self.fingerprint, self.network = how, "pixels", f"pixels-{how}", torch.nn.Identity()
    def decode(self, latents):
        images = (latents[:, :1].clamp(-1, 1) * 127 + 128).repeat(1, 1, 2, 2)
        wrong = trouble(self.how, images) if self.how != "shape" else images
        if self.how == "nan":
            return wrong
        return images[:, 0].to(torch.uint8) if self.how == "shape" else wrong.to(torch.uint8)
    def encode(self, images, generator=None):
        raise NotImplementedError
    def decoder_pass(self, latents):
        return latents

class Spec(ModelSpec):
    """A model with an autoencoder of its own."""
    def pixels(self, device="cpu"):
        return Pixels(self.name.removeprefix("decode-") if self.name.startswith("decode-") else "")

def extractor(how):
    class Features(Extractor):
        """The pixels themselves."""
        name, channels = f"features-{how}", 1
        def __init__(self, weights=None, device="cpu"):
            self.fingerprint = f"{self.name}:1"
        def extract(self, images):
            pool = images.flatten(1).float()
            wrong = trouble(how, pool) if how != "shape" else pool
            return {"pool": wrong[:2] if how == "shape" else wrong}
    Features.__name__ = Features.__qualname__ = f"Features_{how}"
    return Features

def spec_of(name, features=None):
    return Spec(name=name, architecture=DiT, config=CONFIG, num_classes=3, weights=WEIGHTS, features=features)

if not WEIGHTS.exists():
    state = {k: torch.randn(v.shape, generator=torch.Generator().manual_seed(1)) * 0.1
             for k, v in build_random(spec_of("tiny")).state_dict().items()}
    partial = WEIGHTS.with_suffix(f".{os.getpid()}")
    partial.write_bytes(save(state))
    os.replace(partial, WEIGHTS)
specs = [spec_of("tiny")]
specs += [spec_of(f"decode-{how}") for how in HOWS]
specs += [spec_of(f"judge-{how}", f"features-{how}") for how in HOWS]
for how in HOWS:
    globals()[f"Features_{how}"] = extractor(how)
'''


def write_plugins(folder: Path) -> list[Path]:
    """Models, methods, and for every fault of an import a file of its own."""
    texts = {
        "sound": TROUBLE + METHODS + "".join(BUILT.format(how=how) for how in CALLS),
        "models": f"{TROUBLE}\nHOWS = {FAULTS!r}\n{MODELS}",
        **{f"import_{how}": f"{TROUBLE}\ntrouble({how!r})\n" for how in CALLS if how != "hang"},
    }
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return [folder / f"{name}.py" for name in texts]
