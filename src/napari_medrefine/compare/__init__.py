"""Two pictures of one place: baselines, numbers and panels to tell how far to trust one."""
