"""Textures: texels lie where their UVs say, and photos give back the pattern that they show."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.appearance.shading import Rendering
from models.ham.reconstruction import load_reconstruction
from models.textures import relief
from models.textures.bake import bake_albedo, fill
from models.textures.files import load_texture, texture_paths, write_textures
from models.textures.layout import AlbedoTexture, Texels, surface_texels, texture_layout
from models.textures.painting import TexturePainter
from models.textures.pictures import save_textured_pictures
from tests.scenes.cuda import EVERY_DEVICE, needs_cuda
from tests.scenes.evaluation import write_reconstruction
from tests.scenes.ham import hand_scene
from utils.errors import UserError
from utils.io.files import load_json, save_json
from utils.io.images import load_image
from utils.photos.crops import ViewCrop

SIZE = 256  # rows
WAVE = 12.0  # texels a wave of the pattern: about 5 pixels of the photos
AMPLITUDE = 0.06  # of albedo


@pytest.fixture(scope="module")
def reconstruction(tmp_path_factory):
    """A left and a right hand before six cameras, with smooth colours of the vertices."""
    folder = tmp_path_factory.mktemp("textures")
    scene = hand_scene(views=6, pixels=240)
    colors = torch.tensor([0.6, 0.45, 0.4]).expand_as(scene.appearance.albedo).clone()
    write_reconstruction(
        folder, replace(scene, appearance=replace(scene.appearance, albedo=colors))
    )
    return load_reconstruction(folder, "1")


@pytest.fixture(scope="module")
def layout(reconstruction):
    return texture_layout(reconstruction.models(), reconstruction.subdivisions)


@pytest.fixture(scope="module")
def texels(layout):
    return surface_texels(layout, SIZE)


def pattern(texels: Texels) -> np.ndarray:
    """Waves (N, 1) along both axes of the texture."""
    x, y = texels.x[:, None] / WAVE, texels.y[:, None] / WAVE
    return AMPLITUDE * np.sin(2 * np.pi * x) * np.sin(2 * np.pi * y)


@pytest.fixture(scope="module")
def photographed(reconstruction, layout, texels):
    """The hands' photos with the pattern on their skin."""
    colors = np.array([0.6, 0.45, 0.4]) + pattern(texels)
    texture = AlbedoTexture(torch.from_numpy(fill(texels, colors.astype(np.float32))), layout)
    verts, cameras = reconstruction.in_hand_units(reconstruction.cameras)
    faces = torch.from_numpy(reconstruction.faces)
    painter = TexturePainter(verts, faces, reconstruction.appearance, texture)
    return [crop_of(painter.render(cameras[view], view)) for view in range(len(cameras))]


def crop_of(rendering: Rendering) -> ViewCrop:
    height, width = rendering.covered.shape
    covered = rendering.covered
    return ViewCrop((0, 0, width, height), rendering.image, covered, covered, covered)


def test_texels_lie_where_the_layout_says(layout, texels):
    corners = layout.corners_px(SIZE)[texels.face]
    place = np.einsum("nk,nkc->nc", texels.bary, corners)
    assert np.abs(place - np.column_stack([texels.x, texels.y])).max() < 1e-2
    assert texels.shape == (SIZE, 2 * SIZE)
    assert 0.3 < len(texels.face) / (2 * SIZE * SIZE) < 0.4
    assert (layout.tile[texels.face] == (texels.x >= SIZE)).all()


def test_photos_give_back_what_is_finer_than_the_mesh(reconstruction, layout, texels, photographed):
    baked = bake_albedo(reconstruction, layout, texels, photographed)
    found = baked.albedo[texels.y, texels.x] - [0.6, 0.45, 0.4]
    true = pattern(texels)[:, 0]
    seen = baked.seen[texels.y, texels.x]
    assert seen.mean() > 0.5  # the fingers' inner sides are not
    for channel in range(3):
        assert np.corrcoef(found[seen, channel], true[seen])[0, 1] > 0.8
    share = (found[seen] * true[seen, None]).sum() / (3 * (true[seen] ** 2).sum())
    assert 0.6 < share < 1.1  # photos of 240 pixels blur waves of 5
    assert baked.misalignment < 0.3


