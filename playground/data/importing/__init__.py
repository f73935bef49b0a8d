"""Turns anyone's videos into clip datasets: decode, resample, crop, split at cuts, drop what teaches nothing."""
