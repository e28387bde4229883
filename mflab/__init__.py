"""mflab: sweeps and ablations that give answers, for multi-view diffusion and Gaussian reconstruction."""
