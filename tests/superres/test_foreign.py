"""Networks of others: the contract, tiles, scales, and what is refused in one sentence."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.superres.foreign_zoo import Doubler, described, known, library, network, written

from napari_medrefine import MedRefineError, magnify, sharpen
from napari_medrefine.cli import main
from napari_medrefine.io.ome_zarr import part_of
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.progress import finish
from napari_medrefine.superres.foreign import ForeignGenerator
from napari_medrefine.superres.inference import run_steps
from napari_medrefine.superres.model_files import look_at
from napari_medrefine.superres.models import load_model, weights_of
from napari_medrefine.superres.reach import reach_of
from napari_medrefine.superres.recipe import Recipe

EXACT = 2e-5  # of white: two hundredths of a grey level of 255 is four times that


@pytest.fixture
def unit(tissue: Any) -> np.ndarray:
    """An image of floats, white at 1."""
    return (tissue(70, 90) / 255).astype(np.float32)


def alone(name: str, image: np.ndarray) -> np.ndarray:
    """What the network itself, by spandrel's own call, makes of an image."""
    model = known().ModelLoader().load_from_state_dict(network(name).state_dict()).eval()
    made = model(torch.from_numpy(image).permute(2, 0, 1)[None].contiguous())
    return made[0].permute(1, 2, 0).numpy()


KINDS = [("compact2", ".pth"), ("span4", ".safetensors"), ("esrgan2", ".pt"), ("swinir2", ".ckpt")]


@pytest.mark.parametrize(("name", "suffix"), KINDS)
def test_the_result_is_the_networks_own(
    tmp_path: Path, tissue: Any, name: str, suffix: str
) -> None:
    known()
    image = (tissue(96, 92) / 255).astype(np.float32)
    path, scale = written(tmp_path, name, suffix), int(name[-1])
    made = magnify(image, scale, model=path)
    inside = slice(40 * scale, -40 * scale)  # at the border ours goes on with the mirror image
    wanted = alone(name, image)
    assert np.abs(made - wanted)[inside, inside].max() < EXACT
    assert np.abs(made - magnify(image, scale, strength=0)).mean() > 0.01


@pytest.mark.parametrize(("name", "suffix"), KINDS)
def test_tiles_equal_the_whole(unit: np.ndarray, tmp_path: Path, name: str, suffix: str) -> None:
    known()
    recipe = Recipe("magnify", float(name[-1]), model=written(tmp_path, name, suffix))
    shape = recipe.result_shape(unit.shape)
    chain = recipe.chain(unit.shape, *recipe.origin(unit.shape, unit))
    whole, tiled = (finish(run_steps(unit, shape, chain, tile=side)) for side in (200, 48))
    assert np.abs(whole - tiled).max() < EXACT


def test_strength_goes_from_interpolation_to_all(unit: np.ndarray, tmp_path: Path) -> None:
    path = written(tmp_path, "compact2")
    none, half, full = (magnify(unit, 2, strength=s, model=path) for s in (0, 0.5, 1))
    np.testing.assert_allclose(none, magnify(unit, 2, strength=0), atol=1e-6)
    np.testing.assert_allclose(half, (none + full) / 2, atol=1e-3)  # where nothing is cut off
    assert np.abs(full - none).max() > 0.05


@pytest.mark.parametrize("scale", [0.5, 1.5, 2.5, 10.0])
def test_any_scale_comes_of_the_networks_own(tissue: Any, tmp_path: Path, scale: float) -> None:
    path, image = written(tmp_path, "compact2"), tissue(40, 52)
    made = magnify(image, scale, model=path)
    assert made.shape == (round(40 * scale), round(52 * scale), 3)
    if scale > 1:
        own = magnify(image, 2, model=path).astype(float).mean(axis=(0, 1))
        np.testing.assert_allclose(made.mean(axis=(0, 1)), own, atol=2)
        assert not np.array_equal(made, magnify(image, scale, strength=0))


def test_grey_alpha_and_large_values_are_kept(tissue: Any, tmp_path: Path) -> None:
    path = written(tmp_path, "compact2")
    image = tissue(40, 52)
    grey = magnify(image[..., 0], 2, model=path)
    assert (grey.shape, grey.dtype) == ((80, 104), np.uint8)
    clear = np.dstack([image, np.full((40, 52), 77, np.uint8)])
    assert (magnify(clear, 2, model=path)[..., 3] == 77).all()
    np.testing.assert_array_equal(
        magnify(clear, 2, model=path)[..., :3], magnify(image, 2, model=path)
    )


def test_same_size_networks_sharpen(tissue: Any, tmp_path: Path) -> None:
    path, image = written(tmp_path, "compact1"), tissue(64, 80)
    made = sharpen(image, model=path)
    wanted = np.rint(255 * alone("compact1", (image / 255).astype(np.float32)))
    assert np.abs(made[20:-20, 20:-20].astype(int) - wanted[20:-20, 20:-20]).max() <= 1
    np.testing.assert_array_equal(sharpen(image, strength=0, model=path), image)


