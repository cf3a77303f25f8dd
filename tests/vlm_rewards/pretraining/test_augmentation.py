import torch

from vlm_rewards.pretraining.augmentation import augment


def test_off_means_unchanged():
    pixels = torch.rand(3, 3, 9, 7)
    torch.testing.assert_close(augment(pixels, torch.Generator().manual_seed(0), shift=0, jitter=0.0), pixels)


def test_a_shift_moves_whole_images_by_at_most_so_many_pixels():
    pixels = torch.zeros(64, 3, 21, 15)
    pixels[:, :, 10, 7] = torch.tensor([0.25, 0.5, 1.0])
    moved = augment(pixels, torch.Generator().manual_seed(0), shift=3, jitter=0.0)
    places = set()
    for image in moved:
        ((y, x),) = image[2].nonzero().tolist()
        assert abs(y - 10) <= 3
        assert abs(x - 7) <= 3
        assert image[:, y, x].tolist() == [0.25, 0.5, 1.0]
        places.add((y, x))
    assert len(places) > 20


def test_jitter_stays_in_range_differs_by_image_and_repeats_by_seed():
    pixels = torch.rand(8, 3, 9, 7)
    once, again, other = (augment(pixels, torch.Generator().manual_seed(s), 2, 0.2) for s in (1, 1, 2))
    torch.testing.assert_close(once, again, rtol=0, atol=0)
    assert not torch.equal(once, other)
    assert once.min() >= 0
    assert once.max() <= 1
    flat = augment(torch.full((8, 3, 4, 4), 0.5), torch.Generator().manual_seed(1), 0, 0.2)
    assert len(flat.mean(dim=(1, 2, 3)).unique()) == 8
