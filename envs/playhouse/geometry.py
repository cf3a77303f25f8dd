"""Triangle meshes of household things, built from a few solids.

Every function returns a `Mesh` in metres, z up. Flat and curved faces keep their own normals, so that edges look
like edges at 64 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Vector = Sequence[float]


@dataclass(frozen=True)
class Mesh:
    """Triangles with one normal a vertex.

    Attributes:
        vertices: float64 (V, 3), metres.
        normals: float64 (V, 3), unit length, pointing outwards.
        faces: int64 (F, 3), indices of vertices, counter-clockwise seen from outside.
    """

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner, float64 (3,) each."""
        return self.vertices.min(axis=0), self.vertices.max(axis=0)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
        """Translate by metres."""
        return Mesh(self.vertices + np.array([x, y, z]), self.normals, self.faces)

    def scaled(self, x: float, y: float | None = None, z: float | None = None) -> Mesh:
        """Scale the axes by positive factors (`y` and `z` default to `x`)."""
        factors = np.array([x, x if y is None else y, x if z is None else z])
        normals = self.normals / factors
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return Mesh(self.vertices * factors, normals, self.faces)

    def turned(self, axis: str, degrees: float) -> Mesh:
        """Rotate about the axis "x", "y" or "z" through the origin."""
        angle = np.deg2rad(degrees)
        i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        rotation = np.eye(3)
        rotation[i, i] = rotation[j, j] = np.cos(angle)
        rotation[i, j], rotation[j, i] = -np.sin(angle), np.sin(angle)
        return Mesh(self.vertices @ rotation.T, self.normals @ rotation.T, self.faces)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Return one mesh of several."""
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
    )


def flat(triangles: np.ndarray) -> Mesh:
    """Return a flat-shaded mesh of triangles, float (F, 3, 3); triangles without area are dropped."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    keep = lengths > 1e-12
    triangles, normals = triangles[keep], normals[keep] / lengths[keep, None]
    faces = np.arange(3 * len(triangles)).reshape(-1, 3)
    return Mesh(triangles.reshape(-1, 3), np.repeat(normals, 3, axis=0), faces)


def box(x: float, y: float, z: float) -> Mesh:
    """Return a box of edge lengths in metres, standing on z = 0, centred in x and y."""
    return prism([(-x / 2, -y / 2), (x / 2, -y / 2), (x / 2, y / 2), (-x / 2, y / 2)], z)


