"""The file dialogs and the browser, in one place so that tests can answer them."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_medrefine.superres.foreign_files import SUFFIXES


def ask_save_path(parent: QWidget | None, title: str, name: str, kinds: str) -> Path | None:
    """Ask where to save; None if the user changes their mind."""
    chosen, _ = QFileDialog.getSaveFileName(parent, title, name, kinds)
    return Path(chosen) if chosen else None


def ask_folder(parent: QWidget | None, title: str) -> Path | None:
    """Ask for a folder; None if the user changes their mind."""
    chosen = QFileDialog.getExistingDirectory(parent, title)
    return Path(chosen) if chosen else None


def ask_file(parent: QWidget | None, title: str, kinds: str) -> Path | None:
    """Ask for a file to open; None if the user changes their mind."""
    chosen, _ = QFileDialog.getOpenFileName(parent, title, "", kinds)
    return Path(chosen) if chosen else None


def ask_weights(parent: QWidget | None) -> Path | None:
    """Ask for a file of weights; None if the user changes their mind."""
    kinds = f"Weights ({' '.join(f'*{suffix}' for suffix in SUFFIXES)})"
    chosen, _ = QFileDialog.getOpenFileName(parent, "Choose weights", "", kinds)
    return Path(chosen) if chosen else None


def open_page(path: Path) -> bool:
    """Open a file with what opens such files, a page in the browser; say whether that went well."""
    return bool(QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))))
