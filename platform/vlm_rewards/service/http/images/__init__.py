"""PNG and JPEG from callers whom nobody knows.

A file is read in two steps. `png` and `jpeg` walk through its bytes, refuse what is damaged or costs too much, and keep
of it only what decides a pixel: texts, colour profiles, thumbnails, further pictures and trailing bytes never reach the
decoder. Then Pillow decodes what is left, one image at a time, and `pixels` brings it to RGB by value.
"""

from vlm_rewards.service.http.images.decode import decode_images

__all__ = ["decode_images"]