def test_a_stain_on_one_photo_stays_out(reconstruction, layout, texels, photographed):
    clean = bake_albedo(reconstruction, layout, texels, photographed)
    image = photographed[0].image.copy()
    y, x = (int(np.median(where)) for where in np.nonzero(photographed[0].mask))
    image[y - 3 : y + 4, x - 3 : x + 4] = [0.1, 0.3, 0.9]
    stained = [replace(photographed[0], image=image), *photographed[1:]]
    baked = bake_albedo(reconstruction, layout, texels, stained)
    assert np.quantile(np.abs(baked.albedo - clean.albedo).max(-1)[clean.seen], 0.999) < 0.03


def test_without_photos_nothing_is_seen_and_that_is_an_error(
    reconstruction, photographed, tmp_path
):
    nothing = [replace(crop, photometric=np.zeros_like(crop.mask)) for crop in photographed]
    with pytest.raises(UserError, match="no photo shows any part of the hands"):
        write_textures(tmp_path, "1", reconstruction, nothing, 64)
    assert not list(tmp_path.iterdir())


def test_colours_go_on_beyond_the_charts_and_end_in_the_mean(texels):
    values = np.column_stack([texels.x, texels.y]).astype(np.float32)
    image = fill(texels, values)
    assert np.array_equal(image[texels.y, texels.x], values)
    assert image[0, 0] == pytest.approx(values.mean(0), rel=1e-5)
    left = int(np.flatnonzero(texels.y == SIZE // 2)[0])  # the outermost texel of its row
    y, x = texels.y[left], texels.x[left]
    assert np.abs(image[y, x - 2] - values[left]).max() <= 3


def test_a_mesh_that_is_the_light_one_has_a_flat_normal_map(reconstruction, layout, texels):
    normals = relief.normal_map(reconstruction, layout, texels)
    assert np.quantile(normals[:, 2], 0.01) > 0.999
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1)


def test_fingers_shade_each_other_and_the_back_of_the_hand_is_open(reconstruction):
    share = relief.openness(reconstruction)
    assert share.min() >= 0 and share.max() <= 1
    assert np.median(share) > 0.9 and np.quantile(share, 0.02) < 0.7


def test_files_are_read_back_and_held_against_the_reconstruction(
    reconstruction, photographed, tmp_path
):
    files = write_textures(tmp_path, "1", reconstruction, photographed, 128)
    assert sorted(path.name for path in files) == [
        "1_albedo.png", "1_normal.png", "1_occlusion.png", "1_seen.png", "1_textures.json",
    ]  # fmt: skip
    texture = load_texture(tmp_path, "1", reconstruction)
    assert texture.levels[0].shape == (1, 3, 128, 256)
    facts = load_json(texture_paths(tmp_path, "1")["facts"])
    assert facts["hands"] == ["left", "right"] and 0.4 < facts["roughness"] < 0.5
    save_json(texture_paths(tmp_path, "1")["facts"], {**facts, "hands": ["right"]})
    with pytest.raises(UserError, match=r"is of another reconstruction; run bake_textures.py"):
        load_texture(tmp_path, "1", reconstruction)


def test_fine_textures_do_not_glitter_in_small_pictures(layout, texels):
    """A checkerboard of single texels is grey where a pixel holds many of them."""
    board = ((texels.x + texels.y) % 2)[:, None] * np.ones((1, 3))
    texture = AlbedoTexture(torch.from_numpy(fill(texels, board.astype(np.float32))), layout)
    chosen = torch.arange(0, len(texels.face), 50)
    face, bary = torch.from_numpy(texels.face)[chosen], torch.from_numpy(texels.bary)[chosen]
    areas = texture.face_area[face.long()]
    exact, small = texture(face, bary, areas), texture(face, bary, areas / 16)
    assert exact.std() > 0.4
    assert small.mean() == pytest.approx(0.5, abs=0.05) and small.std() < 0.1


def sampled_slowly(image: np.ndarray, place: np.ndarray, finer: float) -> np.ndarray:
    """Colours (N, 3) of an image (H, W, 3) at pixels (N, 2), by NumPy: bilinear in the averages of
    2^k x 2^k texels, for k below and above `finer` each.
    """
    values = np.zeros((len(place), 3))
    for k, share in ((int(finer), 1 - finer % 1), (int(finer) + 1, finer % 1)):
        height, width = np.array(image.shape[:2]) >> k
        level = image.reshape(height, 1 << k, width, 1 << k, 3).mean((1, 3))
        x, y = ((place + 0.5) / (1 << k) - 0.5).clip(0, [width - 1, height - 1]).T
        left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
        right, below = (x - left)[:, None], (y - top)[:, None]
        upper, lower = (
            level[row, left] * (1 - right) + level[row, left + 1] * right for row in (top, top + 1)
        )
        values += share * (upper * (1 - below) + lower * below)
    return values


@pytest.mark.parametrize("finer", [0.0, 0.75, 1.5])
@pytest.mark.parametrize("device", EVERY_DEVICE)
def test_textures_are_sampled_alike_on_every_device(layout, texels, device, finer):
    """As NumPy does it in double precision: pixels as large as 4^finer texels."""
    image = np.random.default_rng(0).random((SIZE, 2 * SIZE, 3)).astype(np.float32)
    texture = AlbedoTexture(torch.from_numpy(image).to(device), layout)
    chosen = torch.arange(0, len(texels.face), 20)
    face, bary = torch.from_numpy(texels.face)[chosen], torch.from_numpy(texels.bary)[chosen]
    areas = texture.face_area[face.long().to(device)] / 4**finer
    values = texture(face.to(device), bary.to(device), areas)
    place = np.einsum("nk,nkc->nc", bary.numpy(), layout.corners_px(SIZE)[face.numpy()])
    assert values.device.type == device
    np.testing.assert_allclose(values.cpu(), sampled_slowly(image, place, finer), atol=1e-4)


@needs_cuda
def test_a_textured_mesh_is_drawn_alike_on_cuda(reconstruction, layout, texels):
    """Up to pixels at the outline, which the rasterizers may give to either side."""
    colors = np.array([0.6, 0.45, 0.4]) + pattern(texels)
    image = torch.from_numpy(fill(texels, colors.astype(np.float32)))
    verts, cameras = reconstruction.in_hand_units(reconstruction.cameras)
    faces, drawn = torch.from_numpy(reconstruction.faces), []
    for device in ("cpu", "cuda"):
        texture, light = AlbedoTexture(image.to(device), layout), reconstruction.appearance
        own = verts.to(device), faces.to(device), light.to(device), texture
        drawn.append(TexturePainter(*own).render(cameras[0].to(device), 0))
    both = drawn[0].covered & drawn[1].covered
    assert both.sum() > 0.999 * drawn[0].covered.sum()
    off = np.abs(drawn[0].image - drawn[1].image)[both].max(-1)
    assert np.quantile(off, 0.999) < 1e-3


@pytest.mark.slow
def test_pictures_of_every_view_show_the_texture(tmp_path, reconstruction, layout, photographed):
    """Drawn with the pattern that the photos show, the pictures equal the photos."""
    texels = surface_texels(layout, SIZE)
    colors = np.array([0.6, 0.45, 0.4]) + pattern(texels)
    texture = AlbedoTexture(torch.from_numpy(fill(texels, colors.astype(np.float32))), layout)
    names = [str(view) for view in range(len(photographed))]
    paths = save_textured_pictures(
        tmp_path, reconstruction, reconstruction.verts, photographed, names, texture
    )
    assert len(paths) == 2 * len(names) and all(path.is_file() for path in paths)
    for view, crop in enumerate(photographed):
        drawn = load_image(tmp_path / "rerender" / f"mesh_{view:02d}.png")
        assert np.abs(drawn - crop.image)[crop.mask].max() < 1 / 255  # bytes
    height = len(load_image(tmp_path / "overlay" / "00.png"))
    assert height >= 240
