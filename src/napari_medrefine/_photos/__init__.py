"""How the file formats of photos are read and written; `napari_medrefine.photos` is the way in."""