def prism(polygon: Sequence[Vector], height: float) -> Mesh:
    """Extrude a simple polygon of (x, y) corners from z = 0 to `height` metres."""
    corners = np.asarray(polygon, dtype=float)
    following = np.roll(corners, -1, axis=0)
    if (corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum() < 0:
        return prism(corners[::-1].tolist(), height)
    low = np.column_stack([corners, np.zeros(len(corners))])
    low_next = np.column_stack([following, np.zeros(len(corners))])
    up = np.array([0.0, 0.0, height])
    sides = np.concatenate(
        [
            np.stack([low, low_next, low_next + up], axis=1),
            np.stack([low, low_next + up, low + up], axis=1),
        ]
    )
    cap = np.array([[low[i] for i in triangle] for triangle in _triangulate(corners)])
    return flat(np.concatenate([sides, cap + up, cap[:, ::-1]]))


def upright(polygon: Sequence[Vector], depth: float) -> Mesh:
    """Extrude a polygon of (x, z) corners along y, centred: a silhouette seen from the side."""
    mesh = prism(polygon, depth)
    x, y, z = mesh.vertices.T
    nx, ny, nz = mesh.normals.T
    return Mesh(np.stack([x, depth / 2 - z, y], axis=1), np.stack([nx, -nz, ny], axis=1), mesh.faces)


def lathe(profile: Sequence[Vector], segments: int = 18) -> Mesh:
    """Turn a profile of (radius, z) points about the z axis; points run so that the outside lies to their right.

    For an outer wall the points climb; a point repeated twice makes no difference, as edges between
    segments of the profile are always sharp across and smooth around.
    """
    points = np.asarray(profile, dtype=float)
    angles = np.linspace(0.0, 2 * np.pi, segments + 1)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pieces = []
    for (r0, z0), (r1, z1) in pairwise(points):
        length = np.hypot(r1 - r0, z1 - z0)
        if length < 1e-9:
            continue
        out, rise = (z1 - z0) / length, -(r1 - r0) / length
        normal = np.column_stack([ring * out, np.full(segments + 1, rise)])
        low = np.column_stack([ring * r0, np.full(segments + 1, z0)])
        high = np.column_stack([ring * r1, np.full(segments + 1, z1)])
        a = np.arange(segments)
        b, c, d = a + 1, a + segments + 1, a + segments + 2
        faces = []
        if r0 > 1e-9:
            faces.append(np.stack([a, b, d], axis=1))
        if r1 > 1e-9:
            faces.append(np.stack([a, d, c], axis=1))
        pieces.append(Mesh(np.concatenate([low, high]), np.concatenate([normal, normal]), np.concatenate(faces)))
    return join(pieces)


def cylinder(radius: float, height: float, top: float | None = None, segments: int = 18) -> Mesh:
    """Return a closed cylinder or cone standing on z = 0; `top` is the upper radius."""
    upper = radius if top is None else top
    return lathe([(0, 0), (radius, 0), (upper, height), (0, height)], segments)


def ball(x: float, y: float | None = None, z: float | None = None, segments: int = 16) -> Mesh:
    """Return an ellipsoid with semi-axes in metres, centred at the origin, smooth."""
    latitudes = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    longitudes = np.linspace(0.0, 2 * np.pi, segments + 1)
    lat, lon = np.meshgrid(latitudes, longitudes, indexing="ij")
    unit = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1).reshape(-1, 3)
    row = segments + 1
    a = (np.arange(segments // 2)[:, None] * row + np.arange(segments)[None]).ravel()
    b, c, d = a + 1, a + row, a + row + 1
    # Two rows of triangles at the poles have no area.
    faces = np.concatenate([np.stack([a, b, d], axis=1)[segments:], np.stack([a, d, c], axis=1)[:-segments]])
    return Mesh(unit, unit, faces).scaled(x, x if y is None else y, x if z is None else z)


def tube(path: Sequence[Vector] | np.ndarray, radius: float, segments: int = 8) -> Mesh:
    """Return a round bar along a path of (x, y, z) points, closed at both ends."""
    points = np.asarray(path, dtype=float)
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    reference = np.eye(3)[np.argmin(np.abs(tangents).max(axis=0))]
    side = np.cross(tangents, reference)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(tangents, side)
    angles = np.linspace(0.0, 2 * np.pi, segments + 1)
    normals = np.cos(angles)[None, :, None] * side[:, None] + np.sin(angles)[None, :, None] * other[:, None]
    vertices = points[:, None] + radius * normals
    row, rings = segments + 1, len(points)
    a = (np.arange(rings - 1)[:, None] * row + np.arange(segments)[None]).ravel()
    b, c, d = a + 1, a + row, a + row + 1
    faces = np.concatenate([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)])
    wall = Mesh(vertices.reshape(-1, 3), normals.reshape(-1, 3), faces)
    caps = [
        flat(np.stack([np.stack([ring[i + (k == 0)], ring[i + (k != 0)], points[k]]) for i in range(segments)]))
        for k, ring in ((0, vertices[0]), (-1, vertices[-1]))
    ]
    return join([wall, *caps])


def ring(radius: float, thickness: float, start: float = 0.0, stop: float = 360.0, steps: int = 18) -> Mesh:
    """Return a torus, or an arc of one, in the x-y plane; angles in degrees."""
    angles = np.deg2rad(np.linspace(start, stop, steps + 1))
    return tube(np.stack([radius * np.cos(angles), radius * np.sin(angles), 0 * angles], axis=1), thickness)


def star(points: int, outer: float, inner: float) -> list[tuple[float, float]]:
    """Return the corners of a star with a point at the top, counter-clockwise."""
    angles = np.pi / 2 + np.arange(2 * points) * np.pi / points
    radii = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return [(float(r * np.cos(a)), float(r * np.sin(a))) for r, a in zip(radii, angles, strict=True)]


def _triangulate(corners: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the triangles of a simple counter-clockwise polygon, by ear clipping: the polygon is, float (N, 2)."""
    remaining = list(range(len(corners)))
    triangles: list[tuple[int, int, int]] = []

    def cross(o: int, a: int, b: int) -> float:
        (ox, oy), (ax, ay), (bx, by) = corners[o], corners[a], corners[b]
        return float((ax - ox) * (by - oy) - (ay - oy) * (bx - ox))

    while len(remaining) > 3:
        for k in range(len(remaining)):
            i, j, m = remaining[k - 1], remaining[k], remaining[(k + 1) % len(remaining)]
            others = (p for p in remaining if p not in (i, j, m))
            if cross(i, j, m) > 1e-12 and not any(
                cross(i, j, p) >= 0 and cross(j, m, p) >= 0 and cross(m, i, p) >= 0 for p in others
            ):
                triangles.append((i, j, m))
                remaining.pop(k)
                break
        else:
            raise ValueError("the polygon crosses itself")
    return [*triangles, (remaining[0], remaining[1], remaining[2])]
