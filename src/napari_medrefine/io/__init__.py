"""What napari reads through us; `reader.get_reader` is in the plugin's manifest."""
