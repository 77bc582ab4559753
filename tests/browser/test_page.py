"""The page that mixes birds, in a real browser: from a server and from the disk.

Needs Chromium (``apt-get install chromium``), npm, and websocket-client, which JupyterLab brings
along; run only with FINEGAN_BROWSER=1. Screenshots and times: runs/browser/. Times are reported,
but no test depends on them: they differ between machines. FINEGAN_PAGE names a page that is built
already.
"""

import base64
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Page, static_files
from on_demand import on_demand

from finegan_lib.course.page import build, build_page
from finegan_lib.figures import generate
from finegan_lib.training.pretrained import load_finegan

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "runs" / "browser"
pytestmark = [pytest.mark.slow, *on_demand(("websocket", "onnxscript"), ("npm",))]
BOX = "document.querySelector('.playground')"
DRAWN = f"{BOX}?.dataset.milliseconds"
STATUS = "document.querySelector('.fg-status').textContent"
BIRD = f"JSON.stringify({BOX}.playground.bird)"
# When all that was asked for is on the page.
SETTLED = f"{BOX}.playground.shown.then(() => 'settled')"
PIXELS = """(() => {const c = document.querySelector('%s');
const image = c.getContext('2d').getImageData(0, 0, c.width, c.height);
return btoa(String.fromCharCode(...image.data))})()"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if built := os.environ.get("FINEGAN_PAGE"):
        return Path(built).resolve()
    start, problem = build_page(tmp_path_factory.mktemp("page") / "page")
    assert not problem
    return start.parent


@pytest.fixture(scope="module")
def served(folder):
    """The page's address on a plain server of static files."""
    with static_files(folder) as address:
        yield f"{address}/index.html"


@pytest.fixture
def page(tmp_path):
    with Page(tmp_path, on_failure=SHOTS / "page_failure.png") as opened:
        yield opened


def start(page, address):
    page.send("Performance.enable")
    page.open(address)
    page.wait_for(DRAWN, 120)


def settle(page):
    assert page.send("Runtime.evaluate", expression=SETTLED, awaitPromise=True)["result"]


def processor_ms(page):
    """Milliseconds of processor time that the page has taken; other programs do not count."""
    metrics = page.send("Performance.getMetrics")["metrics"]
    return 1000 * next(m["value"] for m in metrics if m["name"] == "ProcessTime")


def painted(selector):
    """JavaScript: whether something is drawn on a canvas."""
    return f"""document.querySelector({json.dumps(selector)})
        ?.getContext('2d').getImageData(9, 9, 1, 1).data[3] === 255"""


def pixels(page, selector):
    """(S, S, 3) of a canvas."""
    data = np.frombuffer(base64.b64decode(page.value(PIXELS % selector)), np.uint8)
    side = int((len(data) / 4) ** 0.5)
    return data.reshape(side, side, 4)[..., :3].astype(int)


def drawn_by_pytorch(page):
    """The three stages of the bird that is shown, as the library draws them."""
    bird = json.loads(page.value(BIRD))
    generator = load_finegan(bird["network"])
    codes = generator.config.hierarchy().codes(
        torch.tensor([bird["z"]]), bird["c"], p_index=bird["p"], b_index=bird["b"]
    )
    return generate(generator, codes)


def as_pixels(image):
    image = image[0].expand(3, -1, -1) * 2 - 1 if image.shape[1] == 1 else image[0]
    return ((image / 2 + 0.5).clamp(0, 1) * 255).round().permute(1, 2, 0).int().numpy()


