"""Writes test/fixtures/inputs: tiny pictures and sounds, and what the reference makes of them.

    python scripts/reference/input_fixtures.py [FOLDER]

Needs numpy, pillow, soundfile, safetensors, torch and transformers.
"""

import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image, ImageOps
from safetensors.numpy import save_file
from transformers import WhisperFeatureExtractor
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

PROCESSORS = {
    processor.__name__.removesuffix("Pil"): processor
    for processor in (
        BitImageProcessorPil,
        CLIPImageProcessorPil,
        DeiTImageProcessorPil,
        LlavaImageProcessorPil,
        SiglipImageProcessorPil,
        ViTImageProcessorPil,
    )
}


def dinov3(image: np.ndarray, size: int | dict, resample: int = 2) -> np.ndarray:
    """Scale, then resize as torchvision does (its tensors go to PyTorch's antialiased interpolation), then normalise."""
    edges = (size, size) if isinstance(size, int) else (size["height"], size["width"])
    values = torch.from_numpy(image).permute(2, 0, 1)[None] * (1 / 255)
    mode = {2: "bilinear", 3: "bicubic"}[resample]
    values = torch.nn.functional.interpolate(values, edges, mode=mode, antialias=True, align_corners=False)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    return ((values - mean) / std)[0].numpy()


def picture(width: int, height: int) -> np.ndarray:
    """[Y, X, C]: slopes with a texture, from whole numbers alone."""
    y, x, c = np.mgrid[:height, :width, :3]
    return ((5 * x + 9 * y + 60 * c + (x * y * (c + 1)) % 31 * 4) % 256).astype(np.uint8)


def sound(seconds: float, rate: int) -> np.ndarray:
    """Three tones that come and go, and a hiss from whole numbers."""
    i = np.arange(int(seconds * rate), dtype=np.float64)
    t = i / rate
    hiss = (i * 7919 % 10007) / 10007 - 0.5
    tones = 0.3 * np.sin(2 * np.pi * 220 * t) + 0.2 * np.sin(2 * np.pi * 1250 * t) * np.sin(2 * np.pi * 3 * t)
    return (tones + 0.05 * np.sin(2 * np.pi * 5300 * t) + 0.02 * hiss).astype(np.float32)


