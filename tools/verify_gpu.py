"""Everything about the GPU engine that needs a card, in one command, with a report.

    python tools/verify_gpu.py OUT                    on the first GPU, an UNTRAINED ResNet-50 at 512 px
    python tools/verify_gpu.py OUT --model DIR        with a model of yours, which gets its engines
    python tools/verify_gpu.py OUT --rehearse         the same steps on the CPU with OpenVINO and a tiny network:
                                                      proves this tool, says nothing of a card

Writes OUT/verify_gpu.json and OUT/verify_gpu.md. Ends with exit code 1 if a step failed.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from seeded_model import write_seeded_model
from verify_gpu_grade import grade_killed_and_resumed
from verify_gpu_report import write_report
from verify_gpu_speed import measure_speed, measure_sustained

from embryofrag.engine.build import build_engines
from embryofrag.engine.eager import EagerEngine
from embryofrag.engine.model import ModelInfo, read_model
from embryofrag.engine.pair import EnginePair
from embryofrag.engine.parity import compare_answers, judge_results
from embryofrag.engine.select import choose_engine, load_pair
from embryofrag.engine.tensorrt.gpu import choose_gpu
from embryofrag.engine.tensorrt.libraries import installed_library
from embryofrag.errors import EmbryofragError
from embryofrag.network.config import NetworkConfig
from embryofrag.phantom import probe_images

NETWORK, LOCATOR_PX = NetworkConfig(backbone="resnet50", input_px=512), 128
TINY_NETWORK, TINY_LOCATOR_PX = NetworkConfig(backbone="resnet18", width=0.125, input_px=64), 32


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the steps work on."""

    out: Path
    model: ModelInfo
    engine: str
    precisions: tuple[str, ...]
    """The first is the one that is timed and graded with."""
    device: str | None
    torch_device: str
    max_batch: int | None
    num_phantoms: int
    sustained_s: float

    def load(self, precision: str) -> EnginePair:
        """Load the engines of a precision, which checks them with their probe; of one view, as the rivals have."""
        return load_pair(choose_engine(self.model.path, self.engine, precision, device=self.device, num_views=1))

    def phantoms(self, module: str) -> np.ndarray:
        """Drawn frames that are not among those a build is proved with, uint8 (N, S, S, 3)."""
        num_probe = 8
        input_px = self.model.network_of(module)["input_px"]
        return probe_images(input_px, num_probe + self.num_phantoms)[num_probe:]