@pytest.mark.parametrize("network", build.NETWORKS)
@pytest.mark.parametrize("way", ["server", "disk"])
def test_it_loads_and_draws_what_pytorch_draws(page, served, folder, way, network):
    address = served if way == "server" else (folder / "index.html").as_uri()
    start(page, f"{address}#network={network}")
    first = float(page.value(f"{BOX}.dataset.since"))
    begun, times, taken = processor_ms(page), [], []
    for code, value in (("p", 3), ("c", 11), ("b", 6), ("c", 2)):
        before = processor_ms(page)
        page.click(f"input[name=fg-{code}][value='{value}']")
        settle(page)
        times.append(float(page.value(DRAWN)))
        taken.append(round(processor_ms(page) - before, 1))
    SHOTS.mkdir(parents=True, exist_ok=True)
    report = {
        "first_bird_ms": first,
        "first_bird_processor_ms": round(begun),
        "update_ms": times,
        "update_processor_ms": taken,
    }
    (SHOTS / f"page_times_{network}_{way}.json").write_text(json.dumps(report, indent=2) + "\n")
    bird = json.loads(page.value(BIRD))
    assert bird["network"] == network
    assert {k: bird[k] for k in "pcb"} == {"p": 3, "c": 2, "b": 6} and bird["ties"] == []
    output = drawn_by_pytorch(page)
    expected = {
        ".fg-large": output.child.image,
        "[data-picture=B]": output.background.image,
        "[data-picture=Mp]": output.parent.mask,
        "[data-picture=P]": output.parent.image,
        "[data-picture=Mc]": output.child.mask,
        "[data-picture=C]": output.child.image,
    }
    for selector, image in expected.items():
        difference = np.abs(pixels(page, selector) - as_pixels(image)).max()
        assert difference <= 2, f"{selector}: {difference} of 255"
    assert page.errors() == []
    home = address.rpartition("/")[0]
    elsewhere = [u for u in page.requests() if not u.startswith((home, "data:", "blob:"))]
    assert elsewhere == []


def test_ties_are_tied_and_cut(page, served):
    start(page, served)
    page.click("input[name=fg-c][value='19']")
    settle(page)
    bird = json.loads(page.value(BIRD))
    assert (bird["p"], bird["b"]) == (4, 19)
    page.click("[data-tie=b]")
    page.click("input[name=fg-c][value='0']")
    settle(page)
    bird = json.loads(page.value(BIRD))
    assert (bird["p"], bird["b"], bird["ties"]) == (0, 19, ["p"])
    page.click("[data-tie=b]")
    settle(page)
    assert json.loads(page.value(BIRD))["b"] == 0
    assert "appearance c = 0, background b = 0" in page.value(STATUS)


def test_dragging_moves_the_bird_and_keys_do(page, served):
    start(page, served)
    before = json.loads(page.value(BIRD))["z"]
    page.drag(".fg-large", 20, -15)
    settle(page)
    after = json.loads(page.value(BIRD))["z"]
    assert after[1] > before[1] and after[2] < before[2] and after[3:] == before[3:]
    page.value("document.querySelector('.fg-large').focus()")
    page.press("ArrowLeft")
    settle(page)
    assert json.loads(page.value(BIRD))["z"][1] < after[1]
    # A slider by its keys.
    page.value("document.querySelector('[data-z=\"0\"]').focus()")
    page.press("ArrowRight")
    settle(page)
    assert json.loads(page.value(BIRD))["z"][0] == pytest.approx(before[0] + 0.1, abs=0.051)
    # The pictures to choose from are radio buttons: one stop for Tab, arrows within.
    page.value("document.querySelector('input[name=fg-c]:checked').focus()")
    page.press("ArrowRight")
    settle(page)
    assert json.loads(page.value(BIRD))["c"] == 1


def test_an_address_brings_its_bird(page, served):
    address = "#network=toy&c=5&p=2&b=9&z=-0.5,1,0,0.3,0,0,0,1&tied="
    start(page, served + address)
    bird = json.loads(page.value(BIRD))
    assert (bird["c"], bird["p"], bird["b"], bird["ties"]) == (5, 2, 9, [])
    assert page.value("location.hash") == address
    page.click("[data-do=random]")
    settle(page)
    shared = page.value("location.hash")
    assert shared != address
    page.value(f"location.hash = {json.dumps(address)}")
    page.wait_for(f'{BIRD}.includes(\'"c":5,"p":2,"b":9\')')
    settle(page)
    assert page.value("location.hash") == address


def test_two_birds_are_mixed_and_the_grid_opens_one(page, served):
    start(page, served)
    mixer = f"{BOX}.playground.mixer"
    first, second = json.loads(page.value(f"JSON.stringify({mixer}.birds)"))
    page.click(".fg-mix [data-open]")
    settle(page)
    bird = json.loads(page.value(BIRD))
    assert (bird["p"], bird["z"], bird["c"]) == (first["p"], first["z"], second["c"])
    assert bird["b"] == first["b"]
    page.value("document.querySelector('.fg-grid').scrollIntoView()")
    page.wait_for("document.querySelectorAll('.fg-grid button').length === 100")
    page.click(".fg-grid [data-p='2'][data-c='13']")
    settle(page)
    bird = json.loads(page.value(BIRD))
    assert (bird["p"], bird["c"], bird["ties"]) == (2, 13, [])
    page.value("document.querySelector('.fg-grid button').focus()")
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.press(key)
    focused = page.value("(({p, c}) => p + ' ' + c)(document.activeElement.dataset)")
    assert focused == "1 1"
    assert page.errors() == []


