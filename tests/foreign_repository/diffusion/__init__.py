BETAS = [1e-4] * 1000
