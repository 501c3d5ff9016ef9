"""Where figures go: the shipped model cards, and between the markers of README and docs."""

from __future__ import annotations

import re
from pathlib import Path

import napari_medrefine.superres
from napari_medrefine.compare.protocols import PROTOCOLS
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres import ModelCard, list_models, load_model, save_model
from superres_results import Results, Track
from superres_tracks import ALSO, FAITHFUL, GAN, PHOTO, PHOTO_GAN

MEASURES = ("mse", "psnr", "ssim", "detail", "colour", "shift", "consistency", "worst_psnr")
SHIPPED = Path(napari_medrefine.superres.__file__).parent / "weights"
ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "superres.md")


def weights_measured() -> dict[str, str]:
    """Return the SHA-256 of every shipped model, as their cards have it."""
    return {name: load_model(name).card.sha256 for name in list_models()}


def write_cards(results: Results) -> None:
    """Write the means of their tracks into the shipped models' cards.

    Raises
    ------
    MedRefineError
        If the results are of other weights.
    """
    if results.weights != weights_measured():
        raise MedRefineError("These results were measured with other weights than those shipped.")
    for name in list_models():
        model = load_model(name)
        card = model.card.model_copy(update={"metrics": metrics_of(results, model.card)})
        save_model(SHIPPED / f"{name}.safetensors", model.generator, card, half=True)


def metrics_of(results: Results, card: ModelCard) -> dict[str, dict[str, dict[str, float]]]:
    """Return what belongs into a card: track -> slide -> measure -> value."""
    faithful, gan = (PHOTO, PHOTO_GAN) if card.name.startswith("photo") else (FAITHFUL, GAN)
    method = gan if card.weights == "gan" else faithful
    slides = [slide for slide, domain in results.domains.items() if domain != ALSO]
    return {
        name: {slide: _measures(track, slide, method) for slide in slides}
        for name, track in results.tracks.items()
        if PROTOCOLS[name].same_size == (card.task == "sharpen") and method in track.methods
    }


def _measures(track: Track, slide: str, method: str) -> dict[str, float]:
    summary = track.of(slide, method)
    return {measure: round(getattr(summary, measure), 4) for measure in MEASURES}


def write_docs(texts: dict[str, str]) -> None:
    """Put each text between its markers in README and docs."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), texts), encoding="utf-8")


def filled(page: str, texts: dict[str, str]) -> str:
    """Return `page` with each ``<!-- figures: NAME -->`` section replaced."""
    for name, text in texts.items():
        begin, end = re.escape(f"<!-- figures: {name} -->"), re.escape("<!-- end of figures -->")
        section = f"<!-- figures: {name} -->\n{text}\n<!-- end of figures -->"
        page = re.sub(f"{begin}.*?{end}", lambda _, new=section: new, page, flags=re.DOTALL)
    return page