def test_another_network_is_chosen(page, served):
    """And the page answers while the grid of the larger one is drawn."""
    start(page, served)
    page.value(
        """{const choice = document.querySelector('[data-network]');
        choice.value = 'birds'; choice.dispatchEvent(new Event('change'))}"""
    )
    page.wait_for(f"{BOX}.playground.facts.name === 'birds' && {BOX}.playground.bird.z.length > 30")
    settle(page)
    assert page.value("document.querySelectorAll('input[name=fg-c]').length") == 50
    assert page.value("location.hash").startswith("#network=birds&c=49&p=9&b=49&")
    page.value("document.querySelector('.fg-grid').scrollIntoView()")
    page.wait_for(painted(".fg-grid [data-p='0'][data-c='0'] canvas"), 120)
    page.click("input[name=fg-p][value='2']")
    settle(page)
    assert json.loads(page.value(BIRD))["p"] == 2
    assert not page.value(painted(".fg-grid [data-p='9'][data-c='49'] canvas"))
    assert page.errors() == []


def test_a_network_that_cannot_be_fetched(page, folder, tmp_path):
    """The page says so, and keeps the network that it has."""
    page.send("Network.setBlockedURLs", urls=["*birds.onnx*"])
    start(page, (folder / "index.html").as_uri())
    page.value("document.querySelector('.playground').playground.open('birds')")
    page.wait_for(f"{STATUS}.includes('cannot be run here')")
    page.click("[data-do=random]")
    settle(page)
    assert json.loads(page.value(BIRD))["network"] == "toy"
    assert page.value("document.querySelector('[data-network]').value") == "toy"


def test_the_bird_stays_in_sight_on_a_narrow_window(page, served):
    page.resize(390, 800)
    start(page, served)
    page.value("document.querySelector('[data-code=b]').scrollIntoView({block: 'end'})")
    top, bottom = page.value(
        "(({top, bottom}) => [top, bottom])(document.querySelector('.fg-large')"
        ".getBoundingClientRect())"
    )
    assert 0 <= top < bottom < 400


@pytest.mark.parametrize("network", build.NETWORKS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_wide_and_narrow_windows(page, served, width, scheme, network):
    """Nothing sticks out at the side; the pictures are to be looked at."""
    page.prefer(scheme)
    page.resize(width, 900)
    start(page, f"{served}#network={network}")
    assert page.value("document.documentElement.scrollWidth") <= width
    assert page.value("document.documentElement.dataset.theme") == scheme
    page.value("document.querySelector('.fg-grid').scrollIntoView()")
    page.wait_for(painted(".fg-grid tr:last-child td:last-child canvas"), 240)
    page.resize(width, page.value("document.documentElement.scrollHeight"))
    page.value("scrollTo(0, 0)")
    page.screenshot(SHOTS / f"page_{network}_{width}_{scheme}.png")


def test_without_scripts_a_grid_remains(page, served):
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    page.open(served)
    for name in build.NETWORKS:
        grid = f"document.querySelector('.fg-grid img[src*={name}_grid]')"
        page.wait_for(f"{grid}?.naturalWidth > 600")
    assert not page.value("document.querySelector('.fg-main').checkVisibility()")
    assert "Scripts are off" in page.value("document.querySelector('main').innerText")
    page.resize(1280, page.value("document.documentElement.scrollHeight"))
    page.screenshot(SHOTS / "page_without_scripts.png")


def test_everything_to_use_has_a_name(page, served):
    """As a screen reader asks for it."""
    start(page, served)
    page.send("Accessibility.enable")
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    used = {"button", "slider", "radio", "checkbox", "combobox", "image", "img"}
    unnamed = [
        node["role"]["value"]
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"] in used
        and not node.get("name", {}).get("value", "").strip()
    ]
    assert unnamed == []
    roles = [node["role"]["value"] for node in nodes]
    assert roles.count("radio") == 5 + 20 + 20 and roles.count("slider") >= 3
    assert "status" in roles
