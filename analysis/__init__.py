"""Reports of sweeps: load -> effects -> cards -> HTML, Markdown, JSON. Imports no torch."""
