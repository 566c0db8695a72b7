"""Mixtures of t distributions: what importance samples are drawn from."""

import numpy as np

_DEGREES = 5.0  # of freedom


class Mixture:
    """Mixture of n t distributions in d dimensions: (n, d) centres, (n, d, d) or (1, d, d) Cholesky
    factors of the scale matrices, logarithms of the shares, (n,), up to a constant."""

    def __init__(self, centres, factors, log_shares):
        self.centres = centres
        self.factors = np.broadcast_to(factors, (len(centres), *factors.shape[1:]))
        self.log_shares = log_shares - np.logaddexp.reduce(log_shares)

    @classmethod
    def joined(cls, parts):
        """Mixture of (share, mixture) pairs."""
        return cls(
            np.concatenate([mixture.centres for _, mixture in parts]),
            np.concatenate([mixture.factors for _, mixture in parts]),
            np.concatenate([np.log(share) + mixture.log_shares for share, mixture in parts]),
        )

    @classmethod
    def kernels(cls, points, weights, n, width, rng):
        """n kernels around points picked by weight; `width` times the points' covariance is their
        scale matrix."""
        offset = points - weights @ points
        spread = (weights[:, None] * offset).T @ offset + 1e-7 * np.eye(points.shape[1])
        picked = points[rng.choice(len(points), n, p=weights)]
        return cls(picked, np.linalg.cholesky(width * spread)[None], np.zeros(n))

    def draw(self, n, rng):
        """n samples, (n, d)."""
        which = rng.choice(len(self.centres), size=n, p=np.exp(self.log_shares))
        noise = rng.standard_normal((n, self.centres.shape[1]))
        noise *= np.sqrt(_DEGREES / rng.chisquare(_DEGREES, n))[:, None]
        return self.centres[which] + np.einsum("nij,nj->ni", self.factors[which], noise)

    def log_density(self, samples):
        """Log density up to a constant that all mixtures share, (n,)."""
        inverse = np.linalg.inv(self.factors)
        offset = samples[None] - self.centres[:, None]  # (components, n, d)
        scaled = np.einsum("kij,knj->kni", inverse, offset)
        log_t = (
            -(_DEGREES + self.centres.shape[1]) / 2 * np.log1p((scaled**2).sum(axis=-1) / _DEGREES)
        )
        log_size = np.log(np.diagonal(self.factors, axis1=1, axis2=2)).sum(axis=1)
        return np.logaddexp.reduce(log_t + (self.log_shares - log_size)[:, None], axis=0)
