"""The legend of shape suffixes.

A tensor that crosses a line of maths carries its axes in its name, for example ``frames_BTHWC``.

====== ============================================================
suffix axis
====== ============================================================
B      batch (clips, slots, players)
T      frames in time
S      tokens of one frame inside the dynamics trunk (packed latents and extras)
H W    pixels, height and width
C      channels (3 for pixels, latent channels for latents)
N      latents or tokens of one frame
D      width of a transformer
A      latent actions
P      prompt dimensions
L      layers that attend over time
R      ring slots, the context in frames
K      attention heads
E      dimensions of one attention head
====== ============================================================

``frames_BTHWC`` is uint8 in [0, 255] at every public border; ``latents_BTNC`` is floating point (continuous);
``tokens_BTN`` is int64 (discrete). ``actions_BT[:, t]`` is the action that *produced* frame t.
"""
