# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole prepared footage in the device's memory, and training samples made there in batches.

What is small (draws, landmarks, meshes, openings) is planned in other processes by
`export.data.plan`; every pixel is made here: views of the stored frames, light and noise, the mesh
warp, eyes and mouth, lines and masks. The batches are those of `export.training.feed.Feed`, equal
to them but for rounding, and drawn in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from export.data.augment import COARSE, NOISE_ROOM, noise_picture
from export.data.episodes import Episodes
from export.data.mattes import SIDE as MATTE_SIDE
from export.data.plan import LINE_PLANES, PLANES, line_planes, plan_batch
from export.data.samples import SampleOptions
from export.data.shards import PreparedData
from export.data.workers import start_worker
from export.training.config import TrainConfig
from export.training.shapes import draw_discs, draw_lines, draw_triangles, fill_outlines
from inference.mouth.paint import palette

Batch = dict[str, Tensor]

_PLAN_AHEAD = 4  # batches that each process plans ahead
_DECODERS = 16
_CROP = 9  # the stream of draws for crops, as in export.training.feed


class ResidentFootage:
    """Every frame of a prepared folder as uint8 on the device: (F, 3, S, S), and at half the size.

    S is the largest side of the stored pictures, even; smaller ones lie at the left and top, and
    their edges are repeated beyond. mattes: (F, 1, M, M); matted: (F,) 255 where there is one.
    """

    def __init__(self, data: PreparedData, device: torch.device) -> None:
        self.device = device
        largest = max(max(record.size) for record in data.records)
        self.side = (largest + 1) // 2 * 2
        count = sum(record.frames for record in data.records)
        self.frames = torch.empty(
            (count, 3, self.side, self.side), dtype=torch.uint8, device=device
        )
        half = self.side // 2
        self.halves = torch.empty((count, 3, half, half), dtype=torch.uint8, device=device)
        self.mattes = torch.zeros(
            (count, 1, MATTE_SIDE, MATTE_SIDE), dtype=torch.uint8, device=device
        )
        self.matted = torch.zeros(count, dtype=torch.uint8, device=device)
        first = 0
        with ThreadPoolExecutor(_DECODERS) as pool:
            for index in range(len(data)):
                clip = data.clip(index)
                frames = range(clip.record.frames)
                rows = slice(first, first + len(frames))
                for small, store in ((False, self.frames), (True, self.halves)):
                    made = pool.map(
                        lambda i, c=clip, s=small, side=store.shape[-1]: _square(
                            c.picture(i, s), side
                        ),
                        frames,
                    )
                    store[rows] = torch.from_numpy(np.stack(list(made))).to(device)
                if clip.record.mattes:
                    mattes = np.stack([m for i in frames if (m := clip.matte(i)) is not None])
                    self.mattes[rows, 0] = torch.from_numpy(mattes).to(device)
                    self.matted[rows] = 255
                first += len(frames)


class ResidentFeed:
    """Yields (step, batch) as `export.training.feed.Feed`, the batches made on the device."""

    def __init__(
        self,
        config: TrainConfig,
        first: int,
        rank: int,
        count: int,
        device: torch.device,
        options: SampleOptions | None = None,
    ) -> None:
        self._data = PreparedData(config.data, "train")
        self._options = options or SampleOptions()
        self._first = first
        self._workers = config.workers
        self._plans = _Plans(self._data, config, rank, count, self._options)
        self._footage = _resident(config.data, device)

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        loader = DataLoader(
            self._plans,
            batch_size=None,
            sampler=range(self._first, len(self._plans) + 1),
            num_workers=self._workers,
            prefetch_factor=_PLAN_AHEAD if self._workers else None,
            worker_init_fn=_one_thread,
            pin_memory=self._footage.device.type == "cuda",
            multiprocessing_context="spawn" if self._workers else None,
        )
        for step, plan in enumerate(loader, self._first):
            yield step, make_batch(self._footage, plan, self._options)