@click.command(help=__doc__)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--model", "model_dir", type=click.Path(path_type=Path, exists=True), help="Model folder with weights.")
@click.option("--device", metavar="cuda:N", help="GPU. [default: the first]")
@click.option("--max-batch", type=int, help="Frames a pass. [default: that of `engines build`]")
@click.option("--phantoms", "num_phantoms", default=32, show_default=True, help="Frames of the parity step.")
@click.option("--sustained", "sustained_s", default=120.0, show_default=True, help="Seconds of the sustained step.")
@click.option("--rehearse", is_flag=True, help="On the CPU, to try this tool.")
def main(out: Path, model_dir: Path | None, rehearse: bool, **options) -> None:
    """Run the steps and write the report."""
    try:
        machine = {"rehearsal": "on the CPU"} if rehearse else describe_card(options["device"])
    except EmbryofragError as error:
        raise click.ClickException(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    setting = make_setting(out, model_dir, rehearse, **options)
    results = {}
    for name, step in STEPS.items():
        click.echo(f"{name} ...", err=True)
        results[name] = run_step(step, setting)
        click.echo(f"{name}: {'passed' if results[name]['passed'] else 'FAILED'}", err=True)
    document = {"model": setting.model.label, "engine": setting.engine, "machine": machine, "steps": results}
    (out / "verify_gpu.json").write_text(json.dumps(document, indent=2) + "\n")
    write_report(out / "verify_gpu.md", document)
    click.echo(f"report: {out / 'verify_gpu.md'}")
    if not all(result["passed"] for result in results.values()):
        raise SystemExit(1)


def describe_card(device: str | None) -> dict:
    """What the figures hold for.

    Raises:
        EmbryofragError: no card, or no TensorRT.
    """
    import torch

    gpu = choose_gpu(device)
    library, version = installed_library()
    return {
        "gpu": gpu.name,
        "compute_capability": gpu.compute_capability,
        "memory_bytes": gpu.memory_bytes,
        "num_sms": gpu.num_sms,
        library: version,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }


def make_setting(out: Path, model_dir: Path | None, rehearse: bool, *, device: str | None, **options) -> Setting:
    """Draw a model where none was named."""
    if model_dir is None:
        model_dir = out / "model"
        shutil.rmtree(model_dir, ignore_errors=True)
        network, locator_px = (TINY_NETWORK, TINY_LOCATOR_PX) if rehearse else (NETWORK, LOCATOR_PX)
        write_seeded_model(model_dir, network, seed=0, name="drawn", num_probe_frames=8, locator_px=locator_px)
    return Setting(
        out=out,
        model=read_model(model_dir),
        engine="openvino" if rehearse else "tensorrt",
        precisions=("fp32",) if rehearse else ("fp16", "fp32"),
        device=device,
        torch_device="cpu" if rehearse else device or "cuda:0",
        **options,
    )


def run_step(step: Callable[[Setting], dict], setting: Setting) -> dict:
    """Run one step; a failure becomes its result, so that the others still run."""
    start_s = time.perf_counter()
    try:
        result = step(setting)
    except (EmbryofragError, RuntimeError, OSError) as error:
        result = {"passed": False, "reason": f"{type(error).__name__}: {error}"}
    return result | {"seconds": round(time.perf_counter() - start_s, 1)}


def build(setting: Setting) -> dict:
    """Compile every module in every precision; each build has its own parity gate."""
    figures = {}
    for precision in setting.precisions:
        start_s = time.perf_counter()
        report = build_engines(
            setting.model.path,
            engine=setting.engine,
            precision=precision,
            max_batch=setting.max_batch,
            device=setting.device,
        )
        figures[precision] = {
            "build_s": round(time.perf_counter() - start_s, 1),
            "size_bytes": report.size_bytes,
            "parity": str(report.parity),
        }
    return {"passed": True, "figures": figures}


def parity(setting: Setting) -> dict:
    """Compare every precision with the reference on frames that no build has seen."""
    images = {module: setting.phantoms(module) for module in setting.model.modules}
    reference = {module: EagerEngine(setting.model, module, engine_id="reference") for module in images}
    expected = judge_results({module: reference[module].run(images[module]) for module in images}, setting.model)
    figures, passed = {}, True
    for precision in setting.precisions:
        pair = setting.load(precision)
        found = compare_answers(expected, pair.answers(images))
        pair.close()
        figures[precision] = {"parity": str(found)}
        passed &= found.passed
    return {"passed": passed, "figures": figures}


def independence(setting: Setting) -> dict:
    """A frame's result must not depend, to the bit, on the frames it is batched with."""
    figures, passed = {}, True
    for precision in setting.precisions:
        pair, images = setting.load(precision), setting.phantoms("a")
        backwards = np.arange(len(images))[::-1]
        for name, run in (("masks", pair.masks), ("ratios", pair.ratios)):
            together = run(images)
            apart = np.concatenate([run(image[None]) for image in images])
            same = np.array_equal(together, apart) and np.array_equal(together[backwards], run(images[backwards]))
            figures[f"{precision} {name}"] = {"the same alone, together and backwards": bool(same)}
            passed &= same
        pair.close()
    return {"passed": bool(passed), "figures": figures}


def speed(setting: Setting) -> dict:
    """Frames a second and memory beside PyTorch eager and torch.compile."""
    pair = setting.load(setting.precisions[0])
    figures = measure_speed(pair, setting.phantoms("a"), setting.torch_device)
    pair.close()
    return {"passed": True, "figures": figures}


def sustained(setting: Setting) -> dict:
    """The same work for minutes: the slowest window shows a card that gets hot or a leak of memory."""
    pair = setting.load(setting.precisions[0])
    figures = measure_sustained(pair, setting.phantoms("a"), setting.sustained_s, setting.torch_device)
    pair.close()
    return {"passed": figures["memory"]["grew_bytes"] <= 0, "figures": figures}


def kill_and_resume(setting: Setting) -> dict:
    """Kill `grade` on the card half way, run it again, and compare with a run left alone."""
    options = ["--model", str(setting.model.path), "--engine", setting.engine, "--precision", setting.precisions[0]]
    if setting.device is not None:
        options += ["--device", setting.device]
    return grade_killed_and_resumed(setting.out / "grade", options)


STEPS = {
    "build": build,
    "parity": parity,
    "independence": independence,
    "speed": speed,
    "sustained": sustained,
    "kill and resume": kill_and_resume,
}

if __name__ == "__main__":
    main()
