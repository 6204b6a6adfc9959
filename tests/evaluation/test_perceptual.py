"""LPIPS and FID: the arithmetic with networks of our own, and what happens without weights."""

import copy
import socket

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from colorzoo.evaluation import metrics, perceptual
from colorzoo.evaluation.perceptual import Fid, Lpips, find_measures


@pytest.fixture
def random_alexnet(monkeypatch):
    """AlexNet as torchvision builds it, without the download."""
    import torchvision

    build = torchvision.models.alexnet

    def untrained(weights):
        torch.manual_seed(0)
        return build(weights=None)

    monkeypatch.setattr(torchvision.models, "alexnet", untrained)


class MeanColour(torch.nn.Module):
    num_features = 3

    def forward(self, pictures):
        return pictures.float().mean(dim=(2, 3))


def test_lpips_is_the_mean_over_photos(random_alexnet, coffee):
    truths = [metrics.prepare(coffee, side=64), metrics.prepare(coffee[:200], side=64)]
    each = []
    both = Lpips()
    for truth in truths:
        one = Lpips()
        one.add(metrics.gray(truth), truth)
        both.add(metrics.gray(truth), truth)
        each.append(one.value())
    assert both.value() == pytest.approx(np.mean(each)) and min(each) > 0
    same = Lpips()
    same.add(truths[0], truths[0])
    assert same.value() == pytest.approx(0, abs=1e-6)


def test_fid_agrees_with_the_formula(rng):
    truths = rng.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    pictures = rng.integers(0, 200, (9, 8, 8, 3), dtype=np.uint8)
    fid = Fid(network=MeanColour())
    assert fid.value() is None
    for picture, truth in zip(pictures, truths, strict=True):
        fid.add(picture, truth)
    one, other = (stack.mean(axis=(1, 2)) for stack in (truths, pictures))
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    shift = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    expected = shift + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert fid.value() == pytest.approx(expected, rel=1e-4)


def test_both_are_measured_for_the_model_and_for_gray(random_alexnet, coffee):
    measures = {"lpips": Lpips(), "fid": Fid(network=MeanColour())}
    untouched = copy.deepcopy(measures)
    photos = [coffee, coffee[:200], coffee[::-1, :300]]
    truths = iter([metrics.prepare(photos[0]), *map(metrics.prepare, photos)])
    found = metrics.evaluate(lambda _: next(truths), photos, measures=measures)
    assert found.scores.lpips == pytest.approx(0, abs=1e-6)
    assert found.scores.fid == pytest.approx(0, abs=1e-3)
    assert found.gray.lpips and found.gray.lpips > 0.001
    assert found.gray.fid and found.gray.fid > 1
    assert measures["fid"].value() is None is untouched["fid"].value()


def test_what_cannot_be_had_is_said_and_left_out(no_network, capfd):
    before = socket.getdefaulttimeout()
    measures, notes = find_measures(["lpips", "fid"])
    assert measures == {}
    assert notes[0].startswith("LPIPS is left out, because its weights could not be loaded")
    assert notes[1].startswith("FID is left out, because ")
    assert not any("\n" in note for note in notes)
    assert socket.getdefaulttimeout() == before
    assert find_measures([]) == ({}, [])


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchmetrics.image.lpip", None)
    measures, (note,) = find_measures(["lpips"])
    assert measures == {} and "a package it needs could not be loaded" in note


def test_a_silent_server_is_not_waited_for(monkeypatch):
    limits = []

    def build(device):
        limits.append(socket.getdefaulttimeout())
        raise TimeoutError

    monkeypatch.setitem(perceptual._KINDS, "fid", build)
    _, (note,) = find_measures(["fid"])
    assert limits[0] and limits[0] <= 10
    assert note.endswith("could not be loaded: TimeoutError")