class _Plans(Dataset[Batch]):
    """Step -> the plan of this process's part of its batch."""

    def __init__(
        self, data: PreparedData, config: TrainConfig, rank: int, count: int, options: SampleOptions
    ) -> None:
        self._data = data
        self._episodes = Episodes(data, config.seed, (1, config.most_sources))
        self._config = config
        self._rank, self._count = rank, count
        self._options = options

    def __len__(self) -> int:
        return self._config.steps

    def __getitem__(self, step: int) -> Batch:
        whole = step % self._config.whole_every == 0
        size = max(self._count, self._config.batch // 2 if whole else self._config.batch)
        episodes = [
            self._episodes.at(step, index) for index in range(self._rank, size, self._count)
        ]
        plan = plan_batch(self._data, episodes, self._options)
        shift, known = [], []
        for episode in episodes:
            rng = np.random.default_rng((*episode.key, _CROP))
            shift.append(rng.random(2, np.float32))
            known.append(np.float32(rng.random() < self._config.known_share))
        plan["shift"], plan["known"] = np.stack(shift), np.array(known, np.float32)
        plan["shots"] = np.array(len(episodes[0].sources))
        return {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in plan.items()}


@torch.no_grad()
def make_batch(footage: ResidentFootage, plan: Batch, options: SampleOptions) -> Batch:
    """The samples of a plan, stacked as `export.training.feed` stacks those of `make_sample`."""
    plan = {
        k: v if k == "shots" else v.to(footage.device, non_blocking=True) for k, v in plan.items()
    }
    size, near = options.size, options.identity_size
    people = len(plan["points"])
    shown, where = _shown(footage, plan, "main_", size)
    main = _recoloured(shown, plan, "main_", size)
    batch = {
        "target": main[:people].byte(),
        **_drawn(plan, size),
        "visible": _visible(where[:people], plan["stored"]),
        **_matte(footage, plan["main_row"][:people], where[:people], plan["stored"]),
        "points": plan["points"],
        "person": plan["person"],
        "shift": plan["shift"],
        "known": plan["known"],
    }
    if not options.sources and not len(plan["stills"]):
        batch["identity"] = _identity(footage, plan, main[:0], near)
        return batch
    places = torch.searchsorted(plan["sources"], plan["stills"])
    sources = main[people : people + len(plan["sources"])].clone()
    if len(places):
        moved = _warped(sources[places], main, plan, "still_", size)
        sources[places] = moved["warped"].float()
    batch["identity"] = _identity(footage, plan, sources[places], near)
    if options.sources:
        batch["source"] = sources.byte()[:, None]
        batch["source_points"] = plan["source_points"][:, None]
        for name, value in _warped(sources, main, plan, "warp_", size).items():
            batch[name] = value[:, None]
    return batch


def _square(picture: np.ndarray, side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    padded = cv2.copyMakeBorder(picture, 0, side - height, 0, side - width, cv2.BORDER_REPLICATE)
    return padded.transpose(2, 0, 1)


def _shown(footage: ResidentFootage, plan: Batch, name: str, size: int) -> tuple[Tensor, Tensor]:
    """Stored frames as the samples show them, (V, 3, size, size) of whole grey levels.

    And where each pixel comes from, as a pixel index of its stored picture (V, size, size, 2).
    """
    back, owner = plan[name + "back"], plan[name + "owner"]
    device = footage.device
    where = _transformed(back, _middles(size, 1, device)) - 0.5
    coarse = _transformed(back, _middles(size // COARSE, COARSE, device))
    index = _transformed(plan[name + "to_face"], coarse)
    field = plan["field"].permute(0, 3, 1, 2)[owner]
    grid = 2 * index / (field.shape[-1] - 1) - 1
    shift = F.grid_sample(field, grid, padding_mode="zeros", align_corners=True)
    shift = torch.einsum("vij,vjhw->vihw", plan[name + "unface"], shift)
    shift = F.interpolate(shift, scale_factor=COARSE, mode="bilinear", align_corners=False)
    where = where + shift.permute(0, 2, 3, 1)
    half, cubic = plan[name + "half"], plan[name + "cubic"]
    shown = torch.zeros(len(owner), 3, size, size, device=device)
    for small, store in ((False, footage.frames), (True, footage.halves)):
        for mode, wanted in (("bicubic", True), ("bilinear", False)):
            rows = torch.nonzero(((half > 0) == small) & (cubic == wanted))[:, 0]
            if not len(rows):
                continue
            at = where[rows]
            if small:
                at = (at + 0.5) * half[rows, None, None, None] - 0.5
            texture = store[plan[name + "row"][rows]].float()
            shown[rows] = _sampled(texture, at, mode)
    return shown.round().clamp(0, 255), where


def _recoloured(pictures: Tensor, plan: Batch, name: str, size: int) -> Tensor:
    """The episodes' light, colours and noise on (V, 3, size, size), rounded at every step."""
    owner = plan[name + "owner"]
    mixed = torch.einsum("vij,vjhw->vihw", plan["mix"][owner], pictures).round().clamp(0, 255)
    tones = plan["tones"][owner].float().gather(2, mixed.flatten(2).long()).view_as(mixed)
    lit = (tones * (_light(plan["slope"], size)[owner, None] / 128)).round().clamp(0, 255)
    sigma = plan[name + "sigma"]
    part = _noise(plan[name + "offset"], size, pictures.device)
    noisy = lit + (part - 128) * (sigma / 16)[:, None, None, None]
    return noisy.round().clamp(0, 255)


def _light(slope: Tensor, size: int) -> Tensor:
    """The light's gradient (B, size, size), 128 is even; drawn at 256 and shrunk from there."""
    full = 256
    x = torch.linspace(-1, 1, full, device=slope.device)
    ramp = x[None, None] * slope[:, 0, None, None] + x[None, :, None] * slope[:, 1, None, None]
    light = (128 * (1 + 0.2 * ramp)).round()
    if size == full:
        return light
    return F.avg_pool2d(light[:, None], full // size)[:, 0].round()


def _noise(offset: Tensor, size: int, device: torch.device) -> Tensor:
    whole = _noise_tile(size, device)
    at = torch.arange(size, device=device)
    x, y = offset[:, 0, None] + at, offset[:, 1, None] + at
    return whole[:, y[:, :, None], x[:, None, :]].permute(1, 0, 2, 3)


@cache
def _noise_tile(size: int, device: torch.device) -> Tensor:
    tile = torch.from_numpy(noise_picture(size).transpose(2, 0, 1).copy())
    assert tile.shape[-1] == size + NOISE_ROOM
    return tile.to(device).float()


def _warped(sources: Tensor, main: Tensor, plan: Batch, name: str, size: int) -> Batch:
    """Sources (N, 3, S, S) warped to their targets by the steps of `inference.warp`."""
    count = len(sources)
    seen = draw_triangles(plan[name + "corners"], plan[name + "boxes"], size)
    table = plan[name + "table"]
    values = table.gather(1, seen.view(count, -1, 1).expand(-1, -1, table.shape[-1]))
    values = values.view(count, size, size, -1)
    at = torch.arange(size, device=sources.device, dtype=torch.float32)
    columns, rows = at[None, None, :, None], at[None, :, None, None]
    displacement = values[..., 0:2] * columns + values[..., 2:4] * rows + values[..., 4:6]
    index = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1)
    warped = _sampled(sources, index + displacement, "bilinear").round()
    valid = values[..., 7].clone()
    opening = torch.zeros(count * size * size, device=sources.device)
    palettes = _palettes(sources, plan[name + "palette_at"])
    inside, gain = _mouths(sources, main, plan, name)
    for number in range(3):
        layer = f"{name}layer{number}_"
        place = plan[layer + "at"]
        picture = torch.div(place, size * size, rounding_mode="floor")
        pixels = place - picture * (size * size)
        textures = inside if number == 2 else sources
        content = _taken(textures, picture, plan[layer + "from"])
        if number == 2:
            content = (content * gain[picture]).round().clamp(0, 255)
            content = content * plan[layer + "light"][:, None]
        made_up = plan[layer + "made_up"][:, None]
        drawn = (plan[layer + "paint"][:, None] @ palettes[picture])[:, 0]
        content = content + made_up * (drawn - content)
        mask = plan[layer + "mask"][:, None]
        flat = warped.flatten(2)
        below = flat[picture, :, pixels]
        flat[picture, :, pixels] = (below + mask * (content - below)).round()
        warped = flat.view_as(warped)
        opening.scatter_reduce_(0, place, mask[:, 0], "amax")
        if number == 2:
            empty = made_up[:, 0] * (1 - plan[layer + "teeth"])
            valid.view(-1)[place] *= 1 - mask[:, 0] * empty
    return {
        "warped": warped.clamp(0, 255).byte(),
        "valid": (255 * valid).round().byte(),
        "stretch": values[..., 6].half(),
        "displacement": displacement,
        "opening": (255 * opening).round().byte().view(count, size, size),
    }


def _mouths(sources: Tensor, main: Tensor, plan: Batch, name: str) -> tuple[Tensor, Tensor]:
    """Where each source's mouth is taken from, and the gain (N, 3) to its own light."""
    whose = plan[name + "whose"]
    borrowed = whose >= 0
    inside = torch.where(borrowed[:, None, None, None], main[whose.clamp_min(0)], sources)
    own = _mean_colour(sources, plan[name + "lips_at"])
    other = _mean_colour(inside, plan[name + "whose_lips_at"])
    gain = (own / other.clamp_min(1)).clamp(0.5, 2)
    return inside, torch.where(borrowed[:, None], gain, torch.ones_like(gain))


def _palettes(pictures: Tensor, at: Tensor) -> Tensor:
    """The mouths' colours (N, 4, 3) by pictures (N, 3, S, S) at their pixels (N, P, 2)."""
    place = (at[..., 1] * pictures.shape[-1] + at[..., 0])[:, None].expand(-1, 3, -1)
    seen = pictures.flatten(2).gather(2, place).permute(0, 2, 1).cpu().double().numpy() / 255
    found = np.stack([palette(colours) for colours in seen]) * 255
    return torch.from_numpy(found.astype(np.float32)).to(pictures.device)


def _mean_colour(pictures: Tensor, at: Tensor) -> Tensor:
    """Of (N, 3, S, S) at the pixels (N, P, 2): (N, 3)."""
    place = (at[..., 1] * pictures.shape[-1] + at[..., 0])[:, None].expand(-1, 3, -1)
    return pictures.flatten(2).gather(2, place).mean(dim=2)


def _taken(pictures: Tensor, which: Tensor, at: Tensor) -> Tensor:
    """Colours (Q, 3) of pictures `which` (Q,) at pixel indices (Q, 2), linear, edges repeated."""
    top = pictures.shape[-1] - 1
    at = at.clamp(0, top)
    low = at.floor()
    share = at - low
    low = low.long()
    high = (low + 1).clamp(max=top)
    flat = pictures.permute(0, 2, 3, 1)
    x, y = share[:, :1], share[:, 1:]
    above = flat[which, low[:, 1], low[:, 0]] * (1 - x) + flat[which, low[:, 1], high[:, 0]] * x
    below = flat[which, high[:, 1], low[:, 0]] * (1 - x) + flat[which, high[:, 1], high[:, 0]] * x
    return (above * (1 - y) + below * y).round()


def _drawn(plan: Batch, size: int) -> Batch:
    """lines (B, 6, S, S) and face (B, S, S), uint8: the target's landmarks."""
    segments, planes = plan["segments"], _planes(plan["segments"].device)
    soft = draw_lines(segments, plan["segment_boxes"], planes, len(PLANES), size)
    areas = []
    for number in range(LINE_PLANES, len(PLANES)):
        inside = fill_outlines(segments[:, _of_plane(number)], size)
        areas.append(torch.maximum(soft[:, number], inside.float()))
    mouth, right, left, face = areas
    eyes = torch.maximum(right, left)
    irises = plan["irises"]
    discs = torch.maximum(draw_discs(irises[:, 0], size), draw_discs(irises[:, 1], size))
    lines = torch.cat(
        [soft[:, :LINE_PLANES], torch.stack([mouth, eyes, torch.minimum(discs, eyes)], dim=1)],
        dim=1,
    )
    return {"lines": (255 * lines).round().byte(), "face": (255 * face).round().byte()}


@cache
def _planes(device: torch.device) -> Tensor:
    return torch.from_numpy(line_planes()).to(device)


@cache
def _of_plane(number: int) -> slice:
    which = np.flatnonzero(line_planes() == number)
    return slice(int(which[0]), int(which[-1]) + 1)


def _visible(where: Tensor, stored: Tensor) -> Tensor:
    """255 where the target's stored picture (width, height) really reaches: (B, S, S) uint8."""
    inside = (where >= -0.5) & (where <= stored[:, None, None] - 0.5)
    return inside.all(dim=-1).byte() * 255


def _matte(footage: ResidentFootage, rows: Tensor, where: Tensor, stored: Tensor) -> Batch:
    """matte (B, S, S) and matted (B,), as in `export.data.samples.make_sample`."""
    at = (where + 0.5) * (MATTE_SIDE / stored[:, None, None]) - 0.5
    shown = _sampled(footage.mattes[rows].float(), at, "bilinear")[:, 0]
    return {"matte": shown.round().byte(), "matted": footage.matted[rows]}


def _identity(footage: ResidentFootage, plan: Batch, stills: Tensor, near: int) -> Tensor:
    """(B, K, 6, I, I) uint8: what the embedder sees of every source."""
    people, shots = len(plan["points"]), int(plan["shots"])
    shown = _shown(footage, plan, "identity_", near)[0]
    shown = _recoloured(shown, plan, "identity_", near)
    segments = plan["identity_segments"]
    planes = _planes(segments.device)[: segments.shape[1]]
    lines = draw_lines(segments, plan["identity_segment_boxes"], planes, LINE_PLANES, near)
    lines = (255 * lines).round()
    result = torch.zeros(people, shots, 6, near, near, dtype=torch.uint8, device=segments.device)
    filmed = torch.ones(people, dtype=torch.bool, device=segments.device)
    filmed[plan["stills"]] = False
    made = torch.cat([shown, lines[: len(shown)]], dim=1).byte()
    result[filmed] = made.view(-1, shots, 6, near, near)
    if len(stills):
        small = F.avg_pool2d(stills, stills.shape[-1] // near).round()
        of_still = torch.cat([small, lines[len(shown) :]], dim=1).byte()
        result[plan["stills"]] = of_still[:, None].expand(-1, shots, -1, -1, -1)
    return result


def _sampled(texture: Tensor, at: Tensor, mode: str) -> Tensor:
    """Colours of textures (V, 3, H, W) at pixel indices (V, h, w, 2); edges are repeated."""
    scale = torch.tensor([texture.shape[3], texture.shape[2]], device=texture.device)
    grid = (2 * at + 1) / scale - 1
    return F.grid_sample(texture, grid, mode=mode, padding_mode="border", align_corners=False)


def _transformed(maps: Tensor, at: Tensor) -> Tensor:
    """Affine maps (V, 2, 3) of positions (H, W, 2) or (V, H, W, 2): (V, H, W, 2)."""
    x, y = at[..., 0, None], at[..., 1, None]
    column = maps[:, None, None]
    return column[..., 0] * x + column[..., 1] * y + column[..., 2]


@cache
def _middles(count: int, step: int, device: torch.device) -> Tensor:
    at = (torch.arange(count, device=device, dtype=torch.float32) + 0.5) * step
    return torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1)[None]


@cache
def _resident(folder: Path, device: torch.device) -> ResidentFootage:
    """Loaded once for all feeds of a process."""
    return ResidentFootage(PreparedData(folder, "train"), device)


def _one_thread(number: int) -> None:
    start_worker(number)
    torch.set_num_threads(1)
