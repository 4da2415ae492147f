#!/usr/bin/env bash
# dit-smoothcache: the README's DiTPipeline example computes everything, and says nothing.
#
# Expected. The example opens one of the repository's schedules for DiT, hands it to
# DiffuserCacheHelper(pipe.transformer, schedule), calls enable() and samples: half of
# the branches should be reused, which the paper times at 1.7 to 2 times the speed.
#
# Happens. The schedules name their rows `attn` and `mlp`, after the official DiT code.
# The helper for diffusers wraps one module a block, `attn1`, looks `attn1` up in the
# schedule, does not find it, and takes that for "compute". No row is ever used: every
# attention and every MLP runs, and the images are the uncached ones bit for bit. Two
# more steps of the same road are as silent. With rows renamed to `attn1` and `ff` only
# the attention is cached, as the helper never wraps `ff`. And the counters are set to 0
# by enable() alone: from the second image on, a pipeline that stays enabled has left
# its schedule behind and computes everything.
#
# Matters. Who compares with "SmoothCache, from its own package" this way, times the
# uncached model with two wrappers a block and finds a method that loses no quality and
# gains no time. A loop over images dilutes whatever was gained by their number.
#
# Cure without changing the package: SmoothCacheHelper(transformer, BasicTransformerBlock,
# ["attn1", "ff"], schedule with these names), and reset_state() before every image.
#
# Method: a tiny random DiT in DiTPipeline, 20 DDIM steps; hooks on the innermost layers
# count what runs, and images are compared bit for bit.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.14.1 diffusers==0.42.1 numpy==2.4.6 dit-smoothcache==0.1.1
"$work/venv/bin/python" - <<'PY'
import contextlib
import platform

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiTPipeline, DiTTransformer2DModel
from diffusers.models.attention import BasicTransformerBlock

with contextlib.redirect_stdout(None):
    from SmoothCache import DiffuserCacheHelper, SmoothCacheHelper

print("python", platform.python_version(), "torch", torch.__version__, "diffusers", diffusers.__version__)
diffusers.logging.set_verbosity_error()
BLOCKS, STEPS = 6, 20
ROW = [1, 0] * (STEPS // 2)


def pipeline():
    torch.manual_seed(0)
    net = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=8, num_layers=BLOCKS,
        sample_size=8, patch_size=2, num_embeds_ada_norm=1000,
    )  # fmt: skip
    vae = AutoencoderKL(block_out_channels=(32,), latent_channels=4, norm_num_groups=8)
    pipe = DiTPipeline(transformer=net.eval(), vae=vae.eval(), scheduler=DDIMScheduler())
    pipe.set_progress_bar_config(disable=True)
    ran = {"attention": 0, "mlp": 0}
    for block in net.transformer_blocks:
        for name, layer in {"attention": block.attn1.to_q, "mlp": block.ff.net[2]}.items():
            layer.register_forward_pre_hook(lambda *_, name=name: ran.update({name: ran[name] + 1}))
    return pipe, ran


def image(pipe, ran):
    ran.update(attention=0, mlp=0)
    torch.manual_seed(1)
    with contextlib.redirect_stdout(None):
        images = pipe([3], guidance_scale=4.0, num_inference_steps=STEPS, output_type="np").images
    return torch.from_numpy(images), (ran["attention"], ran["mlp"])


def enabled(make):
    pipe, ran = pipeline()
    helper = make(pipe.transformer)
    helper.enable()
    return image(pipe, ran), image(pipe, ran)


all_of_them = (BLOCKS * STEPS, BLOCKS * STEPS)
plain, ran = image(*pipeline())
print(f"uncached: attention, MLP run {ran}")
(first, ran_1), _ = enabled(lambda net: DiffuserCacheHelper(net, {"attn": ROW, "mlp": ROW}))
print(f"README: {ran_1}, image bit-identical to the uncached one: {torch.equal(first, plain)}")
(_, renamed), _ = enabled(lambda net: DiffuserCacheHelper(net, {"attn1": ROW, "ff": ROW}))
print(f"rows renamed: {renamed}")
(_, both), (_, second) = enabled(
    lambda net: SmoothCacheHelper(net, BasicTransformerBlock, ["attn1", "ff"], {"attn1": ROW, "ff": ROW})
)
print(f"general helper, first image: {both}; second image of the same pipeline: {second}")
half = BLOCKS * STEPS // 2
found = ran_1 == all_of_them and torch.equal(first, plain) and renamed == (half, 2 * half)
found &= both == (half, half) and second == all_of_them
print("still there" if found else "no longer there")
raise SystemExit(0 if found else 1)
PY
