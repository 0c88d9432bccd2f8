"""Which photo is which view, whatever the files are called, and which mask and pose are its own."""

import pytest

from utils.captures.view_files import PHOTO_SUFFIXES, files_of_views, find_photos, pairing_note
from utils.errors import UserError


@pytest.fixture
def files(tmp_path):
    def make(folder, *names):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in names:
            (tmp_path / folder / name).touch()
        return tmp_path / folder

    return make


def names(paths):
    return [path.name for path in paths]


@pytest.mark.parametrize(
    "ordered",
    [
        ["00.png", "01.png", "02.png"],
        ["1.jpg", "2.jpg", "10.jpg", "11.JPG"],
        ["000.tif", "001.tiff"],
        ["cam2.webp", "cam10.bmp"],
        ["IMG_0007.jpeg", "IMG_0009.JPEG"],
        ["front.PNG", "left.PNG", "top.PNG"],
    ],
)
def test_photos_are_in_natural_order(files, ordered):
    raw = ordered[0].split(".")[0] + ".CR2"  # beside its photo
    found = find_photos(files("img", *reversed(ordered), ".hidden.png", "notes.txt", raw))
    assert names(found) == ordered


def test_the_pairing_with_cameras_is_said_where_names_do_not_say_it(files):
    assert pairing_note(find_photos(files("a", "00.jpg", "01.jpg"))) is None
    note = pairing_note(find_photos(files("b", "1.jpg", "2.jpg", "10.jpg")))
    assert note == (
        "3 photos, in the order of their names: 1.jpg is camera 0, ..., 10.jpg is camera 2"
    )


@pytest.mark.parametrize(
    "stray, message",
    [
        ("00_mask.png", "holds 00_mask.png beside photos named like 00.png"),
        ("00 (copy).png", r"holds 00 \(copy\).png beside"),
        ("00 (1).png", r"holds 00 \(1\).png beside"),
        ("cam03.png", "holds cam03.png beside"),
        ("overview.jpg", "holds overview.jpg beside"),
        ("00.jpg", "holds 00.jpg, 00.png for one view; leave one"),
        ("2.png", "holds 02.png, 2.png for one view|holds 2.png, 02.png for one view"),
        ("03.exr", "holds 03.exr, which are not read; export photos as PNG or JPEG"),
    ],
)
def test_files_that_may_be_no_photos_are_named(files, stray, message):
    folder = files("img", "00.png", "01.png", "02.png", stray)
    with pytest.raises(UserError, match=message):
        find_photos(folder)


def paired(files, photos, others, suffixes=PHOTO_SUFFIXES):
    photos = find_photos(files("img", *photos))
    paths, note = files_of_views(files("mask", *others), photos, suffixes)
    return names(paths), note


def test_files_of_the_photos_stems_need_no_word(files):
    found = paired(files, ["a1.png", "a2.png"], ["a2.jpg"])
    assert found == (["a1.png", "a2.jpg"], None)  # a1.png: where one would be
    assert paired(files, ["a1.png", "a2.png"], [])[1] is None


def test_the_same_numbers_are_the_same_view(files):
    found = paired(files, ["cam05.png", "cam12.png"], ["5_mask.png", "012_mask.png"])
    assert found == (["5_mask.png", "012_mask.png"], None)


def test_photos_from_1_and_masks_from_0(files):
    """By stems, 01.png would be the mask of the wrong photo."""
    found, note = paired(files, ["01.jpg", "02.jpg", "03.jpg"], ["00.png", "01.png"])
    assert found == ["00.png", "01.png", "02.png"]
    assert note == (
        "mask/ is paired with the photos by their numbers, counted from 0: 00.png is of 01.jpg"
    )


def test_as_many_files_as_photos_are_paired_in_order(files):
    found, note = paired(files, ["00.png", "01.png", "02.png"], ["01.png", "02.png", "03.png"])
    assert found == ["01.png", "02.png", "03.png"]
    assert "in the order of their names: 01.png is of 00.png" in note


def test_files_of_no_photo(files):
    found, note = paired(files, ["00.png", "01.png", "02.png"], ["00.png", "07.png"])
    assert found == ["00.png", "01.png", "02.png"]
    assert note == "mask/ holds 07.png, of no photo: not used"
    photos = find_photos(files("img"))
    with pytest.raises(UserError, match=r"holds x8.png, which belong to no photo; name them as"):
        files_of_views(files("other", "x8.png"), photos, PHOTO_SUFFIXES)


def test_a_file_twice(files):
    with pytest.raises(UserError, match=r"holds 00.jpg twice; leave one file a view"):
        paired(files, ["00.png", "01.png"], ["00.jpg", "00.png"])
