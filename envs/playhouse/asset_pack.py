"""Asset packs: folders of external meshes that replace or add categories.

A pack is a folder of `NAME.obj` files, each with an optional `NAME.png` texture; `NAME`, with underscores read
as spaces, is the category. z is up and the longest edge is scaled to 0.36 m. A mesh with a texture is tinted by the
colour of the goal; one without is painted in it.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from envs.playhouse.catalog.category import MAIN, Category, make_category
from envs.playhouse.errors import AssetPackError
from envs.playhouse.geometry import Mesh

#: Longest edge of a pack's categories, metres.
SIZE = 0.36
#: Most triangles of one mesh: software rendering slows down beyond.
MAX_TRIANGLES = 50_000


def load_pack(folder: str | Path) -> dict[str, Category]:
    """Return the categories of a pack by name.

    Raises:
        AssetPackError: The folder or a mesh or texture in it cannot be used.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*.obj"))
    if not files:
        raise AssetPackError(f"asset pack {folder} holds no .obj file; give a folder of NAME.obj and NAME.png")
    pack = {}
    for file in files:
        name = file.stem.replace("_", " ").lower()
        mesh, texcoords = read_obj(file)
        category = make_category(name, [(MAIN, mesh)], SIZE)
        texture = file.with_suffix(".png")
        if texture.exists():
            if texcoords is None:
                raise AssetPackError(
                    f"{file} has a texture but no texture coordinates (vt); add them or remove the .png"
                )
            load_image(str(texture))
            category = dataclasses.replace(category, texture=str(texture), texcoords=texcoords)
        pack[name] = category
    return pack


def load_image(path: str) -> np.ndarray:
    """Return a texture as uint8 (H, W, 3), sides at most 512.

    Raises:
        AssetPackError: Not an image.
    """
    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise AssetPackError(f"cannot read texture {path}; give a PNG image") from error
    rgb.thumbnail((512, 512))
    return np.asarray(rgb)


def read_obj(path: str | Path) -> tuple[Mesh, np.ndarray | None]:
    """Read the triangles and polygons of a Wavefront OBJ file.

    Returns:
        The mesh, flat-shaded unless the file brings normals for every corner, and float (V, 2) texture
        coordinates where every corner has them, else None.

    Raises:
        AssetPackError: A line cannot be read, an index is out of range, or there is nothing to draw.
    """
    tables: dict[str, list[list[float]]] = {"v": [], "vt": [], "vn": []}
    corners: list[tuple[int, int, int]] = []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AssetPackError(f"cannot read mesh {path}; give a Wavefront OBJ text file") from error
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            if words[0] in tables:
                tables[words[0]].append([float(word) for word in words[1 : 3 if words[0] == "vt" else 4]])
            elif words[0] == "f":
                polygon = [_corner(word, tables) for word in words[1:]]
                if len(polygon) < 3:
                    raise ValueError("a face needs three corners")
                for b, c in pairwise(polygon[1:]):
                    corners += [polygon[0], b, c]
        except (ValueError, IndexError) as error:
            raise AssetPackError(f"{path}, line {number}: broken mesh ({error}); export the OBJ again") from error
    if not corners or len(corners) > 3 * MAX_TRIANGLES:
        raise AssetPackError(f"{path}: has {len(corners) // 3} triangles; a mesh needs 1 to {MAX_TRIANGLES}")
    index = np.array(corners)
    vertices = np.array(tables["v"])[index[:, 0]]
    if not np.isfinite(vertices).all() or np.ptp(vertices, axis=0).max() < 1e-9:
        raise AssetPackError(f"{path}: broken mesh (coordinates without size or not finite); export the OBJ again")
    faces = np.arange(len(corners)).reshape(-1, 3)
    triangles = vertices[faces]
    flat = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals = np.repeat(flat, 3, axis=0) if (index[:, 2] < 0).any() else np.array(tables["vn"])[index[:, 2]]
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(lengths > 1e-12, normals / np.maximum(lengths, 1e-12), np.array([0.0, 0.0, 1.0]))
    texcoords = None if (index[:, 1] < 0).any() else np.array(tables["vt"])[index[:, 1]] * [1, -1] + [0, 1]
    return Mesh(vertices, normals, faces), texcoords


def _corner(word: str, tables: dict[str, list[list[float]]]) -> tuple[int, int, int]:
    """Return the zero-based (vertex, texture, normal) indices of a corner such as `3/1/2`; -1 where left out."""
    indices = []
    for part, table in zip([*word.split("/"), "", ""][:3], ("v", "vt", "vn"), strict=True):
        if not part:
            indices.append(-1)
            continue
        index = int(part) - 1 if int(part) > 0 else len(tables[table]) + int(part)
        if not 0 <= index < len(tables[table]):
            raise IndexError(f"there is no {table} {part}")
        indices.append(index)
    return indices[0], indices[1], indices[2]
