"""Models that visitors bring from the Hub: fetched without a token, or refused in words."""

from textwrap import dedent

import pytest
from helpers.demo_page import WIDE, compare, go_to, open_page, tile_names
from helpers.demo_server import DEMO, ROOT, DemoServer
from helpers.hub_server import Client, HubServer, Raised

import colorzoo


@pytest.fixture
def offered(tmp_path):
    """A Hub with a model that works and several that do not, and how each is refused."""
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "tiny")
    files = {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir()}
    config = files["config.json"]
    refused = {
        "ann/pickle": ({"config.json": config, "pytorch_model.bin": b"x"}, "only as a pickle"),
        "ann/odd": ({**files, "config.json": config.replace(b"2", b"3", 1)}, "does not fit"),
        "ann/large": ({**files, "config.json": b" " * 2_000_000}, "more than the limit of 1 MB"),
        "ann/nothing": ({"config.json": config}, "has no model.safetensors"),
        "ann/missing": (None, "has no repository ann/missing"),
        "../../etc": (None, "is not a Hub id"),
    }
    with HubServer() as hub:
        hub.add("ann/tiny", files)
        hub.add("ann/private", files, private=True)
        refused["ann/private"] = (None, "or it is private")  # the server's token is not used
        for repo_id, (content, _) in refused.items():
            if content is not None:
                hub.add(repo_id, content)
        yield hub, {repo_id: words for repo_id, (_, words) in refused.items()}
        assert not hub.leaked


def test_a_model_is_fetched_or_refused_in_words(offered, tmp_path):
    hub, refused = offered
    path = f"{DEMO}:{ROOT}"
    client = Client(hub.url, tmp_path / "home", HF_TOKEN="hf_ann", PYTHONPATH=path)
    try:
        for repo_id, words in refused.items():
            with pytest.raises(Raised, match=words) as caught:
                client.run(f"from webapp import hub_models; hub_models.fetch({repo_id!r})")
            told = str(caught.value)
            assert str(tmp_path) not in told and "colorzoo-guests" not in told
        key, listed, kept = client.run(
            dedent("""
                from pathlib import Path
                from webapp import hub_models

                key = hub_models.fetch(" https://huggingface.co/ann/tiny/ ")
                gray = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
                assert hub_models.get(key).colorize(gray).size == (64, 48)
                kept = [path.name for path in Path(hub_models._folder.name).iterdir()]
                result = key, colorzoo.list_models(), kept
            """)
        )
    finally:
        client.close()
    assert key == f"ann/tiny@{hub.repos['ann/tiny'].refs['main']}"
    assert "ann/tiny" not in listed and len(kept) == 1  # what was refused is deleted


@pytest.mark.slow
@pytest.mark.browser
def test_a_model_of_the_visitor_s_own_joins(browser, offered, tmp_path):
    hub, refused = offered
    environment = {
        "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": "hf_ann",
    }  # fmt: skip
    with DemoServer(tmp_path / "demo", HF_ENDPOINT=hub.url, **environment) as server:
        page, other = (open_page(browser, server, viewport=WIDE) for _ in range(2))
        go_to(page, "Compare")
        page.get_by_role("button", name="Models").last.click()
        for repo_id, words in refused.items():
            page.locator("#repo-id").locator("input, textarea").fill(repo_id)
            page.get_by_role("button", name="Add", exact=True).click()
            toast = page.get_by_test_id("toast-body").filter(has_text=words)
            toast.wait_for()
            assert str(tmp_path) not in toast.inner_text()
            page.get_by_test_id("toast-close").last.click()
            toast.wait_for(state="detached")
        go_to(page, "Colour")
        page.locator("#examples button").first.click()
        compare(page)
        page.locator("#repo-id").locator("input, textarea").fill("ann/tiny")
        page.get_by_role("button", name="Add", exact=True).click()
        page.locator("#gallery").get_by_text("ann/tiny").wait_for()
        other.locator("#examples button").first.click()
        compare(other)
        assert "ann/tiny" in tile_names(page) and "ann/tiny" not in tile_names(other)
        page.context.close()
        other.context.close()
    assert "Traceback" not in server.log.read_text()
