"""What napari shows of us: dock widgets and menu commands, a thin skin over the core."""