def test_consistency_can_be_asked_for(unit: np.ndarray, tmp_path: Path) -> None:
    made = magnify(unit, 2, consistency=True, model=written(tmp_path, "compact2"))
    back = made.reshape(70, 2, 90, 2, 3).mean(axis=(1, 3))
    inside = slice(12, -12)
    free = magnify(unit, 2, model=tmp_path / "compact2.pth").reshape(70, 2, 90, 2, 3).mean((1, 3))
    error, other = (np.abs(one - unit)[inside, inside].mean() for one in (back, free))
    assert error < other / 5


def test_provenance_is_the_hash_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "span2", ".safetensors")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights_of("magnify", 0.0, path) == [{"name": path.name, "sha256": sha256}]
    card = load_model(path).card
    assert (card.name, card.sha256, card.scale, card.architecture) == (path.name, sha256, 2, "SPAN")


def test_from_the_terminal_to_a_photo_and_to_disk(tissue: Any, tmp_path: Path) -> None:
    import zarr

    path = written(tmp_path, "compact2")
    write_image(tmp_path / "photo.png", tissue(60, 70))
    for name in ("large.png", "large.ome.zarr"):
        words = ["magnify", str(tmp_path / "photo.png"), "--scale", "2", "--model", str(path)]
        assert main([*words, "-o", str(tmp_path / name)]) == 0
    photo = read_photo(tmp_path / "large.png").image
    disk = np.moveaxis(zarr.open_array(tmp_path / "large.ome.zarr" / "0")[:], 0, -1)
    np.testing.assert_array_equal(photo, disk)
    assert not part_of(tmp_path / "large.ome.zarr").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "name", ["compact1", "compact3", "span2", "esrgan1", "esrgan2", "esrgan8", "unshuffled2",
             "swinir4"],
)  # fmt: skip
def test_the_scale_is_seen_without_loading(tmp_path: Path, name: str, suffix: str) -> None:
    scale = int(name[-1])
    seen = look_at(written(tmp_path, name, suffix))
    assert (seen.foreign, seen.scale) == (True, scale)
    assert seen.task == ("sharpen" if scale == 1 else "magnify")


def test_looking_imports_neither_torch_nor_spandrel(tmp_path: Path) -> None:
    torch.save(Doubler().state_dict(), tmp_path / "4x-Name.pth")
    script = (
        "import sys; from pathlib import Path\n"
        "from napari_medrefine.superres.model_files import look_at\n"
        "print(look_at(Path(sys.argv[1])).scale, 'torch' in sys.modules, 'spandrel' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "4x-Name.pth")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == ["4", "False", "False"]


def test_files_of_before_pytorch_1_6_are_read(tmp_path: Path) -> None:
    state = network("compact3").state_dict()
    path = tmp_path / "old.pth"
    torch.save({"params_ema": state}, path, _use_new_zipfile_serialization=False)
    assert look_at(path).scale == 3
    assert load_model(path).card.scale == 3


class Bomb:
    """What a file must not be able to do: run a program."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("new", [True, False])
def test_a_program_in_a_file_is_never_run(tmp_path: Path, *, new: bool) -> None:
    path, trace = tmp_path / "x4.pth", tmp_path / "ran"
    torch.save(
        {"a.weight": torch.ones(1), "b": Bomb(trace)}, path, _use_new_zipfile_serialization=new
    )
    look_at(path)
    for use in (load_model, lambda p: magnify(np.zeros((8, 8, 3), np.uint8), 2, model=p)):
        with pytest.raises(MedRefineError, match=r"x4\.pth.*nothing but weights"):
            use(path)
    assert not trace.exists()


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x2.pt"
    torch.jit.save(torch.jit.script(torch.nn.Conv2d(3, 3, 1)), path)
    for use in (look_at, load_model):
        with pytest.raises(MedRefineError, match=r"x2\.pt.*TorchScript"):
            use(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_files_are_refused_by_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    state = {"conv.weight": torch.ones(64, 64)}
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    content = path.read_bytes()
    for bad in (
        content[: len(content) // 2],
        content[:30],
        b"",
        b"hello",
        b"PK\x03\x04" + b"0" * 40,
    ):
        path.write_bytes(bad)
        with pytest.raises(MedRefineError, match=r"mine\."):
            load_model(path)


@pytest.mark.parametrize("state", [[1, 2], {}, {"a.weight": torch.ones(3)}])
def test_what_no_network_has_is_refused(tmp_path: Path, state: Any) -> None:
    known()
    torch.save(state, tmp_path / "x2.pth")
    with pytest.raises(MedRefineError, match=r"x2\.pth.*(no weights|no network)"):
        load_model(tmp_path / "x2.pth")


def test_weights_that_only_look_like_a_network_are_refused(tmp_path: Path) -> None:
    state = network("span2").state_dict()
    del state["conv_cat.weight"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(MedRefineError, match=r"cut\.pth.*(do not fit|no network)"):
        load_model(tmp_path / "cut.pth")


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    state = network("compact2").state_dict()
    next(iter(state.values())).view(-1)[0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(MedRefineError, match=r"nan\.pth.*finite"):
        load_model(tmp_path / "nan.pth")


def test_networks_for_grey_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MedRefineError, match=r"1 channels of 1"):
        load_model(written(tmp_path, "greycompact2"))


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file in which a library that knows only one network finds that."""
    path = tmp_path / "any.pth"
    torch.save(Doubler().state_dict(), path)

    def pretend(descriptor: Any) -> Path:
        monkeypatch.setattr(
            "napari_medrefine.superres.foreign.spandrel", lambda _: library(descriptor)
        )
        return path

    return pretend


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"purpose": "FaceSR"}, "for faces"),
        ({"purpose": "Inpainting"}, "filling holes"),
        ({"architecture": type("A", (), {"id": "MixDehazeNet", "name": "M"})}, "haze"),
        ({"output_channels": 4}, "4 channels of 3"),
        ({"scale": 3}, "enlarged 3 times"),
    ],
)
def test_networks_for_something_else_are_refused(
    pretended: Any, changes: dict[str, Any], reason: str
) -> None:
    path = pretended(described(Doubler(), **changes))
    with pytest.raises(MedRefineError, match=rf"any\.pth.*{reason}"):
        load_model(path)


