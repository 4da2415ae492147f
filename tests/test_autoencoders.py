"""Autoencoders: pixels and latents, with tiny networks of the real kinds."""

import builtins
import json

import pytest
import torch
from diffusers import AutoencoderKL
from file_server import Files, serving

import models
from models import autoencoders
from models.autoencoders import stable_diffusion
from models.autoencoders.stable_diffusion import SCALE, to_bytes
from models.errors import InputError

CHANNELS = (8, 8, 8, 8)  # stride 8, as the real one


def tiny() -> AutoencoderKL:
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    network = AutoencoderKL(**blocks, block_out_channels=CHANNELS, layers_per_block=1, norm_num_groups=4)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("vae")
    tiny().save_pretrained(path)
    return path


def test_latents_become_bytes_by_the_official_rule(folder):
    vae, network = autoencoders.build("sd-vae-ft-ema", weights=folder), tiny()
    latents = torch.randn(3, 4, 4, 4)
    images = vae.decode(latents)
    expected = torch.clamp(127.5 * network.decode(latents / SCALE).sample + 128.0, 0, 255).to(torch.uint8)
    assert images.shape == (3, 3, 32, 32)
    assert torch.equal(images, expected)
    assert vae.rounding == "adm-truncate"
    pixels = torch.tensor([-2.0, -1.0, 0.0, 1.0, 0.99999, 3.0])
    assert to_bytes(pixels).tolist() == [0, 0, 128, 255, 255, 255]
    assert to_bytes(torch.tensor([0.0039, 0.0079])).tolist() == [128, 129]  # truncated, not rounded


def test_batches_are_worked_through_a_few_images_at_a_time(folder, monkeypatch):
    vae = autoencoders.build("sd-vae-ft-mse", weights=folder)
    latents = torch.randn(5, 4, 4, 4)
    whole, encoded = vae.decode(latents), vae.encode(vae.decode(latents))
    monkeypatch.setattr(stable_diffusion, "PIXELS", 2 * 32 * 32)
    seen = []
    decode = vae.decoder_pass
    monkeypatch.setattr(vae, "decoder_pass", lambda chunk: seen.append(len(chunk)) or decode(chunk))
    assert (vae.decode(latents).int() - whole.int()).abs().max() <= 1
    assert (vae.encode(whole) - encoded).abs().max() <= 1e-5
    assert seen == [2, 2, 1]
    assert vae.chunk(512) == 1


def test_encoding_is_the_mean_or_a_seeded_draw(folder):
    vae, network = autoencoders.build("sd-vae-ft-ema", weights=folder), tiny()
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    posterior = network.encode(images.float() / 127.5 - 1).latent_dist
    assert torch.equal(vae.encode(images), posterior.mean * SCALE)
    draws = [vae.encode(images, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], posterior.mean * SCALE)


def test_the_published_autoencoder_is_fetched_once(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path))
    address = "/stabilityai/sd-vae-ft-mse/resolve/main/"
    content = {address + file.name: file.read_bytes() for file in folder.iterdir()}
    with serving(Files(content)) as files:
        monkeypatch.setenv("HF_ENDPOINT", files.url)
        for _ in range(2):
            vae = autoencoders.build("sd-vae-ft-mse")
        assert [path.removeprefix(address) for path, _ in files.requests] == [
            "config.json",
            "diffusion_pytorch_model.safetensors",
        ]
        assert vae.fingerprint.startswith("sd-vae-ft-mse:")
        with pytest.raises(InputError, match=r"sd-vae-ft-ema/resolve/main/config\.json: HTTP 404"):
            autoencoders.build("sd-vae-ft-ema")


def test_bad_folders_and_a_broken_installation_are_one_line(folder, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="unknown autoencoder 'sd-vae-ft-emma'; did you mean 'sd-vae-ft-ema'"):
        autoencoders.build("sd-vae-ft-emma")
    with pytest.raises(InputError, match="no autoencoder of diffusers here"):
        autoencoders.build("sd-vae-ft-ema", weights=tmp_path)
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [8]}))
    (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="vae: not an autoencoder of Stable Diffusion"):
        autoencoders.build("sd-vae-ft-ema", weights=tmp_path)
    importing = builtins.__import__

    def broken(name, *arguments, **keywords):
        if name == "diffusers":
            raise RuntimeError("operator torchvision::nms does not exist\nmore")
        return importing(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(InputError, match=r"need diffusers, which does not import \(operator .* exist\): pip install"):
        autoencoders.build("sd-vae-ft-ema", weights=folder)


def test_macs_of_decoding_are_counted(folder):
    digits = autoencoders.build("digit-autoencoder")
    width = 48
    convolutions = [  # (input channels, output channels, kernel, pixels that the kernel is applied at)
        (8, 2 * width, 9, 16),
        (2 * width, width, 16, 16),  # transposed: the kernel is applied at input pixels
        (width, width, 16, 64),
        (width, width // 2, 16, 256),
        (width // 2, 1, 9, 1024),
    ]
    assert digits.decode_macs((8, 4, 4)) == sum(a * b * k * p for a, b, k, p in convolutions)
    vae = autoencoders.build("sd-vae-ft-ema", weights=folder)
    small, large = vae.decode_macs((4, 4, 4)), vae.decode_macs((4, 8, 8))
    attention = 2 * 8 * (64**2 - 4 * 16**2)  # QK and AV grow with the square of the number of positions
    assert large - 4 * small == attention
    assert next(vae.network.parameters()).device.type == "cpu"


def test_models_decode_with_their_own():
    spec = models.spec("dit-mnist")
    images = spec.decode(torch.randn(2, *spec.latent_shape))
    assert (images.shape, images.dtype) == ((2, 1, 32, 32), torch.uint8)
    assert spec.pixels() is spec.pixels("cpu")
    assert torch.equal(spec.pixels().encode(images), spec.pixels().encode(images, torch.Generator()))
