"""Compile one module, or the pair, to a raw TensorRT plan, with the record of what it was compiled with."""

import inspect
import tempfile
import time
from pathlib import Path

import torch

from embryofrag.engine.contract import NUMBER_MODULES, modules_of, output_shape
from embryofrag.engine.eager import load_deployed
from embryofrag.engine.model import ModelInfo, weights_file
from embryofrag.engine.tensorrt.gpu import choose_gpu
from embryofrag.engine.tensorrt.graph import FP32_PARTS, export_module, normalisation
from embryofrag.engine.tensorrt.libraries import import_compiler, installed_library
from embryofrag.engine.tensorrt.record import (
    INPUT_NAME,
    RECORD_SCHEMA,
    Binding,
    PlanRecord,
    plan_file,
    this_system,
    write_record,
)
from embryofrag.errors import EmbryofragError

COMPILE_OPTIONS = {
    "require_full_compilation": True,
    "min_block_size": 1,
    "immutable_weights": True,
    "offload_module_to_cpu": True,
    "disable_tf32": True,  # fp32 means fp32
    "workspace_size": 2 << 30,
    "optimization_level": 3,
    "hardware_compatible": False,
    "version_compatible": False,
    "cache_built_engines": False,
    "reuse_cached_engines": False,
}
"""Told to torch_tensorrt for every plan. Its own caches are off: their keys tell too little apart."""


def compile_module(
    model: ModelInfo, module: str, folder: Path, *, precision: str, max_batch: int, device: str | None
) -> None:
    """Write plan and record of one module, or of the pair, to `folder`, compiled for one GPU of this machine.

    Raises:
        EmbryofragError: no usable GPU or library, the weights do not fit, or TensorRT refused the network.
    """
    gpu = choose_gpu(device)
    library, version = installed_library()
    compiler = import_compiler()
    torch.cuda.set_device(gpu.index)
    start_s = time.perf_counter()
    input_px = model.network_of(module)["input_px"]
    deployed = load_deployed(model, module)
    exported = export_module(deployed, precision=precision, input_px=input_px, max_batch=max_batch)
    plan = compile_plan(exported, output_names(module), torch.device("cuda", gpu.index))
    (folder / plan_file(module)).write_bytes(plan)
    write_record(
        folder,
        PlanRecord(
            schema=RECORD_SCHEMA,
            module=module,
            precision=precision,
            fp32_parts=FP32_PARTS,
            normalise=normalisation(deployed),
            weights_sha256={one: model.files[weights_file(one)] for one in modules_of(module)},
            library=library,
            versions={
                "tensorrt": version,
                "torch": torch.__version__,
                "torch_tensorrt": compiler.__version__,
                "cuda": torch.version.cuda,
            },
            system=this_system(),
            gpu=gpu,
            input=Binding(name=INPUT_NAME, dtype="uint8", shape=(-1, input_px, input_px, 3)),
            outputs=tuple(
                Binding(name=name, dtype="float32", shape=output_shape(one, -1, input_px))
                for name, one in zip(output_names(module), modules_of(module), strict=True)
            ),
            min_batch=1,
            opt_batch=max_batch,
            max_batch=max_batch,
            options=COMPILE_OPTIONS,
            build_s=round(time.perf_counter() - start_s, 1),
        ),
    )


def output_names(module: str) -> tuple[str, ...]:
    """Name the outputs of a module or of the pair.

    >>> output_names("a"), output_names("b"), output_names("pair")
    (('masks',), ('ratios',), ('masks', 'ratios'))
    """
    return tuple("ratios" if one in NUMBER_MODULES else "masks" for one in modules_of(module))


def compile_plan(
    exported: torch.export.ExportedProgram, outputs: tuple[str, ...], device: torch.device | None = None
) -> bytes:
    """Return the plan of an exported module, the whole of it in one engine.

    Args:
        exported: As `export_module` gives it; the plan takes batches from 1 to its example's, made for the largest.
        outputs: Names of the plan's outputs; its input is `INPUT_NAME`.
        device: Card to compile for; None: the current one.

    Raises:
        EmbryofragError: an operator has no counterpart in TensorRT, or TensorRT failed.
    """
    compiler = import_compiler()
    convert = compiler.dynamo.convert_exported_program_to_serialized_trt_engine
    unknown = set(COMPILE_OPTIONS) - set(inspect.signature(convert).parameters)
    if unknown:  # it would take them without a word and build something else
        raise EmbryofragError(
            f"torch_tensorrt {compiler.__version__} has no option {', '.join(sorted(unknown))}: "
            f"install the version that embryofrag names in its extra `tensorrt`"
        )
    try:
        with tempfile.TemporaryDirectory() as scratch:  # the default is a folder that others can write to
            return convert(
                exported,
                arg_inputs=[plan_input(exported)],
                arg_input_binding_names=(INPUT_NAME,),
                output_binding_names=outputs if len(outputs) > 1 else outputs[0],  # in the form of what it returns
                timing_cache_path=str(Path(scratch) / "timing.cache"),
                device=device,
                **COMPILE_OPTIONS,
            )
    except RuntimeError as error:
        raise EmbryofragError(
            f"TensorRT could not build {' and '.join(outputs)} ({error}): give the GPU more free memory or a smaller "
            "--max-batch"
        ) from error


def plan_input(exported: torch.export.ExportedProgram):
    """Return the ``torch_tensorrt.Input`` of an exported module: batches from 1 to that of its example."""
    (example,) = exported.example_inputs[0]
    largest = tuple(example.shape)
    return import_compiler().Input(
        min_shape=(1, *largest[1:]), opt_shape=largest, max_shape=largest, dtype=example.dtype, name=INPUT_NAME
    )