def test_a_network_that_cannot_run_says_so(pretended: Any) -> None:
    path = pretended(described(torch.nn.Linear(7, 7)))
    with pytest.raises(MedRefineError, match=r"any\.pth cannot be run"):
        magnify(np.zeros((20, 20, 3), np.uint8), 2, model=path)


def test_values_that_are_no_numbers_are_said(pretended: Any) -> None:
    path = pretended(described(Doubler(share=float("inf"))))
    with pytest.raises(MedRefineError, match=r"any\.pth"):
        magnify(np.zeros((20, 20, 3), np.uint8), 2, model=path)


def test_realism_and_the_wrong_task_get_a_sentence(tissue: Any, pretended: Any) -> None:
    path, image = pretended(described(Doubler())), tissue(20, 30)
    with pytest.raises(MedRefineError, match=r"any\.pth.*realism must be 0"):
        magnify(image, 2, realism=0.5, model=path)
    with pytest.raises(MedRefineError, match=r"any\.pth enlarges 2 times"):
        sharpen(image, model=path)


def test_without_spandrel_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(Doubler().state_dict(), tmp_path / "x2.pth")
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(
        MedRefineError, match=r"x2\.pth.*pip install 'napari-medrefine\[spandrel\]'"
    ):
        load_model(tmp_path / "x2.pth")


@pytest.mark.skipif(
    tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 8),
    reason="THE COMPILER IS LOADED: by einops, beside PyTorch before 2.8",
)
def test_neither_torchvision_nor_the_compiler_of_torch_is_loaded(tmp_path: Path) -> None:
    """Compilers take seconds, and Triton's LLVM crashes beside that of software OpenGL."""
    models = {str(written(tmp_path, name)): int(name[-1]) for name, _ in KINDS}
    code = f"""
        import sys
        import numpy as np
        from napari_medrefine import magnify
        for model, scale in {{None: 2, **{models}}}.items():
            made = magnify(np.zeros((20, 20, 3), np.uint8), scale, model=model)
            assert made.shape == (20 * scale, 20 * scale, 3)
        print(*(name for name in ("torchvision", "torch._dynamo", "triton") if name in sys.modules))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == ""


def test_the_reach_is_measured() -> None:
    """To the pixel for convolutions; what sees everything is said to."""
    generator = ForeignGenerator(described(Doubler(shift=13)), "d")
    assert (generator.halo, generator.multiple, generator.note) == (16, 8, "")

    def brightened(image: torch.Tensor) -> torch.Tensor:
        return image + image[..., -1:].mean()

    assert reach_of(brightened, 1, 8).left < 1e-6
    assert reach_of(lambda x: x + x[..., :1].mean(), 1, 8).left > 0.01
    everywhere = Doubler()
    everywhere.forward = lambda x: (
        (x * x.mean() * 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    )
    assert "do not quite fit" in ForeignGenerator(described(everywhere), "d").note


def test_large_blocks_are_made_piece_by_piece(tissue: Any, pretended: Any) -> None:
    """Blocks on disk may be larger than what fits into memory at once."""
    from napari_medrefine.superres.magnified import Magnified

    asked = []

    class Watched(Doubler):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            asked.append(max(image.shape[-2:]))
            return super().forward(image)

    path, image = pretended(described(Watched())), tissue(600, 700)
    picture = Magnified(image, Recipe("magnify", 2.0, model=path))
    block = picture.render(0, 0, 1200, 1400)
    assert max(asked) <= 768 / 2 + 128
    np.testing.assert_array_equal(block, magnify(image, 2, model=path))