def png(values: np.ndarray, bits: int, colour: int) -> bytes:
    """A PNG by hand: Pillow writes none with 16 bits a colour."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2" if bits == 16 else "u1").tobytes() for row in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def white(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if "A" not in image.getbands() and image.info.get("transparency") is None:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image).convert("RGB")


def pictures(folder: Path) -> None:
    values = picture(12, 9)
    image = Image.fromarray(values)
    image.save(folder / "rgb.png")
    image.convert("L").save(folder / "grey.png")
    image.convert("1").save(folder / "one-bit.png")
    palette = image.quantize(8)
    palette.save(folder / "palette.png")
    palette.save(folder / "palette-transparent.png", transparency=3)
    palette.save(folder / "transparent.gif", transparency=3)
    alpha = np.mgrid[:9, :12].sum(0)[..., None] * 13 % 256
    Image.fromarray(np.concatenate([values, alpha.astype(np.uint8)], -1)).save(folder / "alpha.png")
    (folder / "rgb-16.png").write_bytes(png(values.astype(np.uint16) * 251 + 77, 16, 2))
    (folder / "grey-16.png").write_bytes(png(values[..., 0].astype(np.uint16) * 251 + 77, 16, 0))
    image.save(folder / "lossless.webp", lossless=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(folder / f"orientation-{orientation}.jpg", quality=80, exif=exif)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=50)
    files = sorted(file for file in folder.iterdir() if file.suffix in (".png", ".webp", ".jpg", ".gif"))
    decoded = {}
    for file in files:
        if file.name == "grey-16.png":  # Pillow cuts off at 255 here.
            decoded[file.name] = np.repeat(((values[..., :1].astype(np.uint16) * 251 + 77) >> 8).astype(np.uint8), 3, -1)
        elif file.name != "cmyk.jpg":
            decoded[file.name] = np.array(white(Image.open(file)))
    save_file(decoded, folder / "decoded.safetensors")


CASES = [
    ("vit-down", 37, 23, {"image_processor_type": "ViTImageProcessor", "size": 8}),
    ("vit-up", 5, 7, {"feature_extractor_type": "ViTFeatureExtractor", "size": {"height": 9, "width": 8}, "resample": 3}),
    ("vit-lanczos", 37, 23, {"image_processor_type": "ViTImageProcessor", "size": 8, "resample": 1}),
    ("vit-nearest", 37, 23, {"image_processor_type": "ViTImageProcessor", "size": 8, "resample": 0}),
    ("vit-box", 37, 23, {"image_processor_type": "ViTImageProcessor", "size": 8, "resample": 4}),
    ("vit-hamming", 37, 23, {"image_processor_type": "ViTImageProcessor", "size": 8, "resample": 5}),
    ("deit", 40, 31, {"image_processor_type": "DeiTImageProcessor", "size": 12, "crop_size": 9}),
    ("dinov2", 41, 30, {
        "image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 11}, "crop_size": {"height": 9, "width": 8},
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
    }),
    ("clip", 23, 47, {"image_processor_type": "CLIPImageProcessorFast", "size": {"shortest_edge": 8}, "crop_size": 8}),
    ("clip-small", 23, 12, {"image_processor_type": "CLIPImageProcessor", "do_resize": False, "crop_size": 17}),
    ("clip-longest", 60, 10, {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 8, "longest_edge": 15}, "do_center_crop": False,
    }),
    ("siglip", 33, 50, {"image_processor_type": "SiglipImageProcessor", "size": {"height": 8, "width": 8}}),
    ("llava", 33, 20, {"image_processor_type": "LlavaImageProcessor", "do_pad": True, "size": {"shortest_edge": 8}, "crop_size": 8}),
    ("dinov3", 37, 23, {"image_processor_type": "DINOv3ViTImageProcessorFast", "size": {"height": 8, "width": 8}}),
    ("dinov3-up", 5, 7, {"image_processor_type": "DINOv3ViTImageProcessor", "size": 9, "resample": 3}),
    ("raw", 6, 5, {
        "image_processor_type": "ViTImageProcessor", "do_resize": False, "do_rescale": False, "image_mean": 100, "image_std": 50,
    }),
]


def pixel_values(folder: Path) -> None:
    expected = {}
    for name, width, height, settings in CASES:
        settings = dict(settings)
        kind = settings.pop("image_processor_type", settings.pop("feature_extractor_type", None))
        kind = kind.removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor")
        if kind == "DINOv3ViTImageProcessor":
            values = dinov3(picture(width, height), **settings)
        else:
            image = Image.fromarray(picture(width, height))
            values = PROCESSORS[kind](**settings)(image, return_tensors="np")["pixel_values"][0]
        expected[name] = np.ascontiguousarray(values, dtype=np.float32)
    save_file(expected, folder / "pixel-values.safetensors")
    cases = [{"name": name, "width": width, "height": height, "settings": settings} for name, width, height, settings in CASES]
    (folder / "pixel-values.json").write_text(json.dumps(cases, indent=1) + "\n")


def sounds(folder: Path) -> None:
    values = sound(0.1, 8000)
    soundfile.write(folder / "tones.wav", values, 8000, subtype="PCM_16")
    soundfile.write(folder / "tones-24.wav", np.stack([values, -0.5 * values], -1)[:300], 8000, subtype="PCM_24")
    soundfile.write(folder / "tones.flac", values, 8000, subtype="PCM_16")
    soundfile.write(folder / "tones.mp3", sound(0.4, 16000), 16000, format="MP3", compression_level=0.9)
    decoded = {}
    for name in ("tones.wav", "tones-24.wav", "tones.flac"):
        samples, _ = soundfile.read(folder / name, dtype="float64", always_2d=True)
        decoded[name] = samples.mean(-1).astype(np.float32)
    save_file(decoded, folder / "sounds.safetensors")


def log_mel(folder: Path) -> None:
    """Of 1.3 seconds every 7th frame up to 1.4 seconds, then two frames of silence and the last one."""
    frames = [*range(0, 140, 7), 150, 2000, 2999]
    expected = {}
    for bins in (80, 128):
        extractor = WhisperFeatureExtractor(feature_size=bins)
        padded = np.zeros(480000, np.float32)
        padded[:20800] = sound(1.3, 16000)
        exact = extractor._np_extract_fbank_features(padded[None], "cpu")[0]
        usual = extractor(sound(1.3, 16000), sampling_rate=16000, return_tensors="np")["input_features"][0]
        print(f"{bins} bins: double and single precision of the reference differ by {np.abs(exact - usual).max():.1e}")
        expected[f"{bins}"] = np.ascontiguousarray(exact[:, frames], dtype=np.float32)
    save_file(expected, folder / "log-mel.safetensors")


if __name__ == "__main__":
    default = Path(__file__).parents[2] / "test/fixtures/inputs"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    target.mkdir(parents=True, exist_ok=True)
    pictures(target)
    pixel_values(target)
    sounds(target)
    log_mel(target)
