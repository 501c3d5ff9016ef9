"""What the fuzz tests share: what is judged, what is broken, and how."""
